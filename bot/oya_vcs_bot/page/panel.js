// One bead: what it is, what may be asked of it, what happened, what its worker says, what it
// changed.

import { get, mayAct, post } from "/page/api.js";
import { calmed, clock, confirmed, el, fill, moment, short, span, toast } from "/page/dom.js";
import { label, sign } from "/page/states.js";

const ASKS = {
  cancel: ["Cancel", "It ends for good; what its worker wrote is kept.", true],
  pause: ["Pause", "Nothing new begins for it, and its worker stands still.", false],
  resume: ["Resume", "It goes on where it was.", false],
  retry: ["Retry", "It gets new attempts.", false],
  approve: ["Approve", "Its change lands as it is, once it has passed.", false],
  rework: ["Rework", "Its change leaves the merge queue, and a worker gets it back with your note.", true],
};
const LOG_MAX = 400_000, TABS = ["Timeline", "Log", "Diff", "Details"];

export class Panel {
  constructor(place, store, { onselect }) {
    Object.assign(this, { place, store, onselect, id: null, tab: "Timeline", pages: {} });
    this.calm = calmed(400, () => this.refresh());
    store.hear((what) => { if (this.id && (what.all || what.ids.includes(this.id))) this.calm(); });
    place.addEventListener("keydown", (event) => { if (event.key === "Escape") this.close(); });
    setInterval(() => this.tick(), 1000);
  }

  async open(id, focus = false) {
    if (!id) { this.close(); return; }
    if (id !== this.id) { this.id = id; this.bead = null; this.story = []; this.storyAfter = 0; this.log = null; this.logName = ""; this.diff = null; this.seen = null; }
    this.place.hidden = false;
    document.body.classList.add("with-panel");
    if (!this.bead) fill(this.place, el("p", { class: "quiet pad" }, "…"));
    await this.refresh();
    if (focus) this.place.querySelector("button.close")?.focus();
  }

  close() {
    if (this.place.hidden) return;
    this.place.hidden = true;
    this.id = null;
    document.body.classList.remove("with-panel");
    this.onselect(null);
  }

  async refresh() {
    const id = this.id;
    if (!id) return;
    try {
      const bead = await get(`/api/beads/${encodeURIComponent(id)}`);
      if (id !== this.id) return;
      this.bead = bead;
      await this.load();
      if (id === this.id) this.render();
    } catch (error) {
      if (id === this.id) fill(this.place, this.head(null), el("p", { class: "pad bad" }, error.message));
    }
  }

  async load() {
    const at = `/api/beads/${encodeURIComponent(this.id)}`, id = this.id;
    if (this.tab === "Timeline") {
      for (let pages = 0; pages < 20; pages += 1) {
        const page = await get(`${at}/events?after=${this.storyAfter}&limit=500`);
        if (id !== this.id) return;
        const last = this.story.length ? this.story[this.story.length - 1].seq : 0;
        this.story.push(...page.events.filter((one) => one.seq > last));
        this.archived = page.archived_to;
        if (page.events.length) this.storyAfter = page.events[page.events.length - 1].seq;
        if (page.next === null) break;
        this.storyAfter = Math.max(this.storyAfter, page.next);
      }
    }
    if (this.tab === "Log") await this.tail(true);
    if (this.tab === "Diff" && (!this.diff || this.diff.commit !== this.bead.commit)) {
      try { this.diff = await get(`${at}/diff`); } catch (error) { this.diff = { error: error.message }; }
    }
    if (this.tab === "Details") {
      const workers = await get("/api/workers");
      const pool = workers.pools.find((one) => one.repo === this.bead.bead.repo);
      const slot = pool?.slots.find((one) => one.bead === this.id);
      this.seen = slot && workers.seen.find((one) => one.repo === pool.repo && one.slot === slot.slot);
    }
  }

  async tail(fresh = false) {
    const id = this.id, name = this.logName;
    const offset = this.log && !this.log.error && this.log.name === (name || this.log.name) ? this.log.next : -65536;
    try {
      const part = await get(`/api/beads/${encodeURIComponent(id)}/log?name=${encodeURIComponent(name)}&offset=${offset}`);
      if (id !== this.id || name !== this.logName) return;
      if (this.log && !this.log.error && part.name !== this.log.name) { this.log = null; if (!fresh) { await this.tail(true); return; } }
      const text = (offset >= 0 && this.log ? this.log.text : "") + part.text;
      const grew = part.text.length > 0;
      this.log = { ...part, text: text.slice(-LOG_MAX) };
      if (!fresh && grew) this.renderLog();
    } catch (error) { if (id === this.id) this.log = { error: error.message, names: [] }; }
  }

