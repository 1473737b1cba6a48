"""`edgevla demo`: the simulated robot, and the ordinary runtime against it, sentence after sentence in real time."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgevla.cameras import open_camera
from edgevla.config.load import load_robot
from edgevla.messages import Instruct, Mode
from edgevla.runtime.arguments import PolicyChoice
from edgevla.runtime.episode_video import VideoRecorder
from edgevla.runtime.homing import HOME_INSTRUCTION, rest_pose_rad
from edgevla.runtime.live import LiveStatus
from edgevla.runtime.plots import draw_latency
from edgevla.runtime.report import envelope, fresh_folder, now, run_results, write_json
from edgevla.runtime.session import Session
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator
from edgevla.sim.tasks import INSTRUCTIONS, Task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from edgevla.config.robot import Robot
    from edgevla.sim.process import SimulatorProcess

ROBOT = "so101-tabletop"
SENTENCES = (
    *INSTRUCTIONS,
    "grasp the green block",
    "put the blue block on the left side",
    "put the red block on the blue block",
)
_LATE_S = 5.0  # beyond what a task may take, on a machine that has other things to do
_HOME_S = 6.0
_HOME_NEAR_RAD = 0.06
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line gave."""

    instructions: Sequence[str]
    seed: int
    report: Path
    variant: str


def run_demo(options: DemoOptions, console: Console) -> dict[str, Any]:
    """Carry out the instructions one after the other and write episode.mp4, latency.png and report.json.

    Raises:
        EdgeVLAError: something could not start.
    """
    started = now()
    fresh_folder(options.report)
    robot_path = shipped(ROBOT) / "robot.yaml"
    with contextlib.ExitStack() as stack:
        simulator = stack.enter_context(spawn_simulator(options.seed))
        overrides = {**simulated_devices(simulator), **patience(load_robot(robot_path))}
        console.print("simulated: " + " ".join(f"{key}={value}" for key, value in overrides.items()), highlight=False)
        robot = load_robot(robot_path, overrides)
        recorder = VideoRecorder({camera.name: open_camera(camera) for camera in robot.cameras})
        stack.enter_context(contextlib.closing(recorder))
        session = Session(robot_path, overrides, options.report, PolicyChoice(options.variant, "cpu", verified=False))
        with session, LiveStatus(console) as live:
            if session.granted is not None and session.granted.refused:
                live.say(session.granted.refused)
            session.arm()
            home_rad = rest_pose_rad(robot.joints)
            outcomes = []
            for index, sentence in enumerate(options.instructions):
                _go_home(session, live, recorder, home_rad)
                simulator.start_task(sentence, options.seed * 1000 + index)
                outcome = _carry_out(session, simulator, live, recorder, sentence)
                outcomes.append(outcome)
                mark = "[green]done[/]" if outcome["success"] else f"[red]not done[/] ({outcome['ended']})"
                live.say(f"{sentence:<36} {mark} {outcome['seconds']:.1f} s")
    with console.status("writing the report"):
        report = envelope("demo", started, run_results(session, options.report, outcomes))
        write_json(options.report / "report.json", report)
        draw_latency(options.report)
        recorder.write(options.report / "episode.mp4")
    return report


def simulated_devices(simulator: SimulatorProcess) -> dict[str, str]:
    """The settings that point a robot.yaml at the simulated robot; nothing else about it changes."""
    cameras = {f"cameras.{name}.source": address for name, address in simulator.cameras.items()}
    return {"motors.port": simulator.port, **cameras}


def patience(robot: Robot) -> dict[str, str]:
    """Simulated servos share the processors with all that runs: they get three quarters of a tick to answer.

    Without this, a workstation that is busy for a moment looks like a cable that was pulled. A real servo answers in
    its own time, whatever the computer does, and keeps the limit of robot.yaml.
    """
    reply_s = max(robot.motors.reply_timeout, 0.75 / robot.control.rate)
    return {"motors.reply_timeout": f"{reply_s * 1e3:g} ms"}


def _go_home(session: Session, live: LiveStatus, recorder: VideoRecorder, home_rad: Sequence[float | None]) -> None:
    recorder.caption = "back to the rest pose"
    session.instruct(Instruct(home=True))
    session.engage(HOME_INSTRUCTION)

    def arrived() -> bool:
        live.show(session, "back to the rest pose")
        status = session.status
        return status is not None and all(
            home is None or abs(at - home) < _HOME_NEAR_RAD
            for at, home in zip(status.position_rad, home_rad, strict=True)
        )

    session.wait_until(arrived, _HOME_S, "arrival at the rest pose")
    session.release("at the rest pose")


def _carry_out(
    session: Session, simulator: SimulatorProcess, live: LiveStatus, recorder: VideoRecorder, sentence: str
) -> dict[str, Any]:
    """Engage with one sentence until the judge decides, the time is up, or the arm is stopped."""
    session.instruct(Instruct(text=sentence))
    session.engage(sentence)
    began_s = time.monotonic()
    limit_s = Task.parse(sentence).limit_s + _LATE_S
    ended = "time"
    while time.monotonic() < began_s + limit_s:
        session.poll()
        live.show(session, sentence)
        recorder.caption = f"{sentence} - {session.mode.value}"
        verdict = simulator.state()
        if verdict["success"] or verdict["failed"]:
            ended = "success" if verdict["success"] else "failed"
            break
        if session.mode is not Mode.ENGAGED:
            ended = session.status.reason if session.status is not None else "stopped"
            break
        time.sleep(_POLL_S)
    seconds = time.monotonic() - began_s
    session.release("the instruction is finished")
    return {"text": sentence, "success": ended == "success", "ended": ended, "seconds": round(seconds, 2)}
