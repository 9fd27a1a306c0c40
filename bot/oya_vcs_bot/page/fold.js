// What of a graph is drawn: beads that pass the filters, what has landed in one piece where that is
// wanted, and very large graphs in stacks. A fold never closes a cycle: what has landed stands on
// nothing that has not, and a stack is one layer of the graph.

export const STACKS_FROM = 1500;
const STACK_MIN = 8;

/** Nodes `{id, bead | members, state, title}` and edges as pairs of indices. */
export function fold(store, { passes, landed, opened }) {
  const shown = [...store.beads.values()].filter(passes);
  const group = new Map();
  if (landed) {
    for (const component of components(store, shown.filter((bead) => bead.state === "landed"))) {
      const key = `landed:${component[0].id}`;
      if (component.length > 2 && !opened.has(key)) for (const bead of component) group.set(bead.id, key);
    }
  }
  const open = shown.filter((bead) => !group.has(bead.id));
  if (open.length > STACKS_FROM) stack(store, open, group, opened);
  const nodes = [], index = new Map();
  for (const bead of shown) {
    const key = group.get(bead.id);
    if (key === undefined) { index.set(bead.id, nodes.length); nodes.push({ id: bead.id, bead }); continue; }
    if (!index.has(key)) { index.set(key, nodes.length); nodes.push({ id: key, members: [], state: bead.state }); }
    index.set(bead.id, index.get(key));
    nodes[index.get(key)].members.push(bead.id);
  }
  const edges = [], seen = new Set();
  for (const bead of shown) {
    const to = index.get(bead.id);
    for (const need of bead.needs) {
      const from = index.get(need);
      if (from === undefined || from === to) continue;
      const key = from * nodes.length + to;
      if (!seen.has(key)) { seen.add(key); edges.push([from, to]); }
    }
  }
  return { nodes, edges, index };
}

function* components(store, beads) {
  const inside = new Set(beads.map((bead) => bead.id)), seen = new Set();
  for (const bead of beads) {
    if (seen.has(bead.id)) continue;
    const found = [], left = [bead.id];
    seen.add(bead.id);
    while (left.length) {
      const id = left.pop();
      found.push(store.beads.get(id));
      for (const next of [...store.beads.get(id).needs, ...(store.dependents.get(id) ?? [])]) {
        if (inside.has(next) && !seen.has(next)) { seen.add(next); left.push(next); }
      }
    }
    yield found;
  }
}

function stack(store, beads, group, opened) {
  const layer = new Map(), waits = new Map(), free = [];
  const inside = new Set(beads.map((bead) => bead.id));
  for (const bead of beads) {
    const needs = bead.needs.filter((need) => inside.has(need));
    waits.set(bead.id, needs.length);
    if (!needs.length) { layer.set(bead.id, 0); free.push(bead.id); }
  }
  for (let at = 0; at < free.length; at += 1) {
    for (const next of store.dependents.get(free[at]) ?? []) {
      if (!inside.has(next)) continue;
      layer.set(next, Math.max(layer.get(next) ?? 0, layer.get(free[at]) + 1));
      waits.set(next, waits.get(next) - 1);
      if (!waits.get(next)) free.push(next);
    }
  }
  const stacks = new Map();
  for (const bead of beads) {
    const key = `stack:${bead.repo}:${layer.get(bead.id)}:${bead.state}`;
    if (!stacks.has(key)) stacks.set(key, []);
    stacks.get(key).push(bead.id);
  }
  for (const [key, members] of stacks) {
    if (members.length >= STACK_MIN && !opened.has(key)) for (const id of members) group.set(id, key);
  }
}
