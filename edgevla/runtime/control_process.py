"""The control process: owns the serial port, the bounds and the mode, and ticks at a fixed rate.

    python -m edgevla.runtime.control_process --robot robot.yaml --peer-fd 5 --operator-fd 7 --variant fp32 --engine cpu

Small and with few imports on purpose. It trusts no peer: a chunk is checked before it is played, an operator's request
is granted by the mode table, a peer that is gone ends the engagement.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from typing import TYPE_CHECKING

from edgevla.control.ticker import Ticker
from edgevla.errors import EdgeVLAError
from edgevla.messages import (
    Chunk,
    Confirm,
    Event,
    Failure,
    Heartbeat,
    Mode,
    Request,
    Shutdown,
    StageTimes,
    Status,
    TickRecord,
)
from edgevla.runtime import realtime
from edgevla.runtime.arguments import ProcessArguments, parse_process_arguments
from edgevla.runtime.flightlog import TickTiming
from edgevla.runtime.link import inherited
from edgevla.runtime.notify import Notifier
from edgevla.runtime.ticklog import TICKS_FILE, TickLog
from edgevla.runtime.wiring import open_controller

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Thread
    from types import FrameType

    from edgevla.config.robot import Robot
    from edgevla.control.ticker import Tick
    from edgevla.runtime.controller import Outcome
    from edgevla.runtime.link import Link
    from edgevla.runtime.wiring import Rig

STATUS_HZ = 10.0
_LOG_HOURS = 1
_RECENT_TICKS = 500
_STOP_LIMIT_S = 3.0  # robot.yaml is refused when a controlled stop can take a third of this
_BROKEN_TICKS = 3  # in a row, after which braking is not to be had either
_WRITE_S = 2.0  # for a flight log that is being written at the end
_WORDS = 500  # letters of a reason or a sentence that are passed on
FromOperator = Request | Heartbeat | Confirm | Shutdown


class ControlProcess:
    """The loop around one `Controller`.

    Args:
        robot: robot.yaml.
        rig: the controller, armed by nobody yet, and what is around it.
        policy: chunks in, joint states out.
        operator: requests in, status out.
        report: the folder for flight logs.
        recorder: takes a record of every tick, or loses it.
        notifier: the service manager's watchdog.
    """

    def __init__(
        self,
        robot: Robot,
        rig: Rig,
        policy: Link[Chunk],
        operator: Link[FromOperator],
        report: Path | None,
        recorder: Link[Shutdown] | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self._robot = robot
        self._controller, self._bus, self._flight_log = rig
        self._report = report
        self._policy = policy
        self._operator = operator
        self._recorder = recorder
        self._notifier = notifier or Notifier({})
        self._missed = 0
        self._leaving = ""
        self._latched = False
        self._told: Mode | None = None
        self._asked = False  # something since the last status
        self._recorded = ""  # the reason that the last record had
        self._writing: Thread | None = None
        self._status_every = max(1, round(robot.control.rate / STATUS_HZ))
        self.log = TickLog(round(robot.control.rate * 3600 * _LOG_HOURS))

    def leave(self, why: str) -> None:
        """Stop the arm under control, then end the loop."""
        self._leaving = self._leaving or why

    def run(self) -> None:
        """Tick until told to leave and the arm stands still."""
        ticker = Ticker(1.0 / self._robot.control.rate, time.monotonic, realtime.sleep_until)
        leave_by_s = float("inf")
        count = 0
        broken_ticks = 0
        while True:
            tick = ticker.wait()
            count += 1
            self._missed += tick.skipped
            try:
                if ticker.overrun:
                    self._controller.overrun("the loop cannot keep its rate")
                self._tick(tick, count)
                broken_ticks = 0
                if not tick.skipped:
                    self._notifier.feed(time.monotonic())
            except Exception as error:  # whatever it is, the arm is stopped under control before this process ends
                self._controller.fail(f"{type(error).__name__}: {error}")
                self.leave(f"internal error: {error!r}")
                broken_ticks += 1
            if self._leaving:
                now_s = time.monotonic()
                leave_by_s = min(leave_by_s, now_s + _STOP_LIMIT_S)
                self._controller.operator(Event.STOP, self._leaving, now_s, now_s)
                if self._controller.standing or now_s > leave_by_s or broken_ticks > _BROKEN_TICKS:
                    break
        self._remember(time.monotonic())
        self._controller.leave()
        self._told = None
        self._tell(time.monotonic(), count)
        if self._writing is not None:
            self._writing.join(_WRITE_S)

    def _tick(self, tick: Tick, count: int) -> None:
        """One tick at the time it really is, which after a late wake is not its deadline."""
        now_s, waited_s = time.monotonic(), self._bus.wait_s
        self._hear(now_s)
        outcome = self._controller.tick(now_s)
        self._tell(now_s, count)
        wire_s = self._bus.wait_s - waited_s
        work_s = time.monotonic() - now_s - wire_s
        self.log.add(tick, outcome, work_s, wire_s)
        timing = TickTiming(tick.lateness_s, tick.skipped, work_s, wire_s)
        self._remember(now_s, timing)
        if outcome.fresh_chunk and self._controller.chunk is not None:
            self.log.add_played(self._controller.chunk, time.monotonic() - self._controller.chunk.t_obs_s)
        if self._recorder is not None:
            self._record(self._recorder, count, outcome, timing)

    def _record(self, recorder: Link[Shutdown], count: int, outcome: Outcome, timing: TickTiming) -> None:
        """Hand the tick to the recorder. Whatever it does with it, this waits for nothing."""
        controller, state, chunk = self._controller, self._controller.state, self._controller.chunk
        reason = controller.reason
        taken = recorder.send(
            TickRecord(
                tick=count,
                t_s=outcome.t_s,
                mode=outcome.mode,
                reason=reason[:_WORDS] if reason != self._recorded else "",
                measured_rad=state.position_rad if state is not None else (),
                velocity_rad_s=state.velocity_rad_s if state is not None else (),
                setpoint_rad=controller.setpoint_rad,
                chunk_seq=chunk.seq if chunk is not None else -1,
                plan_age_ms=(outcome.t_s - chunk.t_obs_s) * 1e3 if chunk is not None else -1.0,
                limited=outcome.limited,
                blocked=outcome.blocked,
                held=outcome.held,
                lateness_us=timing.lateness_s * 1e6,
                skipped=timing.skipped,
                work_us=timing.work_s * 1e6,
                wire_us=timing.wire_s * 1e6,
            )
        )
        self._recorded = reason if taken else self._recorded

    def _remember(self, now_s: float, timing: TickTiming | None = None) -> None:
        """Add to the flight log, and write it out once for every fault."""
        controller, state = self._controller, self._controller.state
        measured_rad = state.position_rad if state is not None else ()
        self._flight_log.add(
            now_s, controller.mode, controller.reason, measured_rad, controller.setpoint_rad, controller.chunk, timing
        )
        latched = controller.mode is Mode.FAULT
        if latched and not self._latched and not controller.moving and self._report is not None:
            self._writing = self._flight_log.write(self._report / f"flight-{now_s:.1f}.jsonl")
            self._latched = True
        self._latched = self._latched and latched

    def _hear(self, now_s: float) -> None:
        chunk = self._policy.newest()
        if chunk is not None:
            self._controller.offer(chunk, now_s)
        malformed = self._policy.take_malformed()
        if malformed:
            self._controller.offer(_invalid(malformed, now_s), now_s)
        if self._policy.closed:
            self._controller.policy_lost("the policy process is gone")
        for message in self._operator.drain():
            if isinstance(message, Request):
                self._controller.operator(message.event, message.why[:_WORDS], message.t_s, now_s)
                self._asked = True
            elif isinstance(message, Confirm):
                self._controller.confirm(message.seq, message.t_s, now_s)
                self._asked = True
            elif isinstance(message, Heartbeat):
                self._controller.heartbeat(min(message.t_s, now_s))
            else:
                self.leave(message.why)
        if self._operator.closed:
            self.leave("the operator's process is gone")

    def _tell(self, now_s: float, count: int) -> None:
        state = self._controller.state
        if state is not None:
            self._policy.send(state)
        if count % self._status_every and self._controller.mode is self._told and not self._asked:
            return
        self._told, self._asked = self._controller.mode, False
        chunk = self._controller.chunk
        self._operator.send(
            Status(
                t_s=now_s,
                mode=self._controller.mode,
                reason=self._controller.reason[:_WORDS],
                instruction=chunk.instruction[:_WORDS] if chunk is not None else "",
                ticks=count,
                missed=self._missed,
                rate_hz=float(self._robot.control.rate),
                lateness_p99_us=self.log.recent_lateness_p99_us(_RECENT_TICKS),
                chunk_age_ms=(now_s - chunk.t_obs_s) * 1e3 if chunk is not None else -1.0,
                policy_ms=chunk.stages.total_ms if chunk is not None else 0.0,
                bounds=self._controller.bounds,
                position_rad=state.position_rad if state is not None else (),
                setpoint_rad=self._controller.setpoint_rad,
                health=tuple(self._controller.health.values()),
                lateness_counts=tuple(self.log.lateness_counts),
                reads_lost=self._controller.counts["reads_lost"],
                limited_joints=tuple(self._controller.limited_joints),
                stages=chunk.stages if chunk is not None else StageTimes(),
                chunk_seq=chunk.seq if chunk is not None else -1,
                standing=self._controller.standing,
                confirmable_seq=self._controller.confirmable_seq(now_s),
            )
        )


def _invalid(why: str, now_s: float) -> Chunk:
    return Chunk(seq=-1, t_obs_s=now_s, rate_hz=1.0, actions_rad=(), valid=False, reason=why)


def main(arguments: ProcessArguments) -> None:
    """Open the port, ask the kernel for what robot.yaml wants, tick, leave."""
    policy = inherited(arguments.peer_fd, Chunk)
    operator = inherited(arguments.operator_fd, FromOperator)
    recorder = inherited(arguments.recorder_fd, Shutdown) if arguments.recorder_fd is not None else None
    try:
        robot = arguments.robot()
        notifier = Notifier()
        rig = open_controller(arguments.robot_path, robot)
    except EdgeVLAError as error:
        operator.send(Failure(message=str(error), exit_code=error.exit_code))
        sys.exit(error.exit_code)
    process = ControlProcess(robot, rig, policy, operator, arguments.report, recorder, notifier)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        process.leave(f"signal {signal.Signals(number).name}")

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    operator.send(realtime.request(robot.control.realtime))
    realtime.settle_memory()
    try:
        process.run()
    finally:
        rig.bus.close()
    if arguments.report is not None:
        with contextlib.suppress(OSError):  # a full disk loses the record, nothing else; stderr may lie on it too
            process.log.save(arguments.report / TICKS_FILE)


if __name__ == "__main__":
    main(parse_process_arguments(sys.argv[1:]))
