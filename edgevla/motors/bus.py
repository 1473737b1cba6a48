"""What a motor bus does for the control process, and what carries its bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgevla.config.robot import Joint, Motors
    from edgevla.messages import JointState, ServoHealth
    from edgevla.registers import AllowedWrite, RegisterWrite

    Guard = Callable[[bytes], None]  # sees every frame before it is sent; raises to keep it from the wire


class Transport(Protocol):
    """A line to the motors. Whoever builds one gives it a `Guard`; its `send` has no way around it."""

    @property
    def wait_s(self) -> float:
        """Total time spent waiting for the line so far, so that it can be told from work."""
        ...

    def send(self, frame: bytes) -> None:
        """Forget what was received so far and send one frame, if the guard lets it pass.

        Raises:
            PortLost: the line is gone.
            Exception: whatever the guard raises; nothing was sent.
        """
        ...

    def receive(self, at_least: int, deadline_s: float) -> bytes:
        """Return what arrived: `at_least` bytes or more, fewer when the monotonic time `deadline_s` came first.

        Raises:
            PortLost: the line is gone.
        """
        ...

    def close(self) -> None:
        """Let go of the line. Sends nothing."""
        ...


@dataclass(frozen=True, slots=True)
class ServoInfo:
    """What a servo says about itself. `position_rad`: its own limits, as joint angles."""

    joint: str
    device: int
    model: int
    firmware: str
    position_rad: tuple[float, float]


class MotorBus(ABC):
    """The joints of one robot, in the order of robot.yaml. Angles are joint angles in rad.

    Nothing is written on construction. Every method may raise `ReplyError` (no good answer in time), `PortLost`, and
    what the guard raises.
    """

    @staticmethod
    @abstractmethod
    def allowed_writes(joints: Sequence[Joint]) -> tuple[AllowedWrite, ...]:
        """Return all that `arm`, `write` and `release` ever send, with goals bounded by `position_hard`.

        Raises:
            ServoRefused: an envelope that the servo's counts cannot express.
        """

    @staticmethod
    @abstractmethod
    def decode_writes(frame: bytes) -> tuple[RegisterWrite, ...]:
        """Return what an outgoing frame writes, nothing for one that only reads.

        Raises:
            ValueError: not exactly one well-formed request of a known kind.
        """

    @staticmethod
    @abstractmethod
    def goal_writes(joints: Sequence[Joint], position_rad: Sequence[float]) -> tuple[RegisterWrite, ...]:
        """Return what `write` would send to each joint.

        Raises:
            GoalInvalid: not finite, not one a joint, or beyond what a servo can count.
        """

    @staticmethod
    @abstractmethod
    def counts_per_rad() -> float:
        """How far a raw goal moves for 1 rad."""

    @staticmethod
    @abstractmethod
    def explain_status(status: int) -> str:
        """Return the words for the fault bits of `ServoHealth.status`, empty for none."""

    @classmethod
    @abstractmethod
    def open(cls, motors: Motors, joints: Sequence[Joint], guard: Guard) -> MotorBus:
        """Open the port that robot.yaml names.

        Raises:
            PortError: it cannot be opened, with the reason.
        """

    @property
    @abstractmethod
    def wait_s(self) -> float:
        """Total time spent waiting for the line so far."""

    @abstractmethod
    def check(self) -> tuple[ServoInfo, ...]:
        """Ask every servo who it is and whether it can be moved. Writes nothing.

        Raises:
            ServoRefused: a servo in another operating mode, or with limits of its own inside `position_soft`.
        """

    @abstractmethod
    def read(self) -> JointState:
        """Return where the joints are, how fast they move, and their faults if the replies tell, from one request."""

    @abstractmethod
    def write(self, position_rad: Sequence[float]) -> None:
        """Send the joints' goals, all in one frame.

        Raises:
            GoalInvalid: not finite, not one a joint, or beyond what a servo can count. Nothing was sent.
        """

    @abstractmethod
    def arm(self) -> JointState:
        """Make the present position the goal, then switch the torque on; on any failure switch it off again.

        Raises:
            ServoRefused: a joint stands outside its `position_hard`, or a servo did not take a setting.
        """

    @abstractmethod
    def release(self) -> None:
        """Switch the torque off. A raised arm falls.

        Raises:
            ServoRefused: the torque of a servo is still on.
        """

    @abstractmethod
    def health(self, joint: str) -> ServoHealth:
        """Ask one servo for its slow readings; a caller asks one a tick, in turn."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the port. Sends nothing: the servos keep their last goal and torque."""
