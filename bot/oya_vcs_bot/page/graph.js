// The graph view: what is drawn of the beads, filters and search, what is selected, and going there
// by keyboard. The same beads as a list, for those who would rather read.

import { Canvas } from "/page/canvas.js";
import { calmed, el, fill, moment } from "/page/dom.js";
import { fold } from "/page/fold.js";
import { STATES, label, sign } from "/page/states.js";

const FOLD_FROM = 300, ROWS_MAX = 1000;

export class GraphView {
  constructor(place, store, { onselect, onpast }) {
    Object.assign(this, { place, store, onselect, onpast, chosen: null, states: new Set(), opened: new Set(), turn: 0, list: false, landed: null, past: null });
    this.build();
    this.worker = new Worker("/page/layout.js", { type: "module" });
    this.worker.onmessage = ({ data }) => this.placed(data);
    store.hear((what) => this.changed(what));
    this.calmCounts = calmed(250, () => this.legend());
    this.calmList = calmed(500, () => this.rows());
    this.calmLayout = calmed(150, () => this.layout());
  }

  get shown() { return this.past ?? this.store; }

  build() {
    const button = (text, title, act, more = {}) => el("button", { type: "button", class: "plain", title, "aria-label": title, onclick: act, ...more }, text);
    this.find = el("input", { type: "search", placeholder: "Search  /", "aria-label": "Search beads by id, title or label", oninput: () => this.filtered() });
    this.tenant = el("select", { "aria-label": "Tenant", onchange: () => this.filtered() });
    this.label = el("select", { "aria-label": "Label", onchange: () => this.filtered() });
    this.repo = el("select", { "aria-label": "Repository", onchange: () => this.filtered() });
    this.pathBox = el("input", { type: "checkbox", onchange: () => { this.mark(); this.canvas.draw(); } });
    this.foldBox = el("input", { type: "checkbox", onchange: () => { this.landed = this.foldBox.checked; this.opened.clear(); this.layout(); } });
    this.listButton = button("☰ List", "Show the beads as a list", () => this.toggleList(), { "aria-pressed": "false" });
    this.bar = el("div", { class: "bar", role: "search" }, this.find, this.repo, this.tenant, this.label,
      el("label", { class: "check" }, this.pathBox, "Critical path"), el("label", { class: "check" }, this.foldBox, "Fold landed"), el("span", { class: "grow" }), this.listButton,
      el("span", { class: "group" }, button("−", "Zoom out", () => this.canvas.zoom(0.8)), button("+", "Zoom in", () => this.canvas.zoom(1.25)), button("Fit", "Show all of it", () => this.canvas.fit())));
    this.chips = el("div", { class: "legend", role: "group", "aria-label": "States: press to show only these" });
    this.drawing = el("canvas", { tabindex: 0, role: "application", "aria-label": "Graph of beads. Arrow keys go along dependencies, Enter opens a bead.", "aria-describedby": "graph-say" });
    this.said = el("p", { id: "graph-say", class: "unseen", "aria-live": "polite" });
    this.empty = el("div", { class: "empty", hidden: true });
    this.table = el("div", { class: "list", hidden: true, tabindex: 0 });
    this.slider = el("input", { type: "range", min: 0, max: 1, value: 1, step: 1, "aria-label": "The state as of an earlier event", oninput: () => this.dragged() });
    this.when = el("output", { class: "when" }, "now");
    this.now = button("● Live", "Back to what happens now", () => this.live(), { class: "plain now", "aria-pressed": "true" });
    fill(this.place, this.bar, this.chips, el("div", { class: "stage" }, this.drawing, this.table, this.empty, this.said), el("div", { class: "time" }, this.now, this.slider, this.when));
    this.canvas = new Canvas(this.drawing, { onpick: (node) => this.picked(node), onopen: (node) => node.bead && this.select(node.bead.id, true) });
    this.drawing.addEventListener("keydown", (event) => this.key(event));
  }

  // --- What is shown ------------------------------------------------------------------------

  passes() {
    const words = this.find.value.toLowerCase().split(/\s+/).filter(Boolean), { states } = this;
    const tenant = this.tenant.value, wanted = this.label.value, repo = this.repo.value;
    this.filters = words.length || states.size || tenant || wanted || repo;
    return (bead) => (!states.size || states.has(bead.state)) && (!tenant || bead.tenant === tenant) && (!repo || bead.repo === repo) && (!wanted || bead.labels.includes(wanted))
      && words.every((word) => bead.id.toLowerCase().includes(word) || bead.title.toLowerCase().includes(word) || bead.labels.some((one) => one.toLowerCase().includes(word)));
  }

