// The beads as this page knows them, and who wants to know when they change.

export class Store {
  constructor() {
    this.beads = new Map();
    this.dependents = new Map();
    this.seq = 0;
    this.heard = [];
    this.version = 0;
    this.shape = 0;
  }

  hear(listener) { this.heard.push(listener); }

  tell(what) {
    this.version += 1;
    for (const listener of this.heard) listener(what);
  }

  /** Takes all beads as of an event in the place of what was there. */
  load(beads, seq) {
    this.beads = new Map(beads.map((bead) => [bead.id, bead]));
    this.seq = seq;
    this.connect();
    this.tell({ all: true, shape: true, ids: [] });
  }

  /** Takes rows that have changed. */
  take(rows, seq) {
    let shape = false;
    for (const row of rows) {
      const before = this.beads.get(row.id);
      if (!before || before.needs.length !== row.needs.length || before.needs.some((need, at) => need !== row.needs[at])) shape = true;
      this.beads.set(row.id, row);
    }
    this.seq = seq;
    if (shape) this.connect();
    this.tell({ all: false, shape, ids: rows.map((row) => row.id) });
  }

  connect() {
    this.shape += 1;
    this.dependents = new Map();
    for (const bead of this.beads.values()) {
      for (const need of bead.needs) {
        if (!this.dependents.has(need)) this.dependents.set(need, []);
        this.dependents.get(need).push(bead.id);
      }
    }
  }

  /** Everything that can be reached from a bead by `step`. */
  reach(start, step) {
    const seen = new Set([start]), left = [start];
    while (left.length) for (const next of step(left.pop())) if (!seen.has(next)) { seen.add(next); left.push(next); }
    return seen;
  }

  below(id) { return this.reach(id, (one) => (this.beads.get(one)?.needs ?? []).filter((need) => this.beads.has(need))); }
  above(id) { return this.reach(id, (one) => this.dependents.get(one) ?? []); }

  counts() {
    const found = {};
    for (const bead of this.beads.values()) found[bead.state] = (found[bead.state] ?? 0) + 1;
    return found;
  }

  /** The longest chain of beads that have not landed, first to last. */
  critical() {
    const length = new Map(), before = new Map(), open = (id) => this.beads.get(id) && !["landed", "cancelled"].includes(this.beads.get(id).state);
    const visit = (start) => {
      const stack = [start];
      while (stack.length) {
        const id = stack[stack.length - 1];
        if (length.has(id)) { stack.pop(); continue; }
        const needs = this.beads.get(id).needs.filter(open);
        const missing = needs.filter((need) => !length.has(need));
        if (missing.length) { stack.push(...missing); continue; }
        let best = 0;
        for (const need of needs) if (length.get(need) > best) { best = length.get(need); before.set(id, need); }
        length.set(id, best + 1);
        stack.pop();
      }
    };
    let last = null;
    for (const id of this.beads.keys()) {
      if (!open(id)) continue;
      visit(id);
      if (last === null || length.get(id) > length.get(last)) last = id;
    }
    const path = [];
    for (; last !== null && last !== undefined; last = before.get(last)) path.push(last);
    return path.reverse();
  }
}
