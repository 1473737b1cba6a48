// What happened, newest first. What repeats but for its figures is one line with a count.

import { read } from "./api.js";
import { element } from "./dom.js";

const KEPT = 200;
const LEVELS = { warn: "warning", error: "error" };

/** Keeps a list of events. Returns {load, add}: `load` asks the console for what this page has not heard. */
export function keepEvents(list) {
  let last = 0;
  let waiting = null; // heard while older ones are on their way

  const show = ({ n, t, text, level }) => {
    if (n <= last) return;
    last = n;
    const kind = `${level} ${text.replace(/\d+/g, "0")}`;
    const repeated = list.firstElementChild?.dataset.kind === kind ? Number(list.firstElementChild.dataset.times) : 0;
    if (repeated) list.firstElementChild.remove();
    const clock = new Date(t).toLocaleTimeString([], { hour12: false });
    const count = repeated ? ` (${repeated + 1} times)` : "";
    const word = LEVELS[level] ? element("span", { class: "level" }, `${LEVELS[level]}: `) : "";
    const said = element("span", {}, word, text + count);
    const item = element("li", { class: level }, element("time", { dateTime: t }, clock), said);
    Object.assign(item.dataset, { kind, times: repeated + 1 });
    list.prepend(item);
    while (list.children.length > KEPT) list.lastElementChild.remove();
  };

  return {
    add: (event) => (waiting ? waiting.push(event) : show(event)),
    async load() {
      waiting ??= [];
      try {
        const { events } = await read(`/api/events?after=${last}`);
        events.forEach(show);
      } finally {
        const heard = waiting ?? [];
        waiting = null;
        heard.forEach(show);
      }
    },
  };
}
