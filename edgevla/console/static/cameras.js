// The live pictures, each with its age; a picture that is no longer live is grey and says how old it is.

import { drawn, element, setText } from "./dom.js";
import { ago } from "./words.js";

const PERIOD_MS = 100;
const RETRY_MS = 500;
const OLD_MS = 1000;
const ANSWER_MS = 2000;

/** One figure a camera, looking as long as the page is visible. Returns {freshen, showPath}. */
export function showCameras(place, names) {
  const cameras = names.map((name) => new Camera(name));
  place.replaceChildren(...cameras.map((camera) => camera.figure));
  if (!names.length) place.replaceChildren(element("p", { class: "hint" }, "This robot has no camera."));
  for (const camera of cameras) camera.look();
  return {
    freshen: () => cameras.forEach((camera) => camera.freshen()),
    showPath: (path) => cameras.forEach((camera) => camera.showPath(path[camera.name] ?? [])),
  };
}

class Camera {
  #canvas = element("canvas", { width: 320, height: 320, role: "img" });
  #age = element("span", { class: "age" }, "no picture yet");
  #overlay = drawn("svg", { class: "overlay", viewBox: "0 0 1000 1000", preserveAspectRatio: "none", "aria-hidden": "true" });
  #taken = -Infinity; // when the picture on show was taken, on this page's clock

  constructor(name) {
    this.name = name;
    this.figure = element(
      "figure",
      { class: "camera old never" },
      element("div", { class: "frame" }, this.#canvas, this.#overlay),
      element("figcaption", {}, element("span", { class: "camera-name" }, name), this.#age),
    );
    this.#canvas.setAttribute("aria-label", `${name} camera, live`);
  }

  async look() {
    for (;;) {
      const begun = performance.now();
      const seen = !document.hidden && (await this.#fetch().catch(() => false));
      const wait = seen ? begun + PERIOD_MS - performance.now() : RETRY_MS;
      await new Promise((done) => setTimeout(done, Math.max(wait, 0)));
    }
  }

  async #fetch() {
    const answer = await fetch(`/api/camera/${encodeURIComponent(this.name)}`, {
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    if (answer.status !== 200) return false;
    const age = Number(answer.headers.get("X-Age-Ms") ?? 0);
    const picture = await createImageBitmap(await answer.blob());
    const { width, height } = picture;
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    this.#canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    this.#taken = performance.now() - age;
    return true;
  }

  /** Says how old the picture is. */
  freshen() {
    const age = performance.now() - this.#taken;
    const never = age === Infinity;
    this.figure.classList.toggle("old", age > OLD_MS);
    this.figure.classList.toggle("never", never);
    const live = age <= OLD_MS;
    setText(this.#age, never ? "no picture yet" : live ? "live" : `${ago(age)} old`);
    const label = `${this.name} camera, ${live ? "live" : "not live"}`;
    if (this.#canvas.getAttribute("aria-label") !== label) this.#canvas.setAttribute("aria-label", label);
  }

  /** Draws the way of the tool: points [x, y] in 0..1 of the picture. */
  showPath(points) {
    const scaled = points.map(([x, y]) => [x * 1000, y * 1000]);
    this.figure.classList.toggle("planned", scaled.length > 1);
    if (scaled.length < 2) {
      this.#overlay.replaceChildren();
      return;
    }
    const line = scaled.map((point) => point.map((each) => each.toFixed(1)).join(",")).join(" ");
    const dot = (shape, [x, y]) => {
      // A line of no length with round ends is a dot that the picture's proportions do not squeeze.
      return drawn("polyline", { class: shape, points: `${x},${y} ${x},${y}` });
    };
    this.#overlay.replaceChildren(
      drawn("polyline", { class: "path-edge", points: line }),
      drawn("polyline", { class: "path", points: line }),
      dot("path-end-edge", scaled.at(-1)),
      dot("path-end", scaled.at(-1)),
      dot("path-start", scaled[0]),
    );
  }
}
