// Draws a placed graph, and lets it be moved, zoomed and picked from. Knows nodes by where they are
// and what they say; not where they come from.

import { HEIGHT, WIDTH } from "/page/layout.js";
import { BUSY, STATES, label, sign } from "/page/states.js";

const TITLE_FROM = 0.32, ID_FROM = 0.55, ZOOM_MIN = 0.02, ZOOM_MAX = 2.5;
const FLASH_MS = 900, MOVE_MS = 320;

export class Canvas {
  constructor(canvas, { onpick, onopen }) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d", { alpha: false });
    Object.assign(this, { onpick, onopen, nodes: [], edges: [], spots: new Map(), lit: null, chosen: null, path: new Set(), pathEdges: new Set() });
    this.view = { x: 40, y: 40, k: 1 };
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.flashes = new Map();
    this.titles = new Map();
    this.frames = 0;
    this.touched = false;
    this.readColours();
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.listen();
    this.resize();
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    this.colours = { back: of("--canvas"), card: of("--card"), text: of("--text"), dim: of("--dim"), line: of("--edge"), accent: of("--accent"), path: of("--path"), dot: of("--dot"), state: {} };
    for (const [state, [, name]] of Object.entries(STATES)) this.colours.state[state] = of(name);
    this.draw();
  }

  resize() {
    const box = this.canvas.parentElement.getBoundingClientRect(), ratio = devicePixelRatio || 1;
    if (!box.width) return;
    this.size = { width: box.width, height: box.height, ratio };
    this.canvas.width = Math.round(box.width * ratio);
    this.canvas.height = Math.round(box.height * ratio);
    if (!this.touched) this.fit(false);
    this.draw();
  }

  /** Takes nodes with places; those that were there move to them. */
  show(nodes, edges, { x, y, bends }) {
    const now = performance.now(), before = this.spots;
    this.spots = new Map();
    nodes.forEach((node, at) => {
      const old = before.get(node.id);
      const from = old && !this.still.matches && nodes.length < 800 ? this.at(old, now) : [x[at], y[at]];
      this.spots.set(node.id, { node, fromX: from[0], fromY: from[1], x: x[at], y: y[at], since: now });
    });
    this.nodes = nodes;
    this.edges = edges;
    this.bends = bends;
    this.list = nodes.map((node) => this.spots.get(node.id));
    this.moving = now + MOVE_MS;
    if (!this.touched) this.fit(false);
    this.draw();
  }

  at(spot, now) {
    const part = Math.min(1, (now - spot.since) / MOVE_MS), eased = 1 - (1 - part) ** 3;
    return part >= 1 ? [spot.x, spot.y] : [spot.fromX + (spot.x - spot.fromX) * eased, spot.fromY + (spot.y - spot.fromY) * eased];
  }

  flash(ids) {
    if (this.still.matches || ids.length > 200) return;
    const until = performance.now() + FLASH_MS;
    for (const id of ids) this.flashes.set(id, until);
  }

  bounds() {
    let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
    for (const spot of this.spots.values()) {
      left = Math.min(left, spot.x); top = Math.min(top, spot.y);
      right = Math.max(right, spot.x + WIDTH); bottom = Math.max(bottom, spot.y + HEIGHT);
    }
    return { left, top, right, bottom };
  }

  fit(byHand = true) {
    if (!this.spots.size || !this.size) return;
    const { left, top, right, bottom } = this.bounds(), pad = 36;
    const k = Math.min(1.15, (this.size.width - 2 * pad) / (right - left), (this.size.height - 2 * pad) / (bottom - top));
    this.view.k = Math.max(ZOOM_MIN, k);
    this.view.x = (this.size.width - (right - left) * this.view.k) / 2 - left * this.view.k;
    this.view.y = (this.size.height - (bottom - top) * this.view.k) / 2 - top * this.view.k;
    if (byHand) this.touched = false;
    this.draw();
  }

  zoom(factor, x = this.size.width / 2, y = this.size.height / 2) {
    const k = Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, this.view.k * factor)), by = k / this.view.k;
    this.view = { k, x: x - (x - this.view.x) * by, y: y - (y - this.view.y) * by };
    this.touched = true;
    this.draw();
  }

  pan(x, y) { this.view.x += x; this.view.y += y; this.touched = true; this.draw(); }

  /** Brings a node into sight. */
  reveal(id, near = false) {
    const spot = this.spots.get(id);
    if (!spot) return;
    if (near && this.view.k < 0.75) this.view.k = 0.9;
    const x = (spot.x + WIDTH / 2) * this.view.k + this.view.x, y = (spot.y + HEIGHT / 2) * this.view.k + this.view.y;
    const inside = x > 120 && y > 50 && x < this.size.width - 120 && y < this.size.height - 50;
    if (near || !inside) { this.view.x += this.size.width / 2 - x; this.view.y += this.size.height / 2 - y; this.touched = true; }
    this.draw();
  }

  pick(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    const x = (clientX - box.left - this.view.x) / this.view.k, y = (clientY - box.top - this.view.y) / this.view.k;
    const slack = Math.max(0, 6 / this.view.k - 6);
    for (const spot of this.spots.values()) {
      if (x >= spot.x - slack && x <= spot.x + WIDTH + slack && y >= spot.y - slack && y <= spot.y + HEIGHT + slack) return spot.node;
    }
    return null;
  }

  listen() {
    const held = new Map();
    let moved = 0, spread = 0;
    const box = this.canvas;
    box.addEventListener("wheel", (event) => {
      event.preventDefault();
      const at = box.getBoundingClientRect();
      if (event.ctrlKey || event.metaKey || Math.abs(event.deltaY) >= Math.abs(event.deltaX)) this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - at.left, event.clientY - at.top);
      else this.pan(-event.deltaX, 0);
    }, { passive: false });
    box.addEventListener("pointerdown", (event) => { box.setPointerCapture(event.pointerId); held.set(event.pointerId, event); moved = 0; spread = 0; });
    box.addEventListener("pointermove", (event) => {
      const before = held.get(event.pointerId);
      if (!before) { box.style.cursor = this.pick(event.clientX, event.clientY) ? "pointer" : "grab"; return; }
      held.set(event.pointerId, event);
      if (held.size === 2) {
        const [one, other] = [...held.values()], now = Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
        const at = box.getBoundingClientRect();
        if (spread) this.zoom(now / spread, (one.clientX + other.clientX) / 2 - at.left, (one.clientY + other.clientY) / 2 - at.top);
        spread = now; moved = 99;
        return;
      }
      moved += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
      if (moved > 4) { box.style.cursor = "grabbing"; this.pan(event.clientX - before.clientX, event.clientY - before.clientY); }
    });
    const end = (event) => {
      if (held.delete(event.pointerId) && moved <= 4 && event.type === "pointerup") this.onpick(this.pick(event.clientX, event.clientY));
      box.style.cursor = "grab";
    };
    box.addEventListener("pointerup", end);
    box.addEventListener("pointercancel", end);
    box.addEventListener("dblclick", (event) => { const node = this.pick(event.clientX, event.clientY); if (node) this.onopen(node); else this.fit(); });
  }

  draw() {
    if (this.asked || !this.size) return;
    this.asked = requestAnimationFrame((now) => { this.asked = 0; this.paint(now); });
  }

  paint(now) {
    const { pen, view, size, colours } = this;
    pen.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    pen.fillStyle = colours.back;
    pen.fillRect(0, 0, size.width, size.height);
    this.dots();
    pen.setTransform(size.ratio * view.k, 0, 0, size.ratio * view.k, size.ratio * view.x, size.ratio * view.y);
    const spots = this.list ?? [];
    const moving = now < this.moving;
    for (const spot of spots) [spot.nowX, spot.nowY] = moving ? this.at(spot, now) : [spot.x, spot.y];
    this.paintEdges(spots);
    const seen = { left: -view.x / view.k - WIDTH, top: -view.y / view.k - HEIGHT, right: (size.width - view.x) / view.k, bottom: (size.height - view.y) / view.k };
    let busy = 0, drawn = 0;
    for (const spot of spots) {
      if (spot.nowX < seen.left || spot.nowX > seen.right || spot.nowY < seen.top || spot.nowY > seen.bottom) continue;
      drawn += 1;
      busy += this.paintNode(spot, now) ? 1 : 0;
    }
    this.frames += 1;
    for (const [id, until] of this.flashes) if (until < now) this.flashes.delete(id);
    if (moving || this.flashes.size) this.draw();
    else if (busy && drawn < 400 && !this.still.matches && view.k >= TITLE_FROM) this.again ??= setTimeout(() => { this.again = undefined; if (!document.hidden) this.draw(); }, 60);
    this.painted?.();
  }

  dots() {
    const { pen, view, size, colours } = this, step = 26 * Math.max(view.k, 0.45);
    if (view.k < 0.3) return;
    pen.fillStyle = colours.dot;
    for (let x = ((view.x % step) + step) % step; x < size.width; x += step) for (let y = ((view.y % step) + step) % step; y < size.height; y += step) pen.fillRect(x, y, 1, 1);
  }

  paintEdges(spots) {
    const { pen, colours, view } = this, groups = { plain: [], lit: [], path: [] };
    for (let at = 0; at < this.edges.length; at += 1) {
      const one = spots[this.edges[at][0]], other = spots[this.edges[at][1]], via = this.bends[at];
      const onPath = this.pathEdges.has(`${one.node.id}\n${other.node.id}`);
      if (onPath) groups.path.push([one, other, via]);
      else if (this.lit && this.lit.has(one.node.id) && this.lit.has(other.node.id)) groups.lit.push([one, other, via]);
      else groups.plain.push([one, other, via]);
    }
    const thin = Math.max(1.2, 0.7 / view.k);
    for (const [name, colour, width] of [["plain", colours.line, thin], ["lit", colours.accent, thin * 1.8], ["path", colours.path, thin * 2.2]]) {
      if (!groups[name].length) continue;
      pen.globalAlpha = name === "plain" && this.lit ? 0.28 : 1;
      pen.strokeStyle = pen.fillStyle = colour;
      pen.lineWidth = width;
      pen.beginPath();
      for (const [one, other, via] of groups[name]) {
        let x = one.nowX + WIDTH, y = one.nowY + HEIGHT / 2;
        pen.moveTo(x, y);
        for (let at = 0; at < via.length; at += 2) {
          const bend = (via[at] - x) / 2;
          pen.bezierCurveTo(x + bend, y, via[at] - bend, via[at + 1], via[at], via[at + 1]);
          x = via[at] + WIDTH; y = via[at + 1];
          pen.lineTo(x, y);
        }
        const toX = other.nowX - 5, toY = other.nowY + HEIGHT / 2, bend = (toX - x) / 2;
        pen.bezierCurveTo(x + bend, y, toX - bend, toY, toX, toY);
      }
      pen.stroke();
      if (view.k >= TITLE_FROM) {
        pen.beginPath();
        for (const [, other] of groups[name]) {
          const x = other.nowX - 1, y = other.nowY + HEIGHT / 2;
          pen.moveTo(x, y); pen.lineTo(x - 8, y - 4.5); pen.lineTo(x - 8, y + 4.5); pen.closePath();
        }
        pen.fill();
      }
    }
    pen.globalAlpha = 1;
  }

  paintNode(spot, now) {
    const { pen, view, colours } = this, { node, nowX: x, nowY: y } = spot;
    const state = node.bead ? node.bead.state : node.state, colour = colours.state[state] ?? colours.dim;
    const busy = node.bead && BUSY.has(state), faint = this.lit && !this.lit.has(node.id);
    pen.globalAlpha = faint ? 0.3 : 1;
    if (view.k < TITLE_FROM) {
      pen.fillStyle = colour;
      pen.fillRect(x, y, WIDTH, HEIGHT);
      this.ring(spot, x, y, colours);
      pen.globalAlpha = 1;
      return busy;
    }
    if (node.members) for (const by of [8, 4]) { pen.fillStyle = colours.card; pen.strokeStyle = colours.line; pen.lineWidth = 1; round(pen, x + by, y + by, WIDTH, HEIGHT, 9); pen.fill(); pen.stroke(); }
    const until = this.flashes.get(node.id);
    if (until) { pen.fillStyle = colour; const alpha = pen.globalAlpha; pen.globalAlpha = 0.35 * Math.max(0, (until - now) / FLASH_MS); round(pen, x - 8, y - 8, WIDTH + 16, HEIGHT + 16, 15); pen.fill(); pen.globalAlpha = alpha; }
    round(pen, x, y, WIDTH, HEIGHT, 9);
    pen.fillStyle = colours.card;
    pen.fill();
    pen.save();
    pen.clip();
    pen.fillStyle = colour;
    pen.globalAlpha *= 0.13;
    pen.fillRect(x, y, WIDTH, HEIGHT);
    pen.globalAlpha = faint ? 0.3 : 1;
    pen.fillRect(x, y, 30, HEIGHT);
    pen.restore();
    round(pen, x, y, WIDTH, HEIGHT, 9);
    pen.lineWidth = busy ? 2.4 : 1.3;
    pen.strokeStyle = colour;
    if (busy && !this.still.matches) { pen.setLineDash([10, 6]); pen.lineDashOffset = -(now / 40) % 16; } else if (state === "pending") pen.setLineDash([4, 4]);
    pen.stroke();
    pen.setLineDash([]);
    this.words(node, state, x, y);
    this.ring(spot, x, y, colours);
    pen.globalAlpha = 1;
    return busy;
  }

  words(node, state, x, y) {
    const { pen, view, colours } = this;
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    pen.fillStyle = colours.card;
    pen.font = "700 16px system-ui, sans-serif";
    pen.fillText(sign(state), x + 15, y + HEIGHT / 2 + 1);
    pen.textAlign = "left";
    pen.fillStyle = colours.text;
    pen.font = "600 13px system-ui, sans-serif";
    const small = view.k < ID_FROM;
    const title = node.bead ? node.bead.title || node.bead.id : `${node.members.length} ${label(node.state)}`;
    pen.fillText(this.cut(title), x + 39, y + (small ? HEIGHT / 2 : 18));
    if (small) return;
    pen.fillStyle = colours.dim;
    pen.font = "11px ui-monospace, monospace";
    const told = node.bead ? `${node.bead.id} · ${label(state)}${node.bead.attempt > 1 ? ` · try ${node.bead.attempt}` : ""}` : "press to unfold";
    pen.fillText(this.cut(told, 24), x + 39, y + 35);
  }

  ring(spot, x, y, colours) {
    const { pen, view } = this, id = spot.node.id;
    if (this.chosen !== id && !this.path.has(id)) return;
    pen.lineWidth = Math.max(3, 2 / view.k);
    pen.strokeStyle = this.chosen === id ? colours.accent : colours.path;
    round(pen, x - 4, y - 4, WIDTH + 8, HEIGHT + 8, 12);
    pen.stroke();
  }

  /** A text that fits into a card. */
  cut(text, letters = 22) {
    const key = `${letters}:${text}`;
    let found = this.titles.get(key);
    if (found === undefined) {
      if (this.titles.size > 20000) this.titles.clear();
      const line = text.replace(/\s+/g, " ").slice(0, 200), most = WIDTH - 48;
      found = line;
      if (this.pen.measureText(line).width > most) {
        let end = Math.min(line.length, letters + 12);
        while (end > 1 && this.pen.measureText(`${line.slice(0, end)}…`).width > most) end -= 1;
        found = `${line.slice(0, end)}…`;
      }
      this.titles.set(key, found);
    }
    return found;
  }
}

function round(pen, x, y, width, height, radius) {
  pen.beginPath();
  pen.roundRect(x, y, width, height, radius);
}
