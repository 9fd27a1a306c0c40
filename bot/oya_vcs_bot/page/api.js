// The way to the daemon: requests with the pass of this browser, and one WebSocket that comes back.

const KEPT = "oya.pass";
let pass = null;
try { pass = localStorage.getItem(KEPT); } catch { /* private windows may have no storage */ }

export const mayAct = () => Boolean(pass);

/** Gives the code of a link back for a pass. The fragment goes before anything else sees it. */
export async function enter() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!code) return "";
  history.replaceState(null, "", "#graph");
  const answer = await fetch("/api/session", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ code }) });
  const said = await answer.json();
  if (!answer.ok) return said.detail;
  pass = said.token;
  try { localStorage.setItem(KEPT, pass); } catch { /* it lasts as long as the page, then */ }
  return "";
}

const headers = () => (pass ? { authorization: `Bearer ${pass}` } : {});

/** What a GET answers; throws an Error with the daemon's own sentence. */
export async function get(path, signal) {
  const answer = await fetch(path, { headers: headers(), signal });
  if (!answer.ok) throw await refusal(answer);
  return answer.json();
}

export async function post(path, body = {}) {
  const answer = await fetch(path, { method: "POST", headers: { ...headers(), "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) {
    if (answer.status === 401) { pass = null; try { localStorage.removeItem(KEPT); } catch { /* as above */ } }
    throw await refusal(answer);
  }
  return answer.json();
}

async function refusal(answer) {
  let said = {};
  try { said = await answer.json(); } catch { /* no problem details: the status says it */ }
  const error = new Error([said.detail ?? answer.statusText, said.hint].filter(Boolean).join(" "));
  error.status = answer.status;
  return error;
}

/** Every page of the graph, as of an event or of now; `seq` is that of the first page. */
export async function graph(at = null, signal = undefined) {
  const beads = [];
  let offset = 0, first = null;
  while (offset !== null) {
    const page = await get(`/api/graph?limit=1000&offset=${offset}${at === null ? "" : `&at=${at}`}`, signal);
    first ??= page;
    beads.push(...page.beads);
    offset = page.next;
  }
  return { seq: first.seq, now_ms: first.now_ms, beads };
}

/** A WebSocket that is opened again, after the last event that was heard, until the page closes. */
export class Wire {
  constructor({ onframe, onreset, onstate }) {
    Object.assign(this, { onframe, onreset, onstate, seq: 0, pause: 250, socket: null });
  }

  begin(seq) {
    this.seq = seq;
    if (this.socket) { this.socket.onclose = null; this.socket.close(); }
    this.open();
  }

  open() {
    const kind = location.protocol === "https:" ? "wss" : "ws";
    const spoken = pass ? ["oya.v1", `pass.${pass}`] : ["oya.v1"];
    const socket = new WebSocket(`${kind}://${location.host}/api/ws?after=${this.seq}`, spoken);
    this.socket = socket;
    socket.onopen = () => { this.pause = 250; this.onstate("live"); };
    socket.onmessage = (message) => {
      const said = JSON.parse(message.data);
      if (said.is === "hello" && said.reset) { this.onreset(); return; }
      if (said.is !== "frame" || said.seq <= this.seq) return;
      if (said.first > this.seq + 1) { this.onreset(); return; }
      said.events = said.events.filter((one) => one.seq > this.seq);
      this.seq = said.seq;
      this.onframe(said);
    };
    socket.onclose = () => {
      this.onstate("waiting");
      setTimeout(() => this.open(), this.pause * (0.75 + Math.random() / 2));
      this.pause = Math.min(this.pause * 2, 5000);
    };
  }
}
