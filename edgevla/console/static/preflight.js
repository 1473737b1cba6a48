// What must be right before the arm may move: what is missing stands open, what is right is folded away.

import { element } from "./dom.js";

const SIGNS = { bad: ["✕", "missing"], warn: ["!", "warning"], good: ["✓", "ok"] };

/** Returns show(checks): [{name, ok, warn, why}]. */
export function showPreflight(place) {
  let shown = "";
  return (checks) => {
    const now = JSON.stringify(checks);
    if (now === shown) return;
    shown = now;
    const wasOpen = place.querySelector("details")?.open ?? false;
    const good = checks.filter((check) => check.ok);
    const rest = checks.filter((check) => !check.ok);
    const missing = rest.filter((check) => !check.warn).length;
    const parts = [];
    if (rest.length) parts.push(element("ul", { class: "checks" }, ...rest.map(item)));
    if (good.length) {
      const heading = missing ? `${good.length} checks passed` : `Ready: ${good.length} checks passed`;
      const list = element("ul", { class: "checks" }, ...good.map(item));
      parts.push(element("details", { open: wasOpen }, element("summary", {}, heading), list));
    }
    place.replaceChildren(...parts);
  };
}

/** Why the arm may not be run, in one line; "" when it may. */
export function blocking(checks) {
  const first = checks.find((check) => !check.ok && !check.warn);
  return first ? first.why || first.name : "";
}

function item({ name, ok, warn, why }) {
  const kind = ok ? "good" : warn ? "warn" : "bad";
  const [sign, word] = SIGNS[kind];
  return element(
    "li",
    { class: kind },
    element("span", { class: "sign", "aria-hidden": "true" }, sign),
    element(
      "span",
      {},
      element("span", { class: "unseen" }, `${word}: `),
      name,
      why && !ok ? element("span", { class: "reason" }, why) : "",
    ),
  );
}
