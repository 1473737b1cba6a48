"""The motor buses that robot.yaml can name. Other packages offer theirs as entry points of the same group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.motors.dynamixel_bus import DynamixelBus
from edgevla.motors.feetech_bus import FeetechBus
from edgevla.motors.mcu_bus import McuBus
from edgevla.plugins import find

if TYPE_CHECKING:
    from edgevla.motors.bus import MotorBus

GROUP = "edgevla.motors"
BUSES: dict[str, type[MotorBus]] = {"dynamixel": DynamixelBus, "feetech": FeetechBus, "mcu": McuBus}


def bus_class(name: str) -> type[MotorBus]:
    """Return the bus that robot.yaml calls `name`.

    Raises:
        PluginUnknown, PluginBroken: there is none, or its package fails.
    """
    return find(GROUP, BUSES, name)
