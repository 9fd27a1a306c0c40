// Worker slots: who has which, for how long, what its clocks show and what it weighs.

import { get } from "/page/api.js";
import { bytes, calmed, el, fill, span } from "/page/dom.js";
import { label, sign } from "/page/states.js";

export class WorkersView {
  constructor(place, store, { onselect }) {
    Object.assign(this, { place, onselect, shown: false });
    this.calm = calmed(800, () => this.refresh());
    store.hear(() => { if (this.shown) this.calm(); });
    setInterval(() => { if (this.shown && !document.hidden) this.calm(); }, 2000);
  }

  enter() { this.shown = true; this.refresh(); }
  leave() { this.shown = false; }

  async refresh() {
    try { this.render(await get("/api/workers")); } catch (error) { fill(this.place, el("p", { class: "pad bad" }, error.message)); }
  }

  render({ pools, seen, now_ms: now }) {
    fill(this.place, pools.length ? pools.map((pool) => el("article", { class: "card wide" },
      el("header", { class: "row" }, el("h2", {}, pool.path.split("/").pop())),
      el("p", { class: "figures" }, [["total", "slots"], ["claimed", "claimed"], ["idle", "idle"], ["unhealthy", "at rest"], ["ready", "beads ready"]].map(([name, words]) => el("span", {}, el("b", {}, String(pool[name])), " ", words))),
      el("div", { class: "meter", role: "img", "aria-label": `${pool.claimed} of ${pool.total} slots claimed` }, pool.slots.map((slot) => el("i", { class: slot.bead ? `s-${slot.state}` : slot.rests_until_ms > now ? "s-failed" : "s-pending" }))),
      el("div", { class: "slots" }, pool.slots.map((slot) => this.slot(slot, seen.find((one) => one.repo === pool.repo && one.slot === slot.slot), now))))) : el("div", { class: "empty" }, el("h2", {}, "No repository is registered")));
  }

  slot(slot, seen, now) {
    const rests = slot.rests_until_ms > now;
    const share = seen?.lease_ms ? Math.min(1, seen.silent_ms / seen.lease_ms) : 0;
    return el("section", { class: `slot ${slot.bead ? "" : "idle"}` },
      el("p", { class: "row" }, el("span", { class: "mono quiet" }, `slot ${slot.slot}`), el("span", { class: "grow" }), slot.bead ? el("span", { class: `tag s-${slot.state}` }, `${sign(slot.state)} ${label(slot.state)}`) : el("span", { class: "quiet" }, rests ? `rests for ${span(slot.rests_until_ms - now)}` : "idle")),
      slot.bead ? [el("p", { class: "title" }, el("button", { type: "button", class: "as-link", onclick: () => this.onselect(slot.bead) }, slot.bead), " ", slot.title), el("p", { class: "quiet small" }, `attempt ${slot.attempt}, ${label(slot.state)} for ${span(now - slot.since_ms)}`)] : null,
      seen ? [el("dl", {}, Object.entries(seen.clocks).map(([name, said]) => [el("dt", {}, name), el("dd", {}, said)]), seen.rss_bytes ? [el("dt", {}, "memory"), el("dd", {}, bytes(seen.rss_bytes))] : null), seen.lease_ms ? el("div", { class: `silence ${share > 0.5 ? "long" : ""}`, role: "img", "aria-label": `silent for ${span(seen.silent_ms)} of ${span(seen.lease_ms)}` }, el("progress", { max: 1, value: share })) : null] : null);
  }
}
