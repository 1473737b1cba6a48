"""One joint, one tick at a time: jerk-limited motion that can always stop.

Everything is discrete, with semi-implicit steps, so that what a checker sees as finite differences of the setpoints
is exactly what is bounded here:

    a' in [a - J dt, a + J dt] and [-A, A];  v' = v + a' dt;  p' = p + v' dt

`stopping_acceleration` is the backup plan. A state is *stoppable* when following the backup plan from it keeps
position and velocity inside their limits until standstill. `next_acceleration` only ever picks an acceleration that
leads to a stoppable state; the backup plan's own first step leads to one by construction, so from a stoppable start
the guarantee holds for ever, whatever is asked for.
"""

from __future__ import annotations

import math
from typing import NamedTuple

STANDSTILL_RAD_S = 1e-9
_BISECTIONS = 6
# How fast a small distance is closed. Faster looks better on paper and rings: a seam jump is answered with full
# acceleration, and against a policy that plans from the measured position the whole loop starts to swing.
_CLOSING_PER_S = 10.0


class MotionLimits(NamedTuple):
    """What one joint may do, in rad, s and their derivatives."""

    lower_rad: float
    upper_rad: float
    velocity_rad_s: float
    acceleration_rad_s2: float
    jerk_rad_s3: float


class Motion(NamedTuple):
    """Position, velocity and acceleration of a setpoint."""

    position_rad: float
    velocity_rad_s: float = 0.0
    acceleration_rad_s2: float = 0.0

    @property
    def standing(self) -> bool:
        """Neither moving nor about to."""
        return abs(self.velocity_rad_s) < STANDSTILL_RAD_S and abs(self.acceleration_rad_s2) < STANDSTILL_RAD_S


def advance(motion: Motion, acceleration_rad_s2: float, dt_s: float) -> Motion:
    """The state one tick later under this acceleration."""
    velocity_rad_s = motion.velocity_rad_s + acceleration_rad_s2 * dt_s
    return Motion(motion.position_rad + velocity_rad_s * dt_s, velocity_rad_s, acceleration_rad_s2)


def acceleration_towards(motion: Motion, velocity_goal_rad_s: float, limits: MotionLimits, dt_s: float) -> float:
    """The acceleration for the next tick that reaches the goal velocity soonest and arrives with none left.

    With D = J dt, starting at a' and giving back D a tick adds a' + (a' - D) + ... to v / dt. Solving that sum for
    the velocity still missing, S = |goal - v| / dt, gives a' = m D + r with m the largest integer for which
    D m (m + 1) / 2 <= S, and r the rest shared among the m + 1 ticks. Then the jerk and acceleration limits apply.
    """
    ramp_rad_s2 = limits.jerk_rad_s3 * dt_s
    missing_rad_s = velocity_goal_rad_s - motion.velocity_rad_s
    total_rad_s2 = abs(missing_rad_s) / dt_s
    ticks = math.floor((math.sqrt(1.0 + 8.0 * total_rad_s2 / ramp_rad_s2) - 1.0) / 2.0)
    rest_rad_s2 = (total_rad_s2 - ramp_rad_s2 * ticks * (ticks + 1) / 2.0) / (ticks + 1)
    wanted_rad_s2 = math.copysign(ticks * ramp_rad_s2 + rest_rad_s2, missing_rad_s)
    return clamp_acceleration(motion, wanted_rad_s2, limits, dt_s)


def clamp_acceleration(motion: Motion, wanted_rad_s2: float, limits: MotionLimits, dt_s: float) -> float:
    """The nearest acceleration that jerk and acceleration limits allow for the next tick."""
    ramp_rad_s2 = limits.jerk_rad_s3 * dt_s
    low = max(-limits.acceleration_rad_s2, motion.acceleration_rad_s2 - ramp_rad_s2)
    high = min(limits.acceleration_rad_s2, motion.acceleration_rad_s2 + ramp_rad_s2)
    return min(high, max(low, wanted_rad_s2))


def stopping_acceleration(motion: Motion, limits: MotionLimits, dt_s: float) -> float:
    """The first step of the backup plan: come to standstill as soon as jerk and acceleration allow."""
    return acceleration_towards(motion, 0.0, limits, dt_s)


def stoppable(motion: Motion, limits: MotionLimits, dt_s: float) -> bool:
    """Whether the backup plan from here stays inside position and velocity until standstill."""
    while True:
        if not (
            limits.lower_rad <= motion.position_rad <= limits.upper_rad
            and abs(motion.velocity_rad_s) <= limits.velocity_rad_s
        ):
            return False
        if motion.standing:
            return True
        motion = advance(motion, stopping_acceleration(motion, limits, dt_s), dt_s)


def next_acceleration(motion: Motion, wanted_rad_s2: float, limits: MotionLimits, dt_s: float) -> float:
    """The acceleration nearest to the wanted one that keeps the joint stoppable.

    From a state that is not stoppable (a caller's mistake) it is the backup plan's step: the least bad there is.
    """
    wanted_rad_s2 = clamp_acceleration(motion, wanted_rad_s2, limits, dt_s)
    if stoppable(advance(motion, wanted_rad_s2, dt_s), limits, dt_s):
        return wanted_rad_s2
    safe_rad_s2 = stopping_acceleration(motion, limits, dt_s)
    for _ in range(_BISECTIONS):
        middle_rad_s2 = 0.5 * (safe_rad_s2 + wanted_rad_s2)
        if stoppable(advance(motion, middle_rad_s2, dt_s), limits, dt_s):
            safe_rad_s2 = middle_rad_s2
        else:
            wanted_rad_s2 = middle_rad_s2
    return safe_rad_s2


def approach_velocity(distance_rad: float, limits: MotionLimits, dt_s: float) -> float:
    """How fast to close a distance and still stop at its end, in rad/s.

    Continuous-time stopping distance from v at a = 0: v^1.5 / sqrt(J) while A is not reached, else
    v / 2 (v / A + A / J); solved for v. Close by, a fixed share of the distance a second.
    """
    distance = abs(distance_rad)
    accel, jerk = limits.acceleration_rad_s2, limits.jerk_rad_s3
    if distance < accel**3 / jerk**2:
        speed = (distance * distance * jerk) ** (1.0 / 3.0)
    else:
        lag_s = accel / jerk
        speed = accel * (math.sqrt(lag_s * lag_s + 8.0 * distance / accel) - lag_s) / 2.0
    closing = distance * min(_CLOSING_PER_S, 0.5 / dt_s)
    return math.copysign(min(speed, closing, limits.velocity_rad_s), distance_rad)
