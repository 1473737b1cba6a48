// The last minute of the loop: a small curve and a figure each for the policy's time and the ticks' lateness.

import { drawn, element, setText } from "./dom.js";

const KEPT = 120; // samples
const EVERY_MS = 500;
const WIDTH = 240;
const HEIGHT = 40;

const CURVES = [
  { key: "policy_ms", name: "Policy", unit: "ms", digits: 0, text: "from picture to plan" },
  { key: "lateness_p99_us", name: "Tick lateness", unit: "µs", digits: 0, text: "99 of 100 are earlier" },
];

/** Curves and figures. Returns {show(state)}. */
export function showTiming(place) {
  const curves = CURVES.map((curve) => new Curve(curve));
  const missed = figure("Missed ticks");
  const plan = figure("Age of the plan");
  place.replaceChildren(...curves.map((curve) => curve.node), element("dl", { class: "figures" }, missed.node, plan.node));
  let next = 0;
  return {
    show(state) {
      const age = state.chunk_age_ms;
      missed.set(state.ticks ? `${state.missed} of ${state.ticks}` : "–");
      plan.set(age === null || age === undefined || age < 0 ? "no plan" : `${Math.round(age)} ms`);
      const now = performance.now();
      if (now < next) return;
      next = now + EVERY_MS;
      for (const curve of curves) curve.add(state[curve.key] ?? null);
    },
  };
}

function figure(name) {
  const value = element("dd", {}, "–");
  return { node: element("div", {}, element("dt", {}, name), value), set: (text) => setText(value, text) };
}

class Curve {
  #values = [];
  #line = drawn("polyline", { class: "curve" });
  #figure = element("span", { class: "curve-figure" }, "–");
  #worst = element("span", { class: "curve-worst" }, "");
  #unit;
  #digits;

  constructor({ key, name, unit, digits, text }) {
    this.key = key;
    this.#unit = unit;
    this.#digits = digits;
    const chart = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    chart.append(this.#line);
    this.node = element(
      "div",
      { class: "curve-box" },
      element("p", { class: "curve-name" }, element("span", {}, name), this.#figure),
      chart,
      element("p", { class: "hint curve-text" }, element("span", {}, text), this.#worst),
    );
  }

  add(value) {
    this.#values.push(value);
    if (this.#values.length > KEPT) this.#values.shift();
    const known = this.#values.filter((each) => each !== null);
    setText(this.#figure, value === null ? "–" : this.#say(value));
    if (!known.length) return;
    const worst = Math.max(...known);
    setText(this.#worst, `worst of the last minute ${this.#say(worst)}`);
    const offset = KEPT - this.#values.length;
    const points = this.#values.flatMap((each, at) => {
      if (each === null) return [];
      const x = ((offset + at) / (KEPT - 1)) * WIDTH;
      const y = HEIGHT - 2 - (each / Math.max(worst, 1e-9)) * (HEIGHT - 4);
      return [`${x.toFixed(1)},${y.toFixed(1)}`];
    });
    this.#line.setAttribute("points", points.join(" "));
  }

  #say(value) {
    return `${value.toFixed(this.#digits)} ${this.#unit}`;
  }
}
