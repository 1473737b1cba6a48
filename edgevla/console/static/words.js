// The modes of the arm in an operator's words.

export const MOVING = new Set(["engaged", "stopping"]);

export const MODES = {
  disarmed: { title: "Disarmed", text: "Nothing is sent to the motors." },
  holding: { title: "Holding", text: "The motors hold the arm still." },
  engaged: { title: "Running", text: "The arm moves by itself." },
  stopping: { title: "Stopping", text: "The arm brakes to a standstill." },
  fault: { title: "Fault", text: "The arm stands still until a person has looked." },
};

/** Milliseconds for people: 0.4 s, 12 s, 3 min. */
export function ago(ms) {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}
