// How the daemon is: alarms, its figures, its parts, and what happened last.

import { get } from "/page/api.js";
import { bytes, calmed, clock, el, fill, span } from "/page/dom.js";

const KEPT = 90, EVENTS = 60;

export class HealthView {
  constructor(place, store, { onselect, onalarms }) {
    Object.assign(this, { place, onselect, onalarms, shown: false, rates: [], latest: [], lags: [] });
    this.calm = calmed(900, () => this.refresh());
    setInterval(() => { if (!document.hidden) this.calm(); }, 2000);
  }

  enter() { this.shown = true; this.refresh(); }
  leave() { this.shown = false; }
  heard(events) { this.latest = [...events.slice(-EVENTS).reverse(), ...this.latest].slice(0, EVENTS); if (this.shown) this.calm(); }

  async refresh() {
    try {
      const health = await get("/api/health");
      const before = this.last;
      this.last = health;
      if (before && before.machine.pid === health.machine.pid && health.now_ms > before.now_ms) this.rates = [...this.rates, Math.max(0, (health.machine.seq - before.machine.seq) / (health.now_ms - before.now_ms) * 1000)].slice(-KEPT);
      this.lags = [...this.lags, health.machine.flush_ms ?? 0].slice(-KEPT);
      this.onalarms(health.alarms);
      if (this.shown) this.render(health);
    } catch (error) { if (this.shown) fill(this.place, el("p", { class: "pad bad" }, error.message)); }
  }

  render(health) {
    const { machine, alarms, tree } = health, used = 1 - machine.disk_free_bytes / machine.disk_total_bytes;
    const figure = (name, value, more = null) => el("div", { class: "figure" }, el("span", { class: "quiet" }, name), el("b", {}, value), more);
    fill(this.place,
      el("article", { class: `card wide ${alarms.length ? "alarming" : ""}` }, el("h2", {}, alarms.length ? `${alarms.length} thing${alarms.length > 1 ? "s" : ""} to look at` : "All is well"), alarms.length ? el("ul", { class: "line" }, alarms.map((one) => el("li", {}, el("span", { class: "tag s-failed" }, one.kind), el("span", {}, one.said), el("span", { class: "quiet mono small" }, one.subject)))) : el("p", { class: "quiet" }, "No alarms: the journal takes events, workers are heard, the queue moves.")),
      el("article", { class: "card wide grid" },
        figure("Event rate", this.rates.length ? `${this.rates[this.rates.length - 1].toFixed(1)}/s` : "–", curve(this.rates, "Events a second")),
        figure("Journal lag", machine.flush_ms === null ? "stopped" : `${machine.flush_ms.toFixed(1)} ms`, curve(this.lags, "Milliseconds until an append is on disk")),
        figure("Events", String(machine.seq), el("small", { class: "quiet" }, bytes(machine.journal_bytes))),
        figure("Disk", `${bytes(machine.disk_free_bytes)} free`, el("progress", { max: 1, value: used, "aria-label": "Used share of the disk" })),
        figure("Memory", bytes(machine.rss_bytes), el("small", { class: "quiet" }, `process ${machine.pid}, ${machine.kind}`)),
        figure("Under way", String(health.open_effects), el("small", { class: "quiet" }, `${health.clients} watching`)),
        figure("Version", machine.version)),
      el("article", { class: "card" }, el("h2", {}, "Parts"), tree ? el("ul", { class: "tree" }, this.part(tree, health.now_ms)) : el("p", { class: "quiet" }, "Not known yet.")),
      el("article", { class: "card" }, el("h2", {}, "Latest events"), el("ol", { class: "timeline" }, this.latest.map((one) => el("li", {}, el("time", {}, clock(one.at_ms)), el("span", { class: "gap" }, `#${one.seq}`), el("span", { class: "what" }, one.type, " ", el("button", { type: "button", class: "as-link", onclick: () => this.onselect(one.subject) }, one.subject), one.text ? el("small", {}, one.text) : null))))));
  }

  part(node, now) {
    return el("li", {}, el("span", { class: `tag s-${node.status === "running" ? "landed" : node.status === "failed" ? "failed" : "paused"}` }, node.status), el("b", {}, node.name), el("span", { class: "quiet small" }, `${span(now - node.since_ms)}${node.restarts ? `, ${node.restarts} restarts` : ""}`), node.error ? el("p", { class: "bad small" }, node.error) : null, node.children.length ? el("ul", {}, node.children.map((one) => this.part(one, now))) : null);
  }
}

function curve(values, name) {
  const most = Math.max(1, ...values), svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  svg.setAttribute("viewBox", "0 0 180 36"); svg.setAttribute("class", "curve"); svg.setAttribute("role", "img"); svg.setAttribute("aria-label", name); svg.setAttribute("preserveAspectRatio", "none");
  line.setAttribute("points", values.map((value, at) => `${(at + KEPT - values.length) * 180 / (KEPT - 1)},${34 - value / most * 32}`).join(" "));
  svg.append(line);
  return svg;
}
