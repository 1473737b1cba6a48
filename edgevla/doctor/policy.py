"""The policy of a robot, as `edgevla run` checks it: its files, whether it fits, and the engine that runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.bundle import check_fits, load_manifest
from edgevla.doctor.finding import Finding, fail, ok, skip
from edgevla.engine.cache import EngineCache
from edgevla.engine.signoff import EngineUnverified
from edgevla.engine.verified import REFERENCE, fingerprints, graphs, require_verified
from edgevla.errors import EdgeVLAError
from edgevla.policy.decode.fused import decoding_of
from edgevla.runtime.wiring import bundle_folder, open_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.bundle import Bundle
    from edgevla.config.robot import Robot


def check_policy(robot_yaml: Path, robot: Robot, variant: str, engine: str) -> list[Finding]:
    """The bundle, its fit, the workspace and the engine; what needs a sound bundle is left out without one."""
    found = [_workspace(robot_yaml, robot)]
    try:
        bundle = load_manifest(bundle_folder(robot_yaml, robot))
        check_fits(bundle, robot)
    except EdgeVLAError as error:
        return [*found, failure("bundle", error, f"edgevla inspect {robot_yaml}")]
    manifest = bundle.manifest
    found.append(ok("bundle", f"{manifest.name} ({manifest.family}), {len(manifest.files)} files as policy.yaml says"))
    return [*found, *_engine(robot_yaml, bundle, variant, engine)]


def failure(name: str, error: EdgeVLAError, otherwise: str) -> Finding:
    """What an error says, as a finding."""
    return fail(name, error.message, error.fix or otherwise)


def _workspace(robot_yaml: Path, robot: Robot) -> Finding:
    name = "workspace"
    if robot.workspace is None:
        return skip(name, "robot.yaml has none: links are not kept clear of anything")
    try:
        open_workspace(robot_yaml, robot)
    except ImportError as error:
        return fail(name, f"needs {error.name}", "see the line about that package")
    except EdgeVLAError as error:
        return failure(name, error, f"check workspace in {robot_yaml}")
    return ok(name, f"{robot.workspace.model} fits")


def _engine(robot_yaml: Path, bundle: Bundle, variant: str, engine: str) -> list[Finding]:
    """Is it built, for this machine as it is now, and has somebody verified it."""
    name = f"engine {variant} on {engine}"
    build = f"edgevla build {robot_yaml} --target gpu --variant {variant}"
    try:
        decoding = decoding_of(bundle.manifest) if engine == "tensorrt" else None
        prints = fingerprints(graphs(bundle, variant), engine, decoding)
        if engine == "tensorrt":
            cache = EngineCache()
            missing = [each for each in prints if cache.find(each) is None]
            if missing:
                before = cache.others(missing[0].graph)
                changed = f": {missing[0].differences(before[-1])}" if before else ""
                what = "was built for something else" if before else "is not built"
                return [fail(name, f"{what}{changed} (cache {cache.root})", build)]
        require_verified(bundle, variant, engine, decoding=decoding)
    except ImportError as error:
        return [fail(name, f"needs {error.name}", "see the line about that package")]
    except EngineUnverified as error:
        verify = f"edgevla verify {robot_yaml} --variant {variant} --target {engine} --observations HELD_OUT_SET"
        return [fail(name, error.message, verify)]
    except EdgeVLAError as error:
        return [failure(name, error, build)]
    device = f"{prints[0].runtime}, {prints[0].device}"
    if (variant, engine) == REFERENCE:
        return [ok(name, f"{device}; it is what others are verified against")]
    return [ok(name, f"{device}; verified on this machine")]
