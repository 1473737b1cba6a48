"""The cameras of robot.yaml. A device is asked what it offers; anything else is opened as the policy opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.doctor.finding import Finding, Level, fail, ok, skip, warn
from edgevla.doctor.ports import in_use
from edgevla.doctor.v4l2 import ask_device
from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.config.robot import Camera
    from edgevla.doctor.machine import Machine
    from edgevla.doctor.v4l2 import Offer

_RATE_TOLERANCE = 0.05  # 29.97 for 30, as edgevla.cameras has it
_MJPG = "MJPG"  # what the runtime asks for first
_SIZES = 8  # in a line


def check_camera(
    machine: Machine,
    camera: Camera,
    look: Callable[[str, int, int], Offer] = ask_device,
    try_out: Callable[[Camera], None] | None = None,
) -> Finding:
    """Whether this camera is there, may be opened, and offers what robot.yaml asks for.

    Args:
        look: asks a device what it offers.
        try_out: opens what is no device and waits for its first picture.
    """
    name = f"camera {camera.name}"
    if not camera.source.startswith("/dev/"):
        return _tried(name, camera, try_out or _first_picture)
    node = machine.node(camera.source)
    if node is None:
        there = machine.names("/dev/video[0-9]*")
        one_of = f"set its source in robot.yaml to one of: {', '.join(there)}"
        return fail(name, f"{camera.source} is not there", one_of if there else "plug it in; ls -l /dev/v4l/by-id")
    if not node.allowed:
        what = f"{camera.source} ({node.owner}:{node.group} {node.mode:o}): {machine.user} may not open it"
        return fail(name, what, f"sudo usermod -aG {node.group} {machine.user}, and log in again")
    device = machine.device(camera.source)
    try:
        offer = look(str(machine.path(device)), camera.width, camera.height)
    except OSError as error:
        return fail(name, f"{device}: {error.strerror}", "choose another source: ls -l /dev/v4l/by-id")
    finding = judge(name, camera, offer)
    holders, _ = machine.holders(device)
    held = in_use(name, holders, f"{offer.card}, {device}")
    return held if held is not None and finding.level is Level.OK else finding


def judge(name: str, camera: Camera, offer: Offer) -> Finding:
    """Compare what a device offers with what robot.yaml asks for."""
    if not offer.captures:
        fix = "use the device beside it: ls -l /dev/v4l/by-id, the link that ends in index0"
        return fail(name, f"{camera.source}, {offer.card}: delivers no pictures", fix)
    size = f"{camera.width}x{camera.height}"
    fitting = [each for each in offer.formats if each.has_wanted]
    if not fitting:
        sizes = sorted({pair for each in offer.formats for pair in each.sizes})
        nearest = min(sizes, key=lambda pair: _distance(pair, camera), default=None)
        listed = ", ".join(f"{width}x{height}" for width, height in sizes[:_SIZES]) or "no size at all"
        more = f" and {len(sizes) - _SIZES} more" if len(sizes) > _SIZES else ""
        fix = f"write width: {nearest[0]}, height: {nearest[1]} in robot.yaml" if nearest else "choose another camera"
        return fail(name, f"{offer.card} offers {listed}{more}; robot.yaml asks for {size}", fix)
    chosen = next((each for each in fitting if each.fourcc == _MJPG), fitting[0])
    if not chosen.rates_hz:
        return ok(name, f"{offer.card}, {size} {chosen.fourcc}; it does not say how fast")
    rates = ", ".join(f"{rate:g}" for rate in chosen.rates_hz)
    found = f"{offer.card}, {size} {chosen.fourcc} at {rates} Hz"
    if any(abs(rate - camera.rate) <= _RATE_TOLERANCE * camera.rate for rate in chosen.rates_hz):
        return ok(name, found)
    nearest_hz = min(chosen.rates_hz, key=lambda rate: abs(rate - camera.rate))
    fix = f"write rate: {nearest_hz:g} Hz in robot.yaml"
    return warn(name, f"{found}; robot.yaml asks for {camera.rate:g} Hz", fix)


def _tried(name: str, camera: Camera, try_out: Callable[[Camera], None]) -> Finding:
    """Open it as the policy does, with all its checks."""
    try:
        try_out(camera)
    except ImportError as error:  # said by the line about OpenCV
        return skip(name, f"not opened: {error}")
    except EdgeVLAError as error:
        return fail(name, error.message, error.fix or f"check {camera.source}")
    return ok(name, f"{camera.source}: a picture of {camera.width}x{camera.height} came")


def _first_picture(camera: Camera) -> None:
    from edgevla.cameras import open_camera

    open_camera(camera).close()


def _distance(size: tuple[int, int], camera: Camera) -> float:
    return abs(size[0] - camera.width) + abs(size[1] - camera.height)