  tick() {
    if (!this.id || this.place.hidden || document.hidden) return;
    if (this.tab === "Log") this.tail();
    if (this.tab === "Details" && this.bead && ["running", "paused"].includes(this.bead.bead.state)) this.calm();
    const since = this.place.querySelector(".since");
    if (since && this.bead) since.textContent = `for ${span(Date.now() - this.bead.bead.since_ms)}`;
  }

  head(page) {
    const close = el("button", { class: "plain close", type: "button", title: "Close", "aria-label": "Close", onclick: () => this.close() }, "✕");
    if (!page) return el("header", {}, el("h2", {}, this.id), close);
    const { bead } = page;
    return el("header", {}, el("div", {}, el("p", { class: "over" }, el("span", { class: `tag s-${bead.state}` }, `${sign(bead.state)} ${label(bead.state)}`), el("span", { class: "since" }, `for ${span(Date.now() - bead.since_ms)}`), page.pull ? el("span", {}, `pull request #${page.pull}`) : null), el("h2", {}, bead.title || bead.id), el("p", { class: "mono quiet" }, `${bead.id} · ${bead.repo} · priority ${bead.priority}`)), close);
  }

  render() {
    const focused = document.activeElement?.dataset?.key, scroll = this.place.querySelector(".body")?.scrollTop ?? 0;
    const { bead } = this.bead;
    const actions = Object.entries(ASKS).filter(([verb]) => ["cancel", "pause", "retry"].includes(verb) || this.bead.can.includes(verb)).filter(([verb]) => !(verb === "pause" && this.bead.can.includes("resume")))
      .map(([verb, [name, , danger]]) => el("button", { type: "button", "data-key": `ask-${verb}`, class: danger ? "danger" : "primary", disabled: this.asking === verb || !mayAct() || !this.bead.can.includes(verb), onclick: () => this.ask(verb) }, this.asking === verb ? "…" : name));
    fill(this.place, this.head(this.bead), el("p", { class: "why" }, bead.why),
      el("div", { class: "row actions" }, actions),
      mayAct() ? null : el("p", { class: "quiet small" }, "To look at only. ", el("code", {}, "oya-vcs ui --browser"), " opens this page so that it may act."),
      el("div", { class: "tabs", role: "tablist" }, TABS.map((name) => el("button", { role: "tab", type: "button", "data-key": `tab-${name}`, "aria-selected": String(this.tab === name), onclick: () => { this.tab = name; this.refresh(); } }, name))),
      el("div", { class: "body", role: "tabpanel", tabindex: 0 }, this[`tab${this.tab}`]()));
    this.place.querySelector(".body").scrollTop = scroll;
    if (focused) this.place.querySelector(`[data-key="${focused}"]`)?.focus();
    if (this.tab === "Log") this.renderLog();
  }

  tabTimeline() {
    const rows = [];
    let before = null;
    for (const one of this.story) {
      const quiet = one.type.startsWith("Requested") || one.type === "ChecksStarted";
      rows.push(el("li", { class: `${quiet ? "quiet " : ""}k-${kind(one.type)}` }, el("time", { title: moment(one.at_ms) }, clock(one.at_ms)), el("span", { class: "gap" }, before === null ? "" : `+${span(one.at_ms - before)}`), el("span", { class: "what" }, words(one.type), one.text ? el("small", {}, one.text) : null), el("span", { class: "seq" }, `#${one.seq}`)));
      before = one.at_ms;
    }
    const old = this.archived ? el("p", { class: "quiet small" }, `Events up to ${this.archived} are archived; `, el("code", {}, `oya-vcs bead show ${this.id}`), " has them.") : null;
    return [old, rows.length ? el("ol", { class: "timeline" }, rows) : el("p", { class: "quiet" }, "Nothing happened to it yet.")];
  }

