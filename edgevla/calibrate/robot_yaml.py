"""New numbers in a robot.yaml that keeps everything else: comments, order, spacing.

Scalars are replaced where they stand in the text; the result is read back and checked before it is shown. Nothing is
written until somebody says so, and the old file stays beside the new one.
"""

from __future__ import annotations

import contextlib
import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.config.convert import convert
from edgevla.config.edit import replace_scalars
from edgevla.config.load import load_robot
from edgevla.config.robot import Robot
from edgevla.config.robot_checks import check_robot
from edgevla.config.source import parse_yaml
from edgevla.files import sync, whole, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edgevla.calibrate.zeroing import Zeroed
    from edgevla.config.edit import Key

_SAME_RAD = math.radians(0.05)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A robot.yaml as it is and as it might be."""

    path: Path
    old: str
    new: str

    @property
    def diff(self) -> str:
        """What would change, as a unified diff; empty for nothing."""
        old, new = self.old.splitlines(keepends=True), self.new.splitlines(keepends=True)
        return "".join(difflib.unified_diff(old, new, str(self.path), f"{self.path} (calibrated)", n=1))

    @property
    def backup(self) -> Path:
        """Where the old file goes."""
        return self.path.with_name(self.path.name + ".before-calibration")

    @contextlib.contextmanager
    def replacing(self) -> Iterator[None]:
        """Replace the file whole once the body has done what goes with it; the old one stays as `backup`.

        That there is room and leave to write is found out before the body runs, which may not be undone so easily.
        """
        with whole(self.path) as draft:
            draft.write_text(self.new, encoding="utf-8")
            sync(draft)
            yield
            write_whole(self.backup, self.path.read_bytes())


def propose(path: Path, joints: Sequence[Zeroed]) -> Proposal:
    """Put the joints' numbers into the text of a robot.yaml.

    Raises:
        ConfigError: the text has no place for one, or a line for each contradiction that they would make.
    """
    old = path.read_text(encoding="utf-8")
    index_of = {joint.name: index for index, joint in enumerate(load_robot(path).joints)}
    changes: dict[Key, str] = {}
    for found in joints:
        at: Key = ("joints", index_of[found.joint.name])
        changes[(*at, "zero_counts")] = str(found.zero_counts)
        changes[(*at, "sign")] = str(found.sign)
        for key, was, becomes in (
            ("position_hard", found.joint.position_hard, found.position_hard_rad),
            ("position_soft", found.joint.position_soft, found.position_soft_rad),
        ):
            for end in (0, 1):
                if abs(was[end] - becomes[end]) > _SAME_RAD:
                    changes[(*at, key, end)] = f"{_inwards(becomes[end], upper=end == 1):g} deg"
    new = replace_scalars(old, changes)
    root = parse_yaml(new, lambda line: f"{path}:{line} (calibrated)")
    check_robot(convert(root, Robot), root)
    return Proposal(path, old, new)


def _inwards(angle_rad: float, *, upper: bool) -> float:
    """Degrees, rounded to a tenth towards the inside of a range."""
    tenths = math.degrees(angle_rad) * 10.0
    return (math.floor(tenths) if upper else math.ceil(tenths)) / 10.0
