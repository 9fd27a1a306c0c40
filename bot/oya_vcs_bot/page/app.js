// The page: puts the views together, keeps them fed, and goes from one to another.

import { Wire, enter, graph, mayAct } from "/page/api.js";
import { calmed, clock, fill, toast } from "/page/dom.js";
import { GraphView } from "/page/graph.js";
import { HealthView } from "/page/health.js";
import { Panel } from "/page/panel.js";
import { QueueView } from "/page/queue.js";
import { Store } from "/page/store.js";
import { WorkersView } from "/page/workers.js";

const at = (id) => document.getElementById(id);
const store = new Store();
const select = (id) => { view.graph.select(id, false, true); panel.open(id); };
const panel = new Panel(at("panel"), store, { onselect: (id) => (id ? select(id) : view.graph.select(null)) });
const view = {
  graph: new GraphView(at("view-graph"), store, { onselect: (id, focus) => panel.open(id, focus), onpast: (seq) => past(seq) }),
  queue: new QueueView(at("view-queue"), store, { onselect: select }),
  workers: new WorkersView(at("view-workers"), store, { onselect: select }),
  health: new HealthView(at("view-health"), store, { onselect: select, onalarms: alarms }),
};
const waits = [], unseen = [];

// --- What happens -----------------------------------------------------------------------------

const wire = new Wire({
  onframe: (frame) => {
    const last = frame.events[frame.events.length - 1];
    store.take(frame.beads, frame.seq);
    view.health.heard(frame.events);
    if (last) { newest = last; latest(); }
    unseen.push(...frame.events.map((one) => one.at_ms));
    view.graph.canvas.painted = () => {
      view.graph.canvas.painted = null;
      const now = performance.timeOrigin + performance.now();
      waits.push(...unseen.splice(0).map((time) => now - time));
      if (waits.length > 5000) waits.splice(0, waits.length - 5000);
    };
  },
  onreset: () => load(),
  onstate: (state) => {
    at("link").textContent = state === "live" ? "live" : "reconnecting";
    at("link").className = `pill link ${state}`;
  },
});

async function load() {
  for (let pause = 250; ; pause = Math.min(pause * 2, 5000)) {
    try {
      const found = await graph();
      store.load(found.beads, found.seq);
      wire.begin(found.seq);
      counts();
      return;
    } catch (error) {
      at("link").textContent = error.status ? error.message : "no daemon";
      at("link").className = "pill link waiting";
      await new Promise((resolve) => { setTimeout(resolve, pause); });
    }
  }
}

let newest = null;
const latest = calmed(200, () => { at("latest").textContent = `#${newest.seq} ${clock(newest.at_ms)} ${newest.type} ${newest.subject}`; });
function counts() {
  const found = store.counts(), total = store.beads.size;
  at("counts").textContent = total ? `${found.landed ?? 0} of ${total} landed` : "";
}
store.hear(calmed(300, counts));

function alarms(found) {
  at("alarms").hidden = !found.length;
  at("alarms").textContent = found.length ? `▲ ${found.length}` : "";
  at("alarms").title = found.map((one) => one.said).join("\n");
}

let looking = null;
async function past(seq) {
  looking?.abort();
  if (seq === null) { looking = null; view.graph.look(null); return; }
  looking = new AbortController();
  try {
    const found = await graph(seq, looking.signal), then = new Store();
    then.load(found.beads, found.seq);
    view.graph.look(then, found.seq, found.now_ms);
  } catch (error) { if (error.name !== "AbortError") toast(error.message, true); }
}

// --- Going about ------------------------------------------------------------------------------

function go() {
  const [name, bead] = location.hash.slice(1).split("/");
  const wanted = view[name] ? name : "graph";
  for (const one of Object.keys(view)) {
    at(`view-${one}`).hidden = one !== wanted;
    at(`tab-${one}`).setAttribute("aria-selected", String(one === wanted));
    if (one === wanted) view[one].enter?.(); else view[one].leave?.();
  }
  document.body.dataset.view = wanted;
  if (wanted === "graph") view.graph.canvas.resize();
  if (bead) select(decodeURIComponent(bead));
}
addEventListener("hashchange", go);
addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, textarea, select") || event.target.closest?.("dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { event.preventDefault(); location.hash = "#graph"; view.graph.find.focus(); }
  const tab = { 1: "graph", 2: "queue", 3: "workers", 4: "health" }[event.key];
  if (tab) location.hash = `#${tab}`;
  if (event.key === "Escape") panel.close();
});

const THEMES = ["system", "dark", "light"];
let theme = "system";
try { theme = localStorage.getItem("oya.theme") ?? "system"; } catch { /* as the system has it */ }
function paint() {
  document.documentElement.dataset.theme = theme;
  at("theme").title = `Colours: ${theme === "system" ? "as the system" : theme}`;
  view.graph.canvas.readColours();
}
at("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  try { localStorage.setItem("oya.theme", theme); } catch { /* until the page closes */ }
  paint();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

/** For measurements: how long each event took to the screen, and what was drawn. */
globalThis.oya = { store, view, wire, waits };

const said = await enter().catch((error) => error.message);
if (said) toast(said, true);
at("mode").hidden = mayAct();
fill(at("mode"), "read only");
at("mode").title = "`oya-vcs ui --browser` opens this page so that it may act.";
paint();
go();
await load();
