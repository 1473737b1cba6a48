"""The policy process: cameras, engine and decoding. It may crash, hang or be killed; the arm then comes to a hold.

    python -m edgevla.runtime.policy_process --robot robot.yaml --peer-fd 6 --operator-fd 8 --variant fp32 --engine cpu

Images never leave it. Out go chunks, to the control process, and a line for the operator when something changes.
"""

from __future__ import annotations

import contextlib
import select
import signal
import sys
import time
from typing import TYPE_CHECKING

from edgevla.cameras import open_camera
from edgevla.errors import EdgeVLAError
from edgevla.messages import Failure, Instruct, JointState, Planned, PolicyStatus, Shutdown, Watch
from edgevla.policy.language import InstructionError
from edgevla.policy.loading import load_policy
from edgevla.runtime.arguments import ProcessArguments, parse_process_arguments
from edgevla.runtime.homing import homing_chunk, rest_pose_rad
from edgevla.runtime.link import inherited
from edgevla.runtime.observing import StateHistory, observe
from edgevla.runtime.previews import Previews
from edgevla.runtime.wiring import arm_model, bundle_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgevla.cameras.source import CameraSource
    from edgevla.config.robot import Robot
    from edgevla.messages import Chunk, Observation
    from edgevla.policy.policy import Policy
    from edgevla.runtime.link import Link
    from edgevla.runtime.recording.feed import ObservationFeed

_WAIT_S = 0.005  # longest sleep between two looks at the cameras
_PREVIEW_S = 0.015  # a preview is made when no plan can be due for so long
FromOperator = Instruct | Watch | Shutdown


class PolicyProcess:
    """The loop around one `Policy`: when it is time to plan again and a new picture is there, make a chunk.

    Args:
        robot: robot.yaml.
        policy: loaded, compared with the robot, warm.
        cameras: running sources, by name.
        control: joint states in, chunks out.
        operator: instructions in, status out; pictures and plans too, while somebody watches.
        feed: takes what is seen and planned for the recording.
    """

    def __init__(
        self,
        robot: Robot,
        policy: Policy,
        cameras: Mapping[str, CameraSource],
        control: Link[JointState],
        operator: Link[FromOperator],
        feed: ObservationFeed | None = None,
    ) -> None:
        self._max_age_s = {camera.name: float(camera.max_age) for camera in robot.cameras}
        self._home_rad = rest_pose_rad(robot.joints)
        self._period_s = 1.0 / robot.control.replan
        self._half_frame_s = 0.5 / max(camera.rate for camera in robot.cameras)
        self._policy = policy
        self._sources = cameras
        self._control = control
        self._operator = operator
        self._feed = feed
        self._previews = Previews(cameras, operator)
        self._watch = Watch()
        self._fresh = True  # the policy has forgotten what was before
        self._states = StateHistory()
        self._instruct = Instruct()
        self._seq = 0
        self._observed_s = float("-inf")
        self._since_s = float("-inf")  # what was seen before then is not planned from
        self._looked_s = float("-inf")
        self._told = "ready"
        self._blind: tuple[str, ...] = ()

    def run(self) -> None:
        """Plan until told to finish or until nobody is left to plan for."""
        while not (self._control.closed or self._operator.closed):
            select.select([self._control, self._operator], [], [], _WAIT_S)
            for state in self._control.drain():
                self._states.add(state)
            for message in self._operator.drain():
                if isinstance(message, Shutdown):
                    return
                if isinstance(message, Watch):
                    self._watch = message
                    self._previews.set_rate(message.pictures_hz)
                else:
                    self._take(message)
            self._look_at_cameras()
            wanted = bool(self._instruct.home or self._instruct.text)
            due = wanted and self._due()
            if due:
                self._plan()
            if due or not wanted or self._idle_s() > _PREVIEW_S:
                self._previews.send_due(time.monotonic())

    def _idle_s(self) -> float:
        """How long until the next plan can be due at the earliest."""
        return self._observed_s + self._period_s - self._half_frame_s - time.monotonic()

    def _look_at_cameras(self) -> None:
        """Say when a camera goes blind or sees again."""
        now_s = time.monotonic()
        frames = {name: source.latest() for name, source in self._sources.items()}
        blind = tuple(
            name for name, frame in frames.items() if frame is None or now_s - frame.t_s > self._max_age_s[name]
        )
        if blind != self._blind:
            self._blind = blind
            self._say()

    def _due(self) -> bool:
        """Whether there is a picture to plan from that is a replan period younger than the last one planned from.

        Reckoned in the pictures' own time, so planning starts when a picture comes, not up to a frame later. Without
        pictures it is time to look, and to say why, once a period.
        """
        frames = [source.latest() for source in self._sources.values()]
        taken_s = [frame.t_s for frame in frames if frame is not None]
        if len(taken_s) == len(frames) and min(taken_s) >= self._observed_s + self._period_s - self._half_frame_s:
            return True
        return time.monotonic() >= max(self._looked_s, self._observed_s) + 2.0 * self._period_s

    def _take(self, instruct: Instruct) -> None:
        """A new sentence, effective from the next picture on; one that the policy cannot read ends the old one too."""
        self._instruct = instruct
        # The one plan that a person is going to look at shows the world as it was after they asked.
        self._since_s = time.monotonic() if instruct.once else float("-inf")
        self._policy.reset()
        self._fresh = True
        if instruct.text:
            try:
                self._policy.check_instruction(instruct.text)
            except InstructionError as error:
                self._instruct = Instruct()
                self._tell(f"instruction refused: {error}")
                return
        self._tell("home" if instruct.home else instruct.text)

    def _plan(self) -> None:
        now_s = time.monotonic()
        observation = observe(self._sources, self._max_age_s, self._states, self._instruct.text, now_s)
        self._looked_s = now_s
        if isinstance(observation, str):
            self._tell(observation)
            return
        if observation.t_obs_s <= max(self._observed_s, self._since_s):
            return
        self._seq += 1
        if self._instruct.home:
            chunk = homing_chunk(self._seq, observation.t_obs_s, observation.state_rad, self._home_rad)
        else:
            chunk = self._policy.act(observation, self._seq)
        self._control.send(chunk)
        self._observed_s = observation.t_obs_s
        self._show(observation, chunk)
        self._tell(chunk.reason if not chunk.valid else (self._instruct.text or "home"))
        if self._instruct.once:
            self._instruct = Instruct()
            self._tell(f"planned once: {chunk.instruction}" if chunk.valid else chunk.reason)
        elif chunk.done:  # planning on would set the arm down little by little: each hold starts where it sagged to
            self._instruct = Instruct()
            self._tell(f"done: {chunk.instruction}")

    def _show(self, observation: Observation, chunk: Chunk) -> None:
        """To whoever watches and to the recording, now that control has it."""
        if self._watch.planned:
            self._operator.send(Planned(chunk=chunk))
        if self._feed is not None:
            self._feed.offer(observation, chunk, fresh=self._fresh)
        self._fresh = self._fresh and self._instruct.home

    def _tell(self, detail: str) -> None:
        """Say each thing once."""
        if detail != self._told:
            self._told = detail
            self._say()

    def _say(self) -> None:
        text = self._instruct.text
        self._operator.send(PolicyStatus(ready=True, detail=self._told, instruction=text, blind=self._blind))


