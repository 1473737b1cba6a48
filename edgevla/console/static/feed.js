// The live connection. It comes back by itself; whatever was engaged through the old one stays released.

import { openSession, SessionOver } from "./api.js";

const SILENT_MS = 1500; // the console reports ten times a second: this long without a word is no connection
const WATCH_MS = 250;
const WAITS_MS = [300, 600, 1200, 2000];

/** Dispatches `session`, `state`, `event` and `released` (detail: the message), `up`, `down` and `over`. */
export class Feed extends EventTarget {
  #socket = null;
  #heard = 0;
  #up = false;
  #tries = 0;

  start() {
    setInterval(() => this.#watch(), WATCH_MS);
    this.#connect();
  }

  get up() {
    return this.#up;
  }

  /** Time since the last message, in ms. */
  get silence() {
    return performance.now() - this.#heard;
  }

  /** Sends if there is a connection that keeps up; says whether it did. */
  send(message) {
    if (!this.#up || this.#socket.bufferedAmount > 0) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  async #connect() {
    try {
      this.#tell("session", await openSession());
    } catch (error) {
      if (error instanceof SessionOver) this.#tell("over");
      else this.#again();
      return;
    }
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws`);
    this.#socket = socket;
    this.#heard = performance.now();
    socket.onmessage = ({ data }) => socket === this.#socket && this.#hear(JSON.parse(data));
    socket.onclose = () => socket === this.#socket && this.#drop();
  }

  #hear(message) {
    this.#heard = performance.now();
    if (!this.#up) {
      this.#up = true;
      this.#tries = 0;
      this.#tell("up");
    }
    this.#tell(message.type, message);
  }

  #watch() {
    if (this.#socket && this.silence > SILENT_MS) this.#drop();
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null; // a dead socket's close takes long to be told; nobody waits for it
    socket.close();
    if (this.#up) {
      this.#up = false;
      this.#tell("down");
    }
    this.#again();
  }

  #again() {
    const wait = WAITS_MS[Math.min(this.#tries++, WAITS_MS.length - 1)];
    setTimeout(() => this.#connect(), wait);
  }

  #tell(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
