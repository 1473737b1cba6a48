// STOP: the button acts when it is touched, not when it is let go; the space bar acts wherever the focus is.
// One exception: in a text box the space bar types, as long as the arm is standing.

import { ask } from "./api.js";

const TRIES = 3;
const CLICK_MS = 500;

/** `moving()` says whether the arm may be moving; `first()` runs before anything is sent; `failed(why)` when nothing got through. */
export function listenForStop(button, { moving, first, failed }) {
  const stop = async () => {
    first();
    let answer;
    for (let left = TRIES; left > 0; left -= 1) {
      answer = await ask("stop");
      if (answer.reached) break;
    }
    if (!answer.ok) failed(answer.why);
  };

  let touched = -Infinity;
  button.addEventListener("pointerdown", () => {
    touched = performance.now();
    stop();
  });
  // What has no pointer (a keyboard's Enter, a screen reader) clicks; after a touch the click only follows it.
  button.addEventListener("click", () => performance.now() - touched > CLICK_MS && stop());

  const isStop = (event) => event.code === "Space" && (moving() || !isTextBox(event.target));
  window.addEventListener(
    "keydown",
    (event) => {
      if (!isStop(event)) return;
      event.preventDefault();
      event.stopPropagation();
      if (!event.repeat) stop();
    },
    true,
  );
  // Space let go would click the button that has the focus, such as Arm.
  window.addEventListener("keyup", (event) => isStop(event) && event.preventDefault(), true);
}

const isTextBox = (target) => target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
