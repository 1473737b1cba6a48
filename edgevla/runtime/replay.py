"""`edgevla replay`: what was recorded goes through a policy once more, without a robot, and the answers are compared.

With the bundle, variant and engine of the recording the same actions come out; with others their difference does. A
policy that remembers gets everything it remembered: the same order, the same resets, the same readings of its clock.
"""

from __future__ import annotations

import tempfile
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edgevla.config.load import load_robot
from edgevla.config.policy_checks import MANIFEST
from edgevla.messages import Chunk, Observation
from edgevla.policy.loading import load_policy
from edgevla.runtime.homing import HOME_INSTRUCTION
from edgevla.runtime.recording.log import LogError, find_logs, read, runs
from edgevla.runtime.recording.pictures import PictureError, decode
from edgevla.runtime.recording.wire import Observed
from edgevla.runtime.report import envelope, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from edgevla.config.robot import Robot
    from edgevla.policy.policy import Policy
    from edgevla.runtime.recording.log import LogFile


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What to replay, and what with. Empty: as it was recorded.

    Args:
        logs: files, or folders of them.
        bundle: a bundle's folder.
        variant: which graph of it.
        engine: what runs it.
        tolerance_rad: the largest difference of any joint in any row of any chunk that is none.
    """

    logs: Sequence[Path]
    bundle: Path | None
    variant: str
    engine: str
    tolerance_rad: float


class ToldClock:
    """A clock that says what another one said."""

    def __init__(self) -> None:
        self._readings: deque[float] = deque([0.0])

    def tell(self, readings: Iterable[float]) -> None:
        """Say these from now on, and the last of them for ever."""
        self._readings = deque(readings)

    def __call__(self) -> float:
        """The next reading, s."""
        return self._readings.popleft() if len(self._readings) > 1 else self._readings[0]


def replay(options: ReplayOptions, progress: Callable[[int], None]) -> dict[str, Any]:
    """Run every recorded observation through a policy, in order, and report how far its chunks are from those recorded.

    Args:
        progress: called with how many observations are done.

    Raises:
        LogError: there is no recording, or nothing in it to compare.
        BundleError, EngineError: the policy cannot be loaded, or does not fit the recorded robot.
    """
    started = now()
    logs = find_logs(options.logs)
    facts = _same_robot(logs)
    bundle = options.bundle or _recorded_bundle(logs[0])
    variant, engine = options.variant or facts["variant"], options.engine or facts["engine"]
    clock = ToldClock()
    robot = recorded_robot(facts)
    model = Path(facts["model"]) if facts["model"] else None
    policy = load_policy(bundle, variant, robot, target=engine, model=model, clock=clock)
    try:
        comparison = _Comparison(policy, clock)
        for run in runs(logs):
            comparison.run(run, progress)
    finally:
        policy.engine.close()
    results = comparison.results(robot.joint_names, options.tolerance_rad)
    recorded = {key: facts[key] for key in ("variant", "engine", "version", "git")}
    same = (bundle / MANIFEST).read_text(encoding="utf-8") == facts["policy.yaml"]
    about = {"bundle": str(bundle), "variant": variant, "engine": engine, "recorded": recorded, "same_bundle": same}
    return envelope("replay", started, {"logs": [str(log.path) for log in logs], **about, **results})


def recorded_robot(facts: Mapping[str, str]) -> Robot:
    """The robot.yaml that a recording carries, with the overrides it ran with.

    Raises:
        ConfigError: this version cannot read it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "robot.yaml"
        path.write_text(facts["robot.yaml"], encoding="utf-8")
        return load_robot(path, msgspec.json.decode(facts["overrides"], type=dict[str, str]))


def _same_robot(logs: Sequence[LogFile]) -> Mapping[str, str]:
    """The facts that all recordings share, of the first.

    Raises:
        LogError: they do not; the message names two files.
    """
    first = logs[0]
    for log in logs[1:]:
        for key in ("robot.yaml", "overrides", "policy.yaml", "variant", "engine"):
            if log.facts[key] != first.facts[key]:
                raise LogError(
                    f"{log.path}: was recorded with another {key} than {first.path}", fix="replay them one by one"
                )
    return first.facts


def _recorded_bundle(log: LogFile) -> Path:
    bundle = Path(log.facts["bundle"])
    if not bundle.is_dir():
        raise LogError(f"{log.path}: its bundle was {bundle}, which is not here", fix="name one with --bundle")
    return bundle