def main(arguments: ProcessArguments) -> None:
    """Load the policy, open the cameras it uses, plan."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the arm first, then tells us
    control = inherited(arguments.peer_fd, JointState)
    operator = inherited(arguments.operator_fd, FromOperator)
    try:
        robot = arguments.robot()
        feed = _open_feed(arguments, robot)
        policy = load_policy(
            bundle_folder(arguments.robot_path, robot),
            arguments.policy.variant,
            robot,
            target=arguments.policy.engine,
            verified=arguments.policy.verified,
            model=arm_model(arguments.robot_path, robot),
            clock=feed.clock if feed is not None else time.monotonic,
        )
        with contextlib.ExitStack() as stack:
            if feed is not None:
                stack.enter_context(contextlib.closing(feed))
            wanted = policy.cameras
            sources = {}
            for camera in robot.cameras:
                if camera.name in wanted:
                    sources[camera.name] = stack.enter_context(contextlib.closing(open_camera(camera)))
            operator.send(PolicyStatus(ready=True, detail="ready"))
            PolicyProcess(robot, policy, sources, control, operator, feed).run()
    except EdgeVLAError as error:
        operator.send(Failure(message=str(error), exit_code=error.exit_code))
        sys.exit(error.exit_code)


def _open_feed(arguments: ProcessArguments, robot: Robot) -> ObservationFeed | None:
    """The way to the recorder, when there is one."""
    if arguments.recorder_fd is None:
        return None
    from edgevla.runtime.recording.feed import Nothing, ObservationFeed

    pictures = robot.recording.pictures if robot.recording is not None else "png"
    return ObservationFeed(inherited(arguments.recorder_fd, Nothing), pictures)


if __name__ == "__main__":
    main(parse_process_arguments(sys.argv[1:]))