  filtered() { this.layout(); this.calmList(); }

  changed(what) {
    if (this.past) return;
    this.slider.max = String(this.store.seq);
    this.slider.value = String(this.store.seq);
    this.calmCounts();
    if (what.all) { this.landed = null; this.options(); }
    const refold = what.shape || this.foldBox.checked || this.states.size || this.clustered;
    if (refold) { if (what.all) this.layout(); else this.calmLayout(); if (what.shape) this.options(); } else {
      for (const id of what.ids) { const spot = this.canvas.spots.get(id); if (spot) spot.node.bead = this.store.beads.get(id); }
      this.canvas.flash(what.ids);
      if (this.pathBox.checked) this.mark();
      this.canvas.draw();
    }
    if (this.list) this.calmList();
    if (this.chosen && what.ids.includes(this.chosen)) this.say();
  }

  layout() {
    const beads = this.shown.beads;
    if (this.landed === null) this.foldBox.checked = beads.size > FOLD_FROM;
    this.folded = fold(this.shown, { passes: this.passes(), landed: this.foldBox.checked, opened: this.opened });
    this.clustered = this.folded.nodes.some((node) => node.members);
    const key = `${this.folded.nodes.map((node) => node.id).join("\n")}|${this.folded.edges.length}|${this.shown.shape}`;
    this.empty.hidden = this.folded.nodes.length > 0;
    if (!this.folded.nodes.length) fill(this.empty, ...(beads.size ? [el("h2", {}, "No bead passes these filters"), el("button", { class: "plain", onclick: () => this.clear() }, "Show all")] : [el("h2", {}, "No beads yet"), el("p", {}, "Hand some in: ", el("code", {}, "oya-vcs bead import beads.jsonl --repo path/to/repo"))]));
    if (key === this.key_ && this.places) { this.show(); return; }
    this.key_ = key;
    this.turn += 1;
    this.pending = this.folded;
    this.worker.postMessage({ turn: this.turn, count: this.folded.nodes.length, edges: this.folded.edges });
  }

  placed({ turn, x, y, bends }) {
    if (turn !== this.turn) return;
    this.places = { x, y, bends };
    this.show();
  }

  show() {
    if (this.places.x.length !== this.folded.nodes.length) return;
    this.canvas.show(this.folded.nodes, this.folded.edges, this.places);
    this.mark();
    if (this.list) this.rows();
    performance.mark("oya-graph-shown");
  }

  clear() {
    this.find.value = ""; this.tenant.value = ""; this.label.value = ""; this.repo.value = ""; this.states.clear();
    this.legend(); this.filtered();
  }

  options() {
    const beads = [...this.shown.beads.values()];
    for (const [select, name, of] of [[this.repo, "All repositories", (bead) => [bead.repo]], [this.tenant, "All tenants", (bead) => [bead.tenant]], [this.label, "All labels", (bead) => bead.labels]]) {
      const found = [...new Set(beads.flatMap(of))].sort().slice(0, 200), before = select.value;
      fill(select, el("option", { value: "" }, name), found.map((one) => el("option", { value: one }, one)));
      select.value = found.includes(before) ? before : "";
      select.hidden = found.length < (select === this.label ? 1 : 2);
    }
    this.legend();
  }

  legend() {
    const counts = this.shown.counts();
    const wanted = Object.keys(STATES).filter((state) => counts[state] || this.states.has(state) || ["pending", "running", "testing", "landed", "failed"].includes(state));
    fill(this.chips, wanted.map((state) => el("button", { type: "button", class: `chip s-${state}`, "aria-pressed": String(this.states.has(state)), onclick: () => { if (!this.states.delete(state)) this.states.add(state); this.legend(); this.filtered(); } },
      el("span", { class: "sign", "aria-hidden": "true" }, sign(state)), label(state), el("b", {}, String(counts[state] ?? 0)))));
  }

  // --- What is selected ---------------------------------------------------------------------

  picked(node) {
    if (node && node.members) { this.opened.add(node.id); this.layout(); return; }
    this.select(node ? node.bead.id : null, Boolean(node));
  }

  select(id, open = false, near = false) {
    this.chosen = id;
    this.mark();
    if (id) this.canvas.reveal(id, near);
    this.canvas.draw();
    this.say();
    if (open || !id) this.onselect(id);
  }

