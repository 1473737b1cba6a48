"""From a stream of observations to a calibration set on disk: check, choose, write; safe to end at any moment."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from edgevla.calibrate.checks import Checks
from edgevla.calibrate.errors import CalibrationError
from edgevla.calibrate.features import Features
from edgevla.calibrate.in_order import InOrder
from edgevla.calibrate.subset import Spread
from edgevla.calibration_set import (
    MANIFEST,
    CalibrationSet,
    Resolution,
    SetItem,
    SetManifest,
    check_set_fits,
    inputs_sha256,
    load_set,
    save_item,
    save_manifest,
)
from edgevla.policy.preprocess import cameras_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgevla.bundle import Bundle
    from edgevla.messages import Observation

Source = Literal["robot", "simulated", "recorded"]


@dataclass(frozen=True, slots=True)
class Offered:
    """What became of one observation. `refused`: why it must not be used; a good one may still add nothing."""

    kept: bool
    refused: str = ""


class Collector:
    """Keeps the observations that differ most, at most `keep` of them; for a policy that remembers, the first ones.

    Everything on disk is a whole set after every call. A set that is there already, of the same bundle, source and
    cameras, goes on growing.

    Args:
        folder: where the set lies; made if it is not there.
        bundle: what the set is for.
        cameras: size of each camera's pictures; those that the bundle does not look through are left out.
        source: where observations come from.
        keep: the size that the set shall have.
        started: the wall clock, for the manifest.

    Raises:
        CalibrationError: a camera is missing; the folder holds something else; its set has another source or other
            camera sizes, or is larger.
        CalibrationSetError: the set in it was taken for other inputs, or is damaged.
    """

    def __init__(
        self,
        folder: Path,
        bundle: Bundle,
        cameras: Mapping[str, Resolution],
        source: Source,
        keep: int,
        started: str,
    ) -> None:
        missing = [name for name in cameras_of(bundle.manifest) if name not in cameras]
        if missing:
            there = ", ".join(cameras) or "none"
            raise CalibrationError(f"{bundle.folder} looks through camera {missing[0]}; there are: {there}")
        looked_through = {name: cameras[name] for name in cameras_of(bundle.manifest)}
        joints = bundle.manifest.joints
        self._folder = folder
        self._features = Features(tuple(looked_through), len(joints), bundle.manifest.language.instructions)
        self._checks = Checks(looked_through, len(joints))
        remembers = bundle.manifest.recurrent is not None
        self._choice = InOrder(keep) if remembers else Spread(keep, self._features.width)
        self._items: list[SetItem] = []
        self._manifest = SetManifest(
            bundle=bundle.manifest.name,
            inputs_sha256=inputs_sha256(bundle.manifest),
            source=source,
            started=started,
            joints=joints,
            cameras=looked_through,
        )
        self._refused: Counter[str] = Counter()
        self._seen = 0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / MANIFEST).exists():
            self._take_up(load_set(folder), bundle, keep)
        elif any(folder.iterdir()):
            raise CalibrationError(f"{folder}: is not empty and holds no {MANIFEST}", fix="choose another folder")
        self._next = 1 + max((_number(item) for item in self._items), default=-1)
        self.save()
        self._sweep()

    @property
    def kept(self) -> int:
        """How many observations the set holds."""
        return len(self._items)

    @property
    def seen(self) -> int:
        """How many were offered, earlier runs included."""
        return self._seen

    @property
    def refused(self) -> Mapping[str, int]:
        """How many were refused, by reason."""
        return self._refused

    def begin_episode(self) -> None:
        """What is offered next has nothing to do with what was offered before."""
        self._checks.begin_episode()

    def offer(self, observation: Observation) -> Offered:
        """Check one observation and keep it if it adds to the set."""
        self._seen += 1
        refused = self._checks.refusal(observation)
        if refused:
            self._refused[refused] += 1
            return Offered(False, refused)
        place = self._choice.offer(self._features(observation))
        if place is None:
            return Offered(False)
        images = {name: observation.images[name] for name in self._manifest.cameras}
        item = save_item(self._folder, self._next, dataclasses.replace(observation, images=images))
        self._next += 1
        replaced = self._items[place] if place < len(self._items) else None
        self._items[place : place + 1] = [item]
        self.save()
        if replaced is not None:
            (self._folder / replaced.file).unlink(missing_ok=True)
        return Offered(True)

    def save(self) -> None:
        """Write the manifest: what counts as the set from now on."""
        items = tuple(sorted(self._items, key=_number))
        refused = dict(sorted(self._refused.items()))
        save_manifest(
            self._folder,
            msgspec.structs.replace(self._manifest, seen=self._seen, refused=refused, items=items),
        )

    def _take_up(self, found: CalibrationSet, bundle: Bundle, keep: int) -> None:
        """Go on with a set that an earlier run began."""
        check_set_fits(found, bundle)
        old, new = found.manifest, self._manifest
        for what, here, there in (
            ("source", old.source, new.source),
            ("cameras", _sizes(old.cameras), _sizes(new.cameras)),
        ):
            if here != there:
                fix = "choose another folder for --out"
                raise CalibrationError(f"{self._folder}: its {what} is {here}, not {there}", fix=fix)
        if len(found) > keep:
            fix = f"--keep {len(found)} or more, or another folder for --out"
            raise CalibrationError(f"{self._folder}: holds {len(found)} observations, more than {keep}", fix=fix)
        for item, observation in zip(old.items, found, strict=True):
            if self._choice.offer(self._features(observation)) is not None:
                self._items.append(item)
        self._manifest = msgspec.structs.replace(new, started=old.started)
        self._seen, self._refused = old.seen, Counter(old.refused)

    def _sweep(self) -> None:
        """Remove what the manifest on disk does not name: written just before an interruption, or a copy."""
        named = {item.file for item in self._items}
        for path in self._folder.glob("item-*.npz"):
            if path.name not in named:
                path.unlink()


def _number(item: SetItem) -> int:
    """The number in an item's file name: the order in which items were taken."""
    return int(item.file.removeprefix("item-").removesuffix(".npz"))


def _sizes(cameras: Mapping[str, Resolution]) -> str:
    return ", ".join(f"{name} {size.width}x{size.height}" for name, size in cameras.items()) or "none"
