"""`Limits` shapes: whatever plan comes in, the setpoint that goes out obeys the envelope and can always stop.

Rule 3 of DESIGN.md. Finite check first; then the lead over the measured position; then position, velocity,
acceleration and jerk, by control/motion.py. The seam between two chunks is just another change of the plan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.control.motion import (
    Motion,
    MotionLimits,
    acceleration_towards,
    advance,
    approach_velocity,
    next_acceleration,
    stopping_acceleration,
)
from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.config.robot import Joint
    from edgevla.control.workspace import Workspace

_LEADS = 0.9  # of `tracking`: a setpoint that far ahead is being held back by it
CHANGED_RAD = math.radians(1.0)  # a setpoint this far from the plan counts as changed by the bounds


class StartRefused(EdgeVLAError):
    """The arm stands where the envelope does not allow it to be armed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the plan asks of the joints for this tick: positions in rad and their rate of change in rad/s."""

    position_rad: tuple[float, ...]
    velocity_rad_s: tuple[float, ...]

    @property
    def finite(self) -> bool:
        """Whether every number is one."""
        return all(map(math.isfinite, self.position_rad)) and all(map(math.isfinite, self.velocity_rad_s))


@dataclass(frozen=True, slots=True)
class Shaped:
    """What came out: the setpoint, and what the bounds changed about the wish."""

    position_rad: tuple[float, ...]
    limited: bool = False
    refused: bool = False  # the wish was not finite or of the wrong length; the joints brake instead
    changed: tuple[bool, ...] = ()  # for each joint, whether the setpoint is not what was asked for
    pulled: tuple[str, ...] = ()  # joints that are asked to lead by more than `tracking`, and already lead by as much
    fenced: str = ""  # the border of the workspace that the arm brakes in front of


class Limits:
    """The state of all joints' setpoints. `start` it where the arm stands, then `follow` or `brake` once a tick.

    Args:
        joints: the envelope, from robot.yaml.
        dt_s: the tick's period. A late tick still moves by one period only: slower, never farther.
        workspace: where links and tool may be; None where robot.yaml has none.
    """

    def __init__(self, joints: Sequence[Joint], dt_s: float, workspace: Workspace | None = None) -> None:
        self._workspace = workspace
        self._joints = tuple(joints)
        self._dt_s = dt_s
        self._limits = tuple(_motion_limits(joint) for joint in joints)
        self._motions = tuple(Motion(0.0) for _ in joints)

    @property
    def position_rad(self) -> tuple[float, ...]:
        """The current setpoint."""
        return tuple(motion.position_rad for motion in self._motions)

    @property
    def standing(self) -> bool:
        """Whether every setpoint stands still."""
        return all(motion.standing for motion in self._motions)

    def check_start(self, measured_rad: Sequence[float]) -> None:
        """Whether `start` may take over an arm that stands here.

        Raises:
            StartRefused: a position is not finite or outside the hard limits, or the arm stands outside its workspace.
        """
        for joint, position_rad in zip(self._joints, measured_rad, strict=True):
            lower_rad, upper_rad = joint.position_hard
            if not (math.isfinite(position_rad) and lower_rad <= position_rad <= upper_rad):
                raise StartRefused(
                    f"{joint.name} stands at {math.degrees(position_rad):.1f} deg, outside position_hard "
                    f"[{math.degrees(lower_rad):.1f}, {math.degrees(upper_rad):.1f}] deg",
                    fix="move the joint by hand into its range, or correct zero_counts in robot.yaml",
                )
        border = self._workspace.trespass(measured_rad) if self._workspace is not None else ""
        if border:
            raise StartRefused(f"the arm stands outside its workspace: {border}", fix="move it by hand into the free")

    def start(self, measured_rad: Sequence[float]) -> None:
        """Take over where the arm is, which `check_start` has found allowed.

        A joint beyond its soft limit may start: its own limit widens to where it stands, so it can only move inwards.
        """
        self._limits = tuple(
            limits._replace(
                lower_rad=min(limits.lower_rad, position_rad), upper_rad=max(limits.upper_rad, position_rad)
            )
            for limits, position_rad in zip(map(_motion_limits, self._joints), measured_rad, strict=True)
        )
        self._motions = tuple(Motion(position_rad) for position_rad in measured_rad)

    def brake(self) -> Shaped:
        """One tick of a controlled stop; at standstill it holds."""
        self._motions = self._braked(self._motions)
        return Shaped(self.position_rad)

    def follow(self, wanted: Wanted, measured_rad: Sequence[float]) -> Shaped:
        """One tick towards the plan, as far as the envelope allows.

        The wish is first pulled to within `tracking` of the measured position, so a stuck joint is not wound up.
        """
        sizes = {len(wanted.position_rad), len(wanted.velocity_rad_s), len(measured_rad), len(self._joints)}
        if len(sizes) != 1 or not wanted.finite or not all(map(math.isfinite, measured_rad)):
            return Shaped(self.brake().position_rad, limited=True, refused=True)
        goals = tuple(
            map(self._goal_velocity, range(len(self._joints)), wanted.position_rad, wanted.velocity_rad_s, measured_rad)
        )
        if self._workspace is not None:
            share = self._workspace.speed_share(self.position_rad, goals)
            goals = tuple(goal_rad_s * share for goal_rad_s in goals)
        motions = tuple(map(self._towards, self._motions, goals, self._limits))
        fenced = self._border_ahead(motions)
        self._motions = self._braked(self._motions) if fenced else motions
        self._narrow()
        changed = tuple(
            abs(motion.position_rad - position_rad) > CHANGED_RAD
            for motion, position_rad in zip(self._motions, wanted.position_rad, strict=True)
        )
        pulled = tuple(
            joint.name
            for joint, wish_rad, motion, at_rad in zip(
                self._joints, wanted.position_rad, self._motions, measured_rad, strict=True
            )
            if abs(wish_rad - at_rad) > joint.tracking and abs(motion.position_rad - at_rad) > _LEADS * joint.tracking
        )
        return Shaped(self.position_rad, limited=any(changed), changed=changed, pulled=pulled, fenced=fenced)

    def _goal_velocity(self, index: int, wish_rad: float, wish_rad_s: float, measured_rad: float) -> float:
        """How fast a joint should move to be where the plan wants it, in rad/s."""
        motion, limits, lead_rad = self._motions[index], self._limits[index], self._joints[index].tracking
        goal_rad = min(measured_rad + lead_rad, max(measured_rad - lead_rad, wish_rad))
        goal_rad = min(limits.upper_rad, max(limits.lower_rad, goal_rad))
        goal_rad_s = wish_rad_s if goal_rad == wish_rad else 0.0
        error_rad = goal_rad - (motion.position_rad + goal_rad_s * self._dt_s)
        velocity_rad_s = goal_rad_s + approach_velocity(error_rad, limits, self._dt_s)
        return min(limits.velocity_rad_s, max(-limits.velocity_rad_s, velocity_rad_s))

    def _towards(self, motion: Motion, goal_rad_s: float, limits: MotionLimits) -> Motion:
        wanted_rad_s2 = acceleration_towards(motion, goal_rad_s, limits, self._dt_s)
        return advance(motion, next_acceleration(motion, wanted_rad_s2, limits, self._dt_s), self._dt_s)

    def _braked(self, motions: tuple[Motion, ...]) -> tuple[Motion, ...]:
        return tuple(
            advance(motion, stopping_acceleration(motion, limits, self._dt_s), self._dt_s)
            for motion, limits in zip(motions, self._limits, strict=True)
        )

    def _border_ahead(self, motions: tuple[Motion, ...]) -> str:
        """The border that braking from here would cross, the tool's speed included.

        Every pose of the way to standstill is looked at, because any of them may be the next one taken.
        """
        if self._workspace is None:
            return ""
        tool_m = self._workspace.tool_m(self.position_rad)
        while True:
            position_rad = [motion.position_rad for motion in motions]
            before_m, tool_m = tool_m, self._workspace.tool_m(position_rad)
            speed_m_s = math.dist(before_m, tool_m) / self._dt_s
            border = self._workspace.speeding(speed_m_s) or self._workspace.trespass(position_rad)
            if border or all(motion.standing for motion in motions):
                return border
            motions = self._braked(motions)

    def _narrow(self) -> None:
        """Take back what `start` widened, as far as the joint has moved inwards."""
        self._limits = tuple(
            limits._replace(
                lower_rad=max(limits.lower_rad, min(float(joint.position_soft[0]), motion.position_rad)),
                upper_rad=min(limits.upper_rad, max(float(joint.position_soft[1]), motion.position_rad)),
            )
            for motion, limits, joint in zip(self._motions, self._limits, self._joints, strict=True)
        )


def _motion_limits(joint: Joint) -> MotionLimits:
    return MotionLimits(
        lower_rad=float(joint.position_soft[0]),
        upper_rad=float(joint.position_soft[1]),
        velocity_rad_s=float(joint.velocity),
        acceleration_rad_s2=float(joint.acceleration),
        jerk_rad_s3=float(joint.jerk),
    )