  mark() {
    const { canvas, shown } = this, index = this.folded?.index, names = (ids) => new Set([...ids].filter((id) => index?.has(id)).map((id) => this.folded.nodes[index.get(id)].id));
    canvas.chosen = this.chosen;
    canvas.lit = this.chosen && shown.beads.has(this.chosen) ? names([...shown.below(this.chosen), ...shown.above(this.chosen)]) : null;
    const path = this.pathBox.checked && index ? shown.critical().filter((id) => index.has(id)).map((id) => this.folded.nodes[index.get(id)].id) : [];
    canvas.path = new Set(path);
    canvas.pathEdges = new Set(path.slice(1).map((id, at) => `${path[at]}\n${id}`));
  }

  say() {
    const bead = this.chosen && this.shown.beads.get(this.chosen);
    this.said.textContent = bead ? `${bead.title}, ${bead.id}, ${label(bead.state)}; needs ${bead.needs.length}, needed by ${(this.shown.dependents.get(bead.id) ?? []).length}.` : "";
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const go = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (go) { event.preventDefault(); if (event.shiftKey) this.canvas.pan(-80 * go[0], -80 * go[1]); else this.step(...go); return; }
    const act = { Enter: () => this.chosen && this.onselect(this.chosen, true), Escape: () => this.select(null), "+": () => this.canvas.zoom(1.25), "=": () => this.canvas.zoom(1.25), "-": () => this.canvas.zoom(0.8), 0: () => this.canvas.fit() }[event.key];
    if (act) { event.preventDefault(); act(); }
  }

  step(x, y) {
    const spots = [...this.canvas.spots.values()].filter((spot) => spot.node.bead), here = this.canvas.spots.get(this.chosen);
    if (!here) { if (spots.length) this.select(spots[0].node.id); return; }
    const linked = x < 0 ? new Set(here.node.bead.needs) : x > 0 ? new Set(this.shown.dependents.get(this.chosen) ?? []) : null;
    let best = null, least = Infinity;
    for (const spot of spots) {
      const byX = spot.x - here.x, byY = spot.y - here.y;
      if (spot === here || (linked ? !linked.has(spot.node.id) : Math.abs(byX) > 20 || byY * y <= 0)) continue;
      const far = Math.abs(byX) + Math.abs(byY);
      if (far < least) { least = far; best = spot; }
    }
    if (best) this.select(best.node.id);
  }

  // --- The list -----------------------------------------------------------------------------

  toggleList() {
    this.list = !this.list;
    this.listButton.setAttribute("aria-pressed", String(this.list));
    this.table.hidden = !this.list;
    this.drawing.hidden = this.list;
    if (this.list) this.rows();
  }

  rows() {
    const beads = [...this.shown.beads.values()].filter(this.passes()).slice(0, ROWS_MAX);
    fill(this.table, el("table", {}, el("thead", {}, el("tr", {}, ["State", "Bead", "Title", "Needs", "Tries"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, beads.map((bead) => el("tr", {}, el("td", {}, el("span", { class: `tag s-${bead.state}` }, `${sign(bead.state)} ${label(bead.state)}`)),
        el("td", {}, el("button", { class: "as-link", onclick: () => this.onselect(bead.id) }, bead.id)), el("td", {}, bead.title), el("td", {}, bead.needs.slice(0, 6).join(", ")), el("td", {}, String(bead.attempt)))))));
  }

  // --- The past -----------------------------------------------------------------------------

  dragged() {
    clearTimeout(this.dragging);
    const at = Number(this.slider.value);
    if (at >= this.store.seq) { this.live(); return; }
    this.when.textContent = `event ${at}`;
    this.now.setAttribute("aria-pressed", "false");
    this.dragging = setTimeout(() => this.onpast(at), 90);
  }

  /** Shows another store, as of an event; null goes back to what happens now. */
  look(past, at = 0, atMs = 0) {
    this.past = past;
    this.place.classList.toggle("past", Boolean(past));
    this.now.setAttribute("aria-pressed", String(!past));
    this.when.textContent = past ? `event ${at} · ${moment(atMs)}` : "now";
    if (!past) { this.slider.max = String(this.store.seq); this.slider.value = String(this.store.seq); }
    this.options();
    this.layout();
  }

  live() { clearTimeout(this.dragging); this.onpast(null); }
}
