// What a screen reader is told: changes of mode when it is convenient, faults and lost connections at once.

import { byId } from "./dom.js";

const say = (region) => (text) => {
  // The same sentence twice is news twice: an emptied region announces it again.
  region.textContent = "";
  region.textContent = text;
};

export const politely = say(byId("polite"));
export const atOnce = say(byId("assertive"));
