// The states of a bead: what they are called, in which colour (of the Okabe and Ito palette, which
// people of all kinds of colour vision tell apart), and with which sign, for those who see none.

export const STATES = {
  pending: ["○", "--s-pending"], ready: ["●", "--s-ready"], claimed: ["◐", "--s-run"],
  running: ["▶", "--s-run"], checking: ["◎", "--s-run"], submitted: ["↑", "--s-queue"],
  queued: ["≡", "--s-queue"], testing: ["◈", "--s-test"], landed: ["✓", "--s-landed"],
  backing_off: ["↻", "--s-back"], reworking: ["↺", "--s-back"], paused: ["‖", "--s-paused"],
  failed: ["✕", "--s-failed"], cancelled: ["⊘", "--s-over"],
};
export const OVER = new Set(["landed", "failed", "cancelled"]);
export const BUSY = new Set(["claimed", "running", "checking", "testing"]);
export const sign = (state) => (STATES[state] ?? ["?"])[0];
export const label = (state) => state.replace("_", " ");
