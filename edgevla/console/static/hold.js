// Hold to run: the arm may move while a finger, a mouse button or Enter is held down here, and not a moment longer.
// Everything that could make the page forget the person ends the hold; only a new press begins another.

const BEAT_MS = 100;
const LONGEST_GAP_MS = 350; // timers of a page that is not looked at are throttled: such a page holds nothing
const SLIP_PX = 32; // a thumb rolls; leaving the button by more is letting go

/**
 * Dispatches `begin`, `lease`, `end` and `refused` (detail: why). `ask()` resolves to {ok, reached, lease, why};
 * `beat(lease)` says whether it could be sent; `release()` tells the console; `refusal()` is "" when a press may begin.
 */
export class Hold extends EventTarget {
  #button;
  #ways;
  #press = null; // the pointer's id, or "key"
  #turn = 0;
  #timer = 0;
  #beaten = 0;

  constructor(button, ways) {
    super();
    this.#button = button;
    this.#ways = ways;
    this.#listen();
  }

  get held() {
    return this.#press !== null;
  }

  /** Lets go, whatever is pressed; the same press cannot begin again. */
  end(why) {
    if (!this.held) return;
    this.#ways.release();
    this.#forget(why);
  }

  async #begin(press) {
    if (this.held) return;
    const refusal = this.#ways.refusal();
    if (refusal) {
      this.#tell("refused", refusal);
      return;
    }
    this.#press = press;
    const turn = (this.#turn += 1);
    this.#tell("begin");
    const answer = await this.#ways.ask();
    if (turn !== this.#turn) {
      if (answer.ok) this.#ways.release(); // let go before the answer came
      return;
    }
    if (!answer.ok) {
      // Refused: there is nothing to release. No answer: it may have been granted.
      if (answer.reached) this.#forget(answer.why);
      else this.end(answer.why);
      return;
    }
    this.#tell("lease");
    this.#beaten = performance.now();
    this.#beat(answer.lease);
    if (this.held) this.#timer = setInterval(() => this.#beat(answer.lease), BEAT_MS);
  }

  #forget(why) {
    this.#press = null;
    this.#turn += 1;
    clearInterval(this.#timer);
    this.#tell("end", why);
  }

  #beat(lease) {
    const now = performance.now();
    if (now - this.#beaten > LONGEST_GAP_MS) this.end("the page was not being looked after");
    else if (!this.#ways.beat(lease)) this.end("the connection is lost");
    else this.#beaten = now;
  }

  #listen() {
    const button = this.#button;
    button.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary || event.button !== 0) return;
      button.setPointerCapture(event.pointerId);
      this.#begin(event.pointerId);
    });
    button.addEventListener("pointermove", (event) => {
      const box = button.getBoundingClientRect();
      const outside =
        event.clientX < box.left - SLIP_PX ||
        event.clientX > box.right + SLIP_PX ||
        event.clientY < box.top - SLIP_PX ||
        event.clientY > box.bottom + SLIP_PX;
      if (event.pointerId === this.#press && outside) this.end("you left the button");
    });
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      button.addEventListener(type, (event) => event.pointerId === this.#press && this.end("you let go"));
    }
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      if (!event.repeat) this.#begin("key");
    });
    button.addEventListener("keyup", (event) => {
      if (event.key === "Enter" && this.#press === "key") this.end("you let go");
    });
    button.addEventListener("blur", () => this.end("the button lost the focus"));
    button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press on a touch screen
    window.addEventListener("blur", () => this.end("the page lost the focus"));
    window.addEventListener("pagehide", () => this.end("the page was left"));
    document.addEventListener("freeze", () => this.end("the page was put to sleep"));
    document.addEventListener("visibilitychange", () => document.hidden && this.end("the page was hidden"));
  }

  #tell(type, detail = "") {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
