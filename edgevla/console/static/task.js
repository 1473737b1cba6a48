// The instruction: typed, picked from the robot's presets, or taken from what was said before.

import { byId, element } from "./dom.js";

const STORE = "edgevla.instructions";
const KEPT = 12;

/** Sentences go to `give({text} or {home})`, which resolves to whether the robot took them. Returns {presets}. */
export function listenForTask(give) {
  const box = byId("sentence");
  const earlier = remembered();

  const say = async (text) => {
    const sentence = text.trim().replace(/\s+/g, " ");
    if (!sentence) {
      box.focus();
      return;
    }
    box.value = sentence;
    if (await give({ text: sentence })) remember(sentence);
  };

  const chip = (text, act, name = "chip") => {
    const button = element("button", { type: "button", class: name }, text);
    button.addEventListener("click", act);
    return button;
  };

  const showEarlier = () => {
    byId("earlier").hidden = earlier.length === 0;
    byId("history").replaceChildren(...earlier.map((text) => chip(text, () => say(text))));
  };

  const remember = (sentence) => {
    const at = earlier.indexOf(sentence);
    if (at >= 0) earlier.splice(at, 1);
    earlier.unshift(sentence);
    earlier.splice(KEPT);
    try {
      localStorage.setItem(STORE, JSON.stringify(earlier));
    } catch {
      // A browser that keeps nothing: the list lives as long as the page.
    }
    showEarlier();
  };

  byId("task").addEventListener("submit", (event) => {
    event.preventDefault();
    say(box.value);
  });
  showEarlier();

  return {
    presets(sentences) {
      const home = chip("Go to the rest pose", () => give({ home: true }), "chip chip-home");
      byId("presets").replaceChildren(...sentences.map((text) => chip(text, () => say(text))), home);
    },
  };
}

function remembered() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(kept) ? kept.filter((each) => typeof each === "string").slice(0, KEPT) : [];
  } catch {
    return [];
  }
}
