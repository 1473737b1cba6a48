import math

import pytest

from edgevla.config.robot import Joint
from edgevla.config.units import AccelerationRadS2, AngleRad, JerkRadS3, SpeedRadS


def joint(name="pan", device=1, **changes):
    fields = {
        "name": name,
        "id": device,
        "zero_counts": 2048,
        "sign": 1,
        "position_hard": (AngleRad(-1.8), AngleRad(1.8)),
        "position_soft": (AngleRad(-1.5), AngleRad(1.5)),
        "velocity": SpeedRadS(2.0),
        "acceleration": AccelerationRadS2(20.0),
        "jerk": JerkRadS3(600.0),
        "tracking": AngleRad(math.radians(25.0)),
        "home": AngleRad(0.0),
    }
    return Joint(**{**fields, **changes})


@pytest.fixture
def joints():
    return (joint("pan", 1), joint("lift", 2))
