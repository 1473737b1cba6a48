// The operator's page: what the robot reports goes into the page, what the operator does goes to the console.

import { ask } from "./api.js";
import { showCameras } from "./cameras.js";
import { ConfirmMode } from "./confirm.js";
import { byId, setAvailable, setText } from "./dom.js";
import { keepEvents } from "./events.js";
import { Feed } from "./feed.js";
import { Hold } from "./hold.js";
import { showJoints } from "./joints.js";
import { blocking, showPreflight } from "./preflight.js";
import { atOnce } from "./speak.js";
import { hideAlarm, note, sentence, showAlarm, showFacts, showMode } from "./status.js";
import { listenForStop } from "./stop.js";
import { listenForTask } from "./task.js";
import { showTiming } from "./timing.js";
import { MOVING } from "./words.js";

const BLIND_MS = 1000; // nobody holds an arm of which nothing was heard for this long
const START_MS = 1000; // from the lease to the first report of a running arm
const CONTINUOUS = new Set(["instruction accepted", "fresh plan"]); // checks of the console
const LET_GO = "you let go";

const feed = new Feed();
const events = keepEvents(byId("events"));
const preflight = showPreflight(byId("preflight"));
const timing = showTiming(byId("timing"));
let cameras = { freshen() {}, showPath() {} };
let joints = { show() {}, propose() {} };
let session = null;
let state = null; // the newest report
let over = false; // the session has ended
let stopFailed = false;
let leased = 0; // when the present hold was granted, 0 before
let ran = false; // the arm was seen running under the present hold

// ---- what the operator does

async function tell(what, body) {
  const answer = await ask(what, body);
  note(answer.ok ? "" : sentence(answer.why), atOnce);
  if (answer.over) endSession();
  return answer.ok;
}

async function give(body) {
  if (!confirm.on) return tell("instruct", body);
  if (state?.mode !== "holding") {
    note("Arm first: a proposal is for an arm that stands.", atOnce);
    return false;
  }
  confirm.expect();
  const taken = await tell("instruct", { ...body, once: true });
  if (!taken) confirm.refused();
  return taken;
}

const task = listenForTask(give);

const confirm = new ConfirmMode({
  give: (text) => give({ text }),
  sentence: () => state?.instruction ?? "",
  joints: () => session?.robot.joints.map((joint) => joint.name) ?? [],
  busy: () => hold.held || MOVING.has(state?.mode),
  draw: (proposal) => {
    cameras.showPath(proposal?.path ?? {});
    joints.propose(proposal?.joints_deg ?? []);
    showControls();
  },
});

const hold = new Hold(byId("hold"), {
  // Together with what we know of the robot: a press that arrives late, after it was let go, must not count.
  ask: () =>
    confirm.on ? ask("confirm", { ticks: state.ticks, seq: confirm.seq }) : ask("engage", { ticks: state.ticks }),
  beat: (lease) => feed.silence < BLIND_MS && feed.send({ beat: lease }),
  release: () => ask("release"),
  refusal: holdRefusal,
});
hold.addEventListener("begin", () => {
  leased = 0;
  ran = false;
  note("");
  showControls();
});
hold.addEventListener("lease", () => {
  leased = performance.now();
  showControls();
});
hold.addEventListener("refused", ({ detail }) => note(sentence(detail), atOnce));
hold.addEventListener("end", ({ detail }) => {
  if (detail !== LET_GO) note(`Released: ${detail}.`);
  showControls();
});

listenForStop(byId("stop"), {
  moving: () => hold.held || MOVING.has(state?.mode),
  first: () => {
    hold.end("you pressed STOP");
    byId("stop").classList.add("pressed");
    setTimeout(() => byId("stop").classList.remove("pressed"), 400);
  },
  failed: (why) => {
    stopFailed = true;
    showAlarm("STOP did not get through", `${sentence(why)} Use the power switch of the arm.`);
  },
});

for (const what of ["arm", "disarm", "reset"]) byId(what).addEventListener("click", () => tell(what));

