// Confirm each movement: the arm plans one movement and waits; it is shown, and only that one can be played.

import { read } from "./api.js";
import { byId, setText } from "./dom.js";

const HINT = "Off: the arm goes on by itself while you hold. On: it shows each movement first.";

/** `give(text)` asks for a plan; `draw(proposal or null)` shows it; `busy()`: the switch stays as it is. */
export class ConfirmMode {
  #on = false;
  #asked = false; // a proposal is on its way
  #seq = -1; // of the newest plan looked at
  #proposal = null;
  #playable = false;
  #ways;

  constructor(ways) {
    this.#ways = ways;
    byId("confirm").addEventListener("click", () => this.#flip());
    setText(byId("proposal"), HINT);
  }

  get on() {
    return this.#on;
  }

  get seq() {
    return this.#proposal?.seq ?? -1;
  }

  /** Why nothing can be played; "" when the movement on show can. */
  refusal() {
    if (this.#asked) return "Planning …";
    return this.#playable ? "" : "Propose a movement first";
  }

  /** It was not taken: nothing is on its way. */
  refused() {
    this.#forget();
  }

  /** A movement is being asked for: what was on show is over. */
  expect() {
    this.#forget();
    this.#asked = true;
    this.#show();
  }

  /** The newest report. */
  async hear({ proposal_seq: seq, confirmable_seq: confirmable }) {
    if (!this.#on) return;
    const playable = this.#proposal !== null && confirmable === this.#proposal.seq;
    if (this.#playable && !playable) this.#forget(); // played, too old, or the arm has moved
    this.#playable = playable;
    if (seq < 0 || seq === this.#seq || !(this.#asked || seq === confirmable)) return;
    this.#seq = seq;
    const proposal = await read("/api/proposal").catch(() => null);
    if (!this.#on || proposal?.seq !== seq) {
      this.#seq = -1; // a newer one is there; the next report says which
      return;
    }
    this.#asked = false;
    this.#proposal = proposal;
    this.#show();
  }

  #flip() {
    if (this.#ways.busy()) return;
    this.#on = !this.#on;
    byId("confirm").setAttribute("aria-checked", String(this.#on));
    setText(byId("send"), this.#on ? "Propose" : "Set");
    this.#forget();
    // What was planned all the time is now planned once, or the other way round.
    const text = this.#ways.sentence();
    if (text) this.#ways.give(text);
  }

  #forget() {
    this.#asked = false;
    this.#proposal = null;
    this.#playable = false;
    this.#show();
  }

  #show() {
    const text = this.#on ? "The next movement is shown here and in the picture." : HINT;
    const shown = this.#proposal ? describe(this.#proposal, this.#ways.joints()) : text;
    setText(byId("proposal"), this.#asked ? "Planning …" : shown);
    this.#ways.draw(this.#proposal);
  }
}

/** A proposal in words: how long, and which joints turn by how much. */
function describe({ duration_s: duration, joints_deg: rows }, names) {
  const turns = names
    .map((name, at) => ({ name: name.replaceAll("_", " "), turn: rows.at(-1)[at] - rows[0][at] }))
    .filter(({ turn }) => Math.abs(turn) >= 0.5)
    .sort((a, b) => Math.abs(b.turn) - Math.abs(a.turn))
    .map(({ name, turn }) => `${name} ${turn > 0 ? "+" : "−"}${Math.abs(turn).toFixed(0)}°`);
  return `Proposed, ${duration.toFixed(1)} s: ${turns.length ? turns.join(", ") : "hardly any motion"}.`;
}