  tabLog() {
    if (!this.log || this.log.error) return el("p", { class: "quiet" }, this.log?.error ?? "…");
    const pick = el("select", { "aria-label": "Which log", onchange: (event) => { this.logName = event.target.value; this.log = null; this.refresh(); } }, this.log.names.map((name) => el("option", { value: name }, name)));
    pick.value = this.log.name;
    return [el("div", { class: "row" }, pick, el("span", { class: "quiet small" }, `${this.log.size} bytes, newest at the end`)), el("pre", { class: "log", tabindex: 0, "aria-label": "Log" })];
  }

  renderLog() {
    const place = this.place.querySelector("pre.log");
    if (!place || !this.log) return;
    const follows = !place.textContent || place.scrollHeight - place.scrollTop - place.clientHeight < 40;
    place.textContent = this.log.text.replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, "") || "(nothing yet)";
    if (follows) place.scrollTop = place.scrollHeight;
  }

  tabDiff() {
    if (!this.diff || this.diff.error) return el("p", { class: "quiet" }, this.diff?.error ?? "…");
    const lines = this.diff.text.split("\n").slice(0, 5000).map((line) => {
      const kind_ = line.startsWith("diff ") ? "file" : line.startsWith("@@") ? "hunk" : line.startsWith("+") ? "add" : line.startsWith("-") ? "del" : "";
      return el("span", { class: kind_ }, `${line}\n`);
    });
    return [el("p", { class: "quiet small mono" }, `${short(this.diff.base)} → ${short(this.diff.commit)}`), this.diff.cut ? el("p", { class: "quiet" }, "It is too long to be shown whole.") : null, el("pre", { class: "diff", tabindex: 0 }, lines)];
  }

  tabDetails() {
    const page = this.bead, link = (one) => el("li", {}, el("span", { class: `tag s-${one.state}` }, sign(one.state)), " ", el("button", { type: "button", class: "as-link", onclick: () => this.onselect(one.id) }, one.id), " ", one.title);
    const rows = [["Attempt", `${page.bead.attempt}, of which ${page.bead.failures} count as failed`], ["Slot", page.slot === null ? null : String(page.slot)], ["Chosen", page.chosen], ["Tenant", page.bead.tenant], ["Labels", page.labels.join(", ")], ["Files", page.files.join(", ")], ["Change", page.bead.change], ["Base", page.base], ["Commit", page.commit], ["Key", page.key], ["Reason", page.reason]].filter(([, value]) => value);
    const clocks = this.seen ? [el("h3", {}, "Clocks of its worker"), el("dl", {}, Object.entries(this.seen.clocks).map(([name, said]) => [el("dt", {}, name), el("dd", {}, said)]))] : null;
    const block = (title, text) => (text ? [el("h3", {}, title), el("pre", { class: "text" }, text)] : null);
    return [clocks, block("Feedback to its worker", page.feedback), block("What went wrong", page.detail), block("Description", page.description), block("Acceptance criteria", page.acceptance), el("h3", {}, "Facts"), el("dl", {}, rows.map(([name, value]) => [el("dt", {}, name), el("dd", { class: "mono" }, value)])),
      page.needs.length ? [el("h3", {}, "Needs"), el("ul", { class: "links" }, page.needs.map(link))] : null, page.dependents.length ? [el("h3", {}, "Needed by"), el("ul", { class: "links" }, page.dependents.map(link))] : null];
  }

  async ask(verb) {
    const [name, text, danger] = ASKS[verb], id = this.id;
    const why = await confirmed(`${name} ${id}?`, text, { note: verb === "rework" ? "What the worker is told" : "Why (for the record)", yes: name, danger });
    if (why === null) return;
    this.asking = verb;
    this.render();
    try {
      const told = await post(`/api/beads/${encodeURIComponent(id)}/${verb}`, { why });
      toast(told.said);
    } catch (error) { toast(error.message, true); }
    this.asking = null;
    await this.refresh();
  }
}

const kind = (type) => (/Failed|Refused|Conflicted|Blocked|Held|Stale|Rejected/.test(type) ? "bad" : /Landed/.test(type) ? "good" : /Claimed|Spawned|Finished|Collected/.test(type) ? "work" : /Change|Candidate|Checks/.test(type) ? "queue" : "plain");
const words = (type) => type.replace(/([a-z])([A-Z])/g, "$1 $2").replace(/^Requested (.*)$/, "asked for: $1").toLowerCase();