// A refused button keeps the focus and says nothing to the console.
document.addEventListener(
  "click",
  (event) => {
    if (!event.target.closest("main [aria-disabled=true]")) return;
    event.preventDefault();
    event.stopPropagation();
  },
  true,
);

// ---- what the robot reports

feed.addEventListener("session", ({ detail }) => {
  const known = JSON.stringify(session?.robot);
  session = detail;
  if (known === JSON.stringify(session.robot)) return;
  const { robot } = session;
  setText(byId("robot"), robot.name);
  cameras = showCameras(byId("pictures"), robot.cameras);
  joints = showJoints(byId("joints"), robot.joints);
  task.presets(robot.presets);
});

feed.addEventListener("up", () => events.load().catch(() => {})); // else the next connection brings them

feed.addEventListener("down", () => {
  hold.end("the connection is lost");
  showAlarm("Connection lost", "The arm is paused. Trying to reach the console again …");
  show();
});

feed.addEventListener("over", endSession);
feed.addEventListener("event", ({ detail }) => events.add(detail));

feed.addEventListener("state", ({ detail }) => {
  state = detail;
  stopFailed &&= MOVING.has(state.mode);
  if (!state.connected) showAlarm("The robot is not running", sentence(state.why));
  else if (!stopFailed) hideAlarm();
  followHold();
  joints.show(state);
  timing.show(state);
  confirm.hear(state);
  if (!MOVING.has(state.mode)) preflight(checks());
  setText(byId("instruction"), state.instruction || "nothing yet");
  showFacts(state, session.who.session, hold.held);
  show();
});

setInterval(() => {
  cameras.freshen();
  if (!feed.up) show();
}, 250);
feed.start();

/** The hold ends with what it was for, such as a stop by somebody else or the end of a confirmed movement. */
function followHold() {
  if (!hold.held || !leased) return;
  const running = state.mode === "engaged";
  ran ||= running;
  if (!running && (ran || performance.now() - leased > START_MS)) hold.end(state.reason || `the arm is ${state.mode}`);
}

function endSession() {
  over = true;
  hold.end("your session has ended");
  showAlarm("You are signed out", "Ask for a new link: edgevla console link ROBOT");
  show();
}

// ---- what may be done now

function holdRefusal() {
  if (over) return "You are signed out";
  if (!feed.up || !state) return "No connection";
  if (!state.connected) return "The robot is not running";
  if (state.mode === "fault") return "Look at the arm, then reset the fault";
  if (state.mode === "stopping") return "Wait until the arm stands still";
  if (state.mode === "engaged") return "It is running already";
  if (confirm.on && state.mode !== "holding") return "Arm first";
  return blocking(checks()) || (confirm.on ? confirm.refusal() : "");
}

/** A movement to be confirmed is planned once: that nothing is being planned any more is as it should be. */
const checks = () => (state.preflight ?? []).filter(({ name }) => !(confirm.on && CONTINUOUS.has(name)));

function show() {
  showMode({ state, up: feed.up && !over, silence: feed.silence, robot: session?.robot.name });
  showControls();
}

function showControls() {
  const reachable = feed.up && !over && Boolean(state?.connected);
  const allowed = { arm: "disarmed", disarm: "holding", reset: "fault" };
  for (const button of document.querySelectorAll("main button")) {
    setAvailable(button, reachable && (!(button.id in allowed) || allowed[button.id] === state.mode));
  }
  const refusal = hold.held ? "" : holdRefusal();
  setAvailable(byId("hold"), !refusal);
  byId("hold").classList.toggle("held", hold.held);
  const [title, text] = holdWords(refusal);
  setText(byId("hold-title"), title);
  setText(byId("hold-text"), text);
}

function holdWords(refusal) {
  if (hold.held) return leased ? ["Running", "Let go to pause"] : ["Asking …", "Keep holding"];
  if (confirm.on) return ["Hold to play", refusal || "Plays the movement you see, once"];
  const arms = state?.mode === "disarmed" ? "Switches the motors on first" : state?.instruction;
  return ["Hold to run", refusal || arms || ""];
}