class _Comparison:
    """A policy beside the recorded chunks."""

    def __init__(self, policy: Policy, clock: ToldClock) -> None:
        self._policy = policy
        self._clock = clock
        manifest = policy.manifest
        self._remembers = manifest.recurrent is not None or manifest.execution.kind != "latest"
        self._differences_rad: list[NDArray[np.float64]] = []
        self._counts: Counter[str] = Counter()
        self._disagreements: list[str] = []

    def run(self, logs: Sequence[LogFile], progress: Callable[[int], None]) -> None:
        """Replay the files of one start of the robot.

        Where an observation is missing, a policy that remembers remembers something else from there on, up to where it
        was told to forget; those chunks are counted, not compared.
        """
        chunks: dict[int, Chunk] = {}
        adrift, before = self._remembers, 0
        self._policy.reset()
        for record in read(logs):
            if isinstance(record, Chunk):
                chunks[record.seq] = record
                continue
            if not isinstance(record, Observed):
                continue
            recorded = chunks.pop(record.seq, None)
            adrift = not record.fresh and (adrift or (self._remembers and record.seq != before + 1))
            before = record.seq
            if record.fresh:
                self._policy.reset()
            if not record.instruction or (recorded is not None and recorded.instruction == HOME_INSTRUCTION):
                self._counts["homing"] += 1
                continue
            chunk = self._act(record, logs[0].path)
            self._counts["observations"] += 1
            progress(self._counts["observations"])
            if adrift:
                self._counts["adrift"] += 1
            elif recorded is None:
                self._counts["without_chunk"] += 1
            else:
                self._compare(recorded, chunk)
        homing = sum(chunk.instruction == HOME_INSTRUCTION for chunk in chunks.values())
        self._counts["without_observation"] += len(chunks) - homing

    def _act(self, observed: Observed, path: Path) -> Chunk:
        try:
            images = {picture.camera: decode(picture.data) for picture in observed.pictures}
        except PictureError as error:
            raise LogError(f"{path}: observation {observed.seq}: {error}") from None
        self._counts["jpeg"] += any(picture.format == "jpeg" for picture in observed.pictures)
        self._clock.tell(observed.clock_s or (observed.t_obs_s,))
        state_rad = np.array(observed.state_rad)
        return self._policy.act(Observation(observed.t_obs_s, images, state_rad, observed.instruction), observed.seq)

    def _compare(self, recorded: Chunk, replayed: Chunk) -> None:
        self._counts["compared"] += 1
        said = [(chunk.valid, chunk.done, len(chunk.actions_rad)) for chunk in (recorded, replayed)]
        if said[0] != said[1]:
            self._disagreements.append(f"chunk {recorded.seq}: recorded {_says(recorded)}, replayed {_says(replayed)}")
        elif recorded.valid:
            difference = np.abs(np.array(replayed.actions_rad) - np.array(recorded.actions_rad))
            self._differences_rad.append(difference)

    def results(self, joints: Sequence[str], tolerance_rad: float) -> dict[str, Any]:
        """The figures, by joint over every row of every chunk.

        Raises:
            LogError: nothing was compared.
        """
        counted = ("observations", "compared", "adrift", "homing", "without_chunk", "without_observation", "jpeg")
        counts = {name: self._counts[name] for name in counted}
        if not counts["compared"]:
            raise LogError(f"nothing to compare: {', '.join(f'{count} {name}' for name, count in counts.items())}")
        rows_rad = np.concatenate(self._differences_rad or [np.zeros((1, len(joints)))])
        worst_rad = float(rows_rad.max())
        return {
            **counts,
            "disagreements": self._disagreements,
            "joints": [_figures(name, column) for name, column in zip(joints, rows_rad.T, strict=True)],
            "worst_rad": worst_rad,
            "tolerance_rad": tolerance_rad,
            "passed": not self._disagreements and worst_rad <= tolerance_rad,
        }


def _figures(name: str, differences_rad: NDArray[np.float64]) -> dict[str, Any]:
    mean, p99, worst = differences_rad.mean(), np.percentile(differences_rad, 99), differences_rad.max()
    return {"name": name, "unit": "rad", "mean": float(mean), "p99": float(p99), "worst": float(worst)}


def _says(chunk: Chunk) -> str:
    if not chunk.valid:
        return f"invalid ({chunk.reason})"
    return f"{len(chunk.actions_rad)} rows{', done' if chunk.done else ''}"
