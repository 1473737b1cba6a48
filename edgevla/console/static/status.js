// The strip on top: what the arm is doing and why, who holds it, whether it is recorded. And the alarm below it.

import { byId, setText } from "./dom.js";
import { atOnce, politely } from "./speak.js";
import { ago, MODES } from "./words.js";

let said = "";

/** `state`: the newest report or null; `up`: there is a connection; `silence`: ms since the last word. */
export function showMode({ state, up, silence, robot }) {
  const [look, title, text] = words(state, up, silence);
  document.body.dataset.mode = look;
  setText(byId("mode"), title);
  setText(byId("why"), text);
  document.title = `${title} · ${robot ?? "EdgeVLA"}`;
  if (title === said) return;
  said = title;
  if (look === "fault") atOnce(`${title}. ${text}`);
  else if (look !== "lost") politely(`${title}. ${text}`);
}

function words(state, up, silence) {
  if (!state) return ["unknown", "Connecting", "Waiting for the robot’s first report."];
  const known = MODES[state.mode];
  if (!up) return ["lost", "No connection", `Last heard ${ago(silence)} ago: ${known?.title.toLowerCase() ?? "not running"}.`];
  if (!state.connected || !known) return ["lost", "Not running", "There is no robot to talk to."];
  if (state.mode === "engaged" && state.instruction) return [state.mode, known.title, `“${state.instruction}”`];
  return [state.mode, known.title, state.reason ? `${known.text} ${sentence(state.reason)}` : known.text];
}

/** Who holds the arm and what is written down. `me`: the number of this session; `held`: here, on this page. */
export function showFacts({ holder, recorder }, me, held) {
  const elsewhere = holder && !held;
  fact("holder", elsewhere && (holder.session === me ? "Held in another window" : `Held by ${holder.name}`));
  const written = recorder?.recording && `Recording ${Math.round(recorder.written_mb)} MB`;
  const lost = recorder?.dropped ? `, ${recorder.dropped} records lost` : "";
  fact("recorder", written ? written + lost : recorder?.detail || "Not recording");
  byId("recorder").classList.toggle("recording", Boolean(written));
}

function fact(id, text) {
  byId(id).hidden = !text;
  setText(byId(id), text || "");
}

/** The alarm stands until `hideAlarm` of the same title, or of any. */
export function showAlarm(title, text) {
  const place = byId("lost");
  const news = place.hidden || byId("lost-title").textContent !== title;
  setText(byId("lost-title"), title);
  setText(byId("lost-text"), text);
  place.hidden = false;
  if (news) atOnce(`${title}. ${text}`);
}

export function hideAlarm() {
  byId("lost").hidden = true;
}

const NOTE_MS = 8000;
let noteTimer = 0;

/** One line above the big buttons, spoken too; "" clears it. */
export function note(text, say = politely) {
  const place = byId("note");
  clearTimeout(noteTimer);
  place.hidden = !text;
  setText(place, text);
  if (!text) return;
  say(text);
  noteTimer = setTimeout(() => note(""), NOTE_MS);
}

/** With a capital letter and a full stop. */
export function sentence(text) {
  const whole = text ? text[0].toUpperCase() + text.slice(1) : "Refused";
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}
