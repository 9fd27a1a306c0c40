// A worker: places a graph in layers, left to right. Longest path gives the layer, a few sweeps of
// medians the order in it, and then each node moves towards its neighbours as far as there is room.

export const WIDTH = 190, HEIGHT = 50, GAP_X = 58, GAP_Y = 20;
const BENDS_MAX = 20000;

/** Places for `count` nodes; edges are pairs of numbers (from what is needed, to what needs it). An
 *  edge over several layers gets a place in each of them, so that it passes between nodes: `bends`
 *  has them for each edge, as [x, y, x, y, …]. */
export function place(count, edges) {
  const all = bent(count, edges), found = settled(all.count, all.edges);
  const bends = all.bends.map((nodes) => nodes.flatMap((node) => [found.x[node], found.y[node] + HEIGHT / 2]));
  return { x: found.x.slice(0, count), y: found.y.slice(0, count), bends };
}

/** The same graph, with a node for each layer that an edge passes. */
function bent(count, edges) {
  const into = Array.from({ length: count }, () => []), out = Array.from({ length: count }, () => []);
  for (const [from, to] of edges) { into[to].push(from); out[from].push(to); }
  const layer = layers(count, into, out), long = edges.reduce((sum, [from, to]) => sum + layer[to] - layer[from] - 1, 0);
  if (long > BENDS_MAX) return { count, edges, bends: edges.map(() => []) };
  const pieces = [], bends = [];
  let next = count;
  for (const [from, to] of edges) {
    const passed = [];
    let last = from;
    for (let at = layer[from] + 1; at < layer[to]; at += 1) { passed.push(next); pieces.push([last, next]); last = next; next += 1; }
    pieces.push([last, to]);
    bends.push(passed);
  }
  return { count: next, edges: pieces, bends };
}

function settled(count, edges) {
  const into = Array.from({ length: count }, () => []), out = Array.from({ length: count }, () => []);
  for (const [from, to] of edges) { into[to].push(from); out[from].push(to); }
  const layer = layers(count, into, out);
  // What stands alone would be one endless column: it is put into a block below the rest.
  const alone = [], rows = [];
  for (let node = 0; node < count; node += 1) {
    if (!into[node].length && !out[node].length) { alone.push(node); continue; }
    (rows[layer[node]] ??= []).push(node);
  }
  for (let at = 0; at < rows.length; at += 1) rows[at] ??= [];
  const at = new Float64Array(count);
  rows.forEach((row) => row.forEach((node, index) => { at[node] = index; }));
  for (let sweep = 0; sweep < 8; sweep += 1) {
    const down = sweep % 2 === 0;
    const order = down ? rows.keys() : [...rows.keys()].reverse();
    for (const index of order) sort(rows[index], down ? into : out, at);
  }
  const y = spread(rows, into, out, count);
  const x = new Float64Array(count);
  let bottom = 0;
  for (let node = 0; node < count; node += 1) { x[node] = layer[node] * (WIDTH + GAP_X); }
  for (const row of rows) for (const node of row) bottom = Math.max(bottom, y[node] + HEIGHT + GAP_Y * 2);
  const columns = Math.max(rows.length, Math.ceil(Math.sqrt(alone.length / 3)), 1);
  alone.forEach((node, index) => {
    x[node] = (index % columns) * (WIDTH + GAP_X);
    y[node] = bottom + Math.floor(index / columns) * (HEIGHT + GAP_Y);
  });
  return { x, y };
}

function layers(count, into, out) {
  const left = into.map((one) => one.length), layer = new Int32Array(count), free = [];
  left.forEach((number, node) => { if (!number) free.push(node); });
  for (let at = 0; at < free.length; at += 1) {
    for (const next of out[free[at]]) {
      layer[next] = Math.max(layer[next], layer[free[at]] + 1);
      left[next] -= 1;
      if (!left[next]) free.push(next);
    }
  }
  // A source moves next to what first needs it: short edges are read more easily.
  for (let node = 0; node < count; node += 1) {
    if (!into[node].length && out[node].length) layer[node] = Math.max(0, Math.min(...out[node].map((one) => layer[one])) - 1);
  }
  return layer;
}

function sort(row, beside, at) {
  const weight = new Map(row.map((node) => [node, middle(beside[node], at, at[node])]));
  row.sort((one, other) => weight.get(one) - weight.get(other) || at[one] - at[other] || one - other);
  row.forEach((node, index) => { at[node] = index; });
}

function middle(nodes, at, otherwise) {
  if (!nodes.length) return otherwise;
  const found = nodes.map((node) => at[node]).sort((one, other) => one - other);
  const half = found.length >> 1;
  return found.length % 2 ? found[half] : (found[half - 1] + found[half]) / 2;
}

function spread(rows, into, out, count) {
  const y = new Float64Array(count), step = HEIGHT + GAP_Y;
  const tallest = Math.max(1, ...rows.map((row) => row.length));
  for (const row of rows) row.forEach((node, index) => { y[node] = (index + (tallest - row.length) / 2) * step; });
  for (let sweep = 0; sweep < 12; sweep += 1) {
    const order = sweep % 2 ? [...rows.keys()].reverse() : [...rows.keys()];
    for (const index of order) {
      const row = rows[index];
      const wanted = row.map((node) => {
        const beside = sweep < 10 ? (sweep % 2 ? out[node] : into[node]) : [...into[node], ...out[node]];
        return beside.length ? beside.reduce((sum, one) => sum + y[one], 0) / beside.length : y[node];
      });
      settle(row, wanted, y, step);
    }
  }
  let top = Infinity;
  for (const row of rows) for (const node of row) top = Math.min(top, y[node]);
  if (top < Infinity) for (const row of rows) for (const node of row) y[node] -= top;
  return y;
}

/** Where a row's nodes come to lie: as near to what they want as their order lets them, in blocks
 *  that push each other (pool adjacent violators). */
function settle(row, wanted, y, step) {
  const blocks = [];
  row.forEach((node, index) => {
    blocks.push({ sum: wanted[index] - index * step, count: 1, first: index });
    while (blocks.length > 1) {
      const last = blocks[blocks.length - 1], before = blocks[blocks.length - 2];
      if (before.sum / before.count <= last.sum / last.count) break;
      before.sum += last.sum; before.count += last.count;
      blocks.pop();
    }
  });
  for (const block of blocks) for (let index = block.first; index < block.first + block.count; index += 1) y[row[index]] = block.sum / block.count + index * step;
}

if (typeof WorkerGlobalScope !== "undefined" && globalThis instanceof WorkerGlobalScope) {
  onmessage = ({ data }) => {
    const { x, y, bends } = place(data.count, data.edges);
    postMessage({ turn: data.turn, x, y, bends }, [x.buffer, y.buffer]);
  };
}
