// The merge queue: the window as lanes (what is tested on what), the line behind it, what waits
// aside and why, what landed lately; and what people may say to it.

import { get, mayAct, post } from "/page/api.js";
import { calmed, confirmed, el, fill, moment, short, span, toast } from "/page/dom.js";

export class QueueView {
  constructor(place, store, { onselect }) {
    Object.assign(this, { place, onselect, shown: false });
    this.calm = calmed(700, () => this.refresh());
    store.hear(() => { if (this.shown) this.calm(); });
    setInterval(() => { if (this.shown && !document.hidden) this.calm(); }, 5000);
  }

  enter() { this.shown = true; this.refresh(); }
  leave() { this.shown = false; }

  async refresh() {
    try { this.render(await get("/api/queue")); } catch (error) { fill(this.place, el("p", { class: "pad bad" }, error.message)); }
  }

  render({ queues, now_ms: now }) {
    if (!queues.length) { fill(this.place, el("div", { class: "empty" }, el("h2", {}, "No repository is registered"), el("p", {}, el("code", {}, "oya-vcs init path/to/repo")))); return; }
    fill(this.place, queues.map((queue) => this.queue(queue, now)));
  }

  queue(queue, now) {
    const frozen = queue.frozen_until_ms > now, closed = queue.closed_above !== null;
    const say = (verb, name, more = {}) => el("button", { type: "button", class: "plain", disabled: !mayAct(), onclick: () => this.say(queue, verb, name, more) }, name);
    const lanes = new Map(), line = [], aside = [];
    for (const change of queue.changes) {
      if (change.lane !== null) { if (!lanes.has(change.lane)) lanes.set(change.lane, []); lanes.get(change.lane).push(change); }
      else if (change.place) line.push(change); else aside.push(change);
    }
    return el("article", { class: "card wide" },
      el("header", { class: "row" }, el("h2", {}, queue.path.split("/").pop()), el("span", { class: "mono quiet" }, `→ ${queue.target} ${queue.tip ? `at ${short(queue.tip)}` : ""}`), el("span", { class: "grow" }),
        el("span", { class: "group" }, queue.paused ? say("resume", "Resume") : say("pause", "Pause", { why: true }), frozen ? say("freeze", "Thaw", { for_ms: 0 }) : say("freeze", "Freeze", { why: true, for_ms: 24 * 3600000 }), closed ? say("open", "Open") : say("close", "Close", { why: true }))),
      queue.paused ? el("p", { class: "notice" }, `Paused: ${queue.paused}`) : null, frozen ? el("p", { class: "notice" }, `Nothing lands until ${moment(queue.frozen_until_ms)}: ${queue.frozen_why}`) : null, closed ? el("p", { class: "notice" }, `Closed${queue.closed_above >= 0 ? ` above priority ${queue.closed_above}` : ""}: ${queue.closed_why || "no new change is taken up"}`) : null,
      el("p", { class: "figures" }, figure(String(queue.total), "in the queue"), figure(String(lanes.size), "lanes in use"), figure(queue.window ? String(queue.window) : "–", "window"), figure(queue.test_ms ? span(queue.test_ms) : "–", "a test takes"), figure(`${Math.round(queue.failing * 100)} %`, "fail")),
      el("h3", {}, "Being tested"), lanes.size ? el("ol", { class: "lanes" }, [...lanes.entries()].sort(([one], [other]) => one - other).map(([lane, changes]) => el("li", { class: "lane" }, el("span", { class: "on" }, lane ? "on all above" : `on ${short(changes[0].base)}`), changes.map((change) => this.change(change, now))))) : el("p", { class: "quiet" }, "Nothing."),
      line.length ? [el("h3", {}, "In line"), el("ol", { class: "line" }, line.map((change) => el("li", {}, this.change(change, now))))] : null,
      aside.length ? [el("h3", {}, "Aside"), el("ul", { class: "line" }, aside.map((change) => el("li", {}, this.change(change, now))))] : null,
      queue.recent.length ? [el("h3", {}, "Landed lately"), el("ol", { class: "line landings" }, queue.recent.map((one) => el("li", {}, el("span", { class: "tag s-landed" }, "✓"), el("button", { type: "button", class: "as-link", onclick: () => this.onselect(one.bead) }, one.bead), el("span", { class: "title" }, one.title), el("span", { class: "mono quiet" }, short(one.commit)))))] : null);
  }

  change(change, now) {
    const state = change.stage === "merging" ? "landed" : change.passed ? "ready" : change.passed === false ? "failed" : change.lane !== null ? "testing" : "queued";
    const passed = change.asked_ms && change.passed === null ? span(now - change.asked_ms) : "";
    return el("div", { class: "change" }, el("span", { class: `tag s-${state}` }, change.place ? `${change.place}` : "–"), el("div", {}, el("p", {}, el("button", { type: "button", class: "as-link", onclick: () => this.onselect(change.bead) }, change.bead), " ", el("span", { class: "title" }, change.title)), el("p", { class: "quiet small" }, change.waits_for)),
      el("span", { class: "grow" }), el("span", { class: "mono quiet small end" }, [`P${change.priority}`, passed && `tested for ${passed}`, change.expected_ms !== null ? `lands in ≈ ${span(change.expected_ms)}` : ""].filter(Boolean).join(" · ")));
  }

  async say(queue, verb, name, more) {
    const why = await confirmed(`${name} the queue of ${queue.path.split("/").pop()}?`, TEXTS[verb], { note: more.why ? "Why (people are told)" : "", yes: name });
    if (why === null) return;
    try { toast((await post(`/api/queue/${verb}`, { repo: queue.repo, why, ...("for_ms" in more ? { for_ms: more.for_ms } : {}) })).said); } catch (error) { toast(error.message, true); }
    this.refresh();
  }
}

const TEXTS = { pause: "What runs ends; nothing begins and nothing lands.", resume: "It goes on, and looks again at what was held.", freeze: "Nothing lands for 24 hours; tests go on.", close: "No new change is taken up.", open: "Every change is taken up again." };
const figure = (value, name) => el("span", {}, el("b", {}, value), " ", name);
