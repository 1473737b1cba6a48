// The joints: where each is between its limits, where it is told to be, and where the bounds held it back.

import { element, setText } from "./dom.js";

const BOUNDED_MS = 2000; // the mark stays long enough to be seen
const HOT_C = 60;

/** One row a joint. Returns {show(state), propose(rows_deg)}: `propose` marks where a plan ends; [] clears it. */
export function showJoints(body, joints) {
  const rows = joints.map((joint) => new Row(joint));
  body.replaceChildren(...rows.map((row) => row.row));
  return {
    show: ({ joints: now, health }) => {
      const slow = new Map((health ?? []).map((each) => [each.joint, each]));
      rows.forEach((row, at) => row.show(now?.[at], slow.get(row.name)));
    },
    propose: (planned) => rows.forEach((row, at) => row.propose(planned.map((each) => each[at]))),
  };
}

class Row {
  #angle = element("td", { class: "number" }, "–");
  #heat = element("td", { class: "number" }, "–");
  #count = element("td", { class: "number" }, "0");
  #now = element("span", { class: "mark now" });
  #goal = element("span", { class: "mark goal" });
  #plan = element("span", { class: "plan" });
  #bar;
  #limited = null;
  #boundedUntil = 0;
  #low;
  #high;
  #position = null;

  constructor({ name, soft_deg: soft, hard_deg: hard }) {
    this.name = name;
    [this.#low, this.#high] = hard;
    const room = element("span", { class: "soft" });
    this.#stretch(room, ...soft);
    this.#bar = element("div", { class: "bar", "aria-hidden": "true" }, room, this.#plan, this.#goal, this.#now);
    for (const mark of [this.#now, this.#goal, this.#plan]) mark.hidden = true;
    this.row = element(
      "tr",
      {},
      element("th", { scope: "row" }, name.replaceAll("_", " ")),
      this.#angle,
      element("td", { class: "wide" }, this.#bar),
      this.#heat,
      this.#count,
    );
  }

  show(joint, health) {
    const known = Boolean(joint);
    this.#now.hidden = this.#goal.hidden = !known;
    this.#position = known ? joint.position_deg : null;
    setText(this.#angle, known ? `${joint.position_deg.toFixed(1)}°` : "–");
    if (known) {
      this.#now.style.left = this.#share(joint.position_deg);
      this.#goal.style.left = this.#share(joint.setpoint_deg);
      this.#bounded(joint.limited);
    }
    setText(this.#heat, health ? `${Math.round(health.temperature_c)} °C` : "–");
    this.#heat.classList.toggle("hot", Boolean(health) && health.temperature_c >= HOT_C);
  }

  /** Marks the way from here to the farthest of these angles and to the last of them. */
  propose(angles) {
    this.#plan.hidden = angles.length === 0 || this.#position === null;
    if (this.#plan.hidden) return;
    const all = [this.#position, ...angles];
    this.#stretch(this.#plan, Math.min(...all), Math.max(...all));
  }

  #bounded(limited) {
    const now = performance.now();
    if (this.#limited !== null && limited > this.#limited) this.#boundedUntil = now + BOUNDED_MS;
    this.#limited = limited;
    setText(this.#count, String(limited));
    this.row.classList.toggle("bounded", now < this.#boundedUntil);
  }

  #stretch(node, low, high) {
    node.style.left = this.#share(low);
    node.style.right = `calc(100% - ${this.#share(high)})`;
  }

  #share(angle) {
    const share = (angle - this.#low) / (this.#high - this.#low);
    return `${(100 * Math.min(Math.max(share, 0), 1)).toFixed(2)}%`;
  }
}
