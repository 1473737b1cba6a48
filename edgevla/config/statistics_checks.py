"""What must hold for the numbers of a `Normalisation`: each kind has its lists, whole, and divides by nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgevla.config.policy import Normalisation
    from edgevla.config.report import KeyPath, Report

LISTS = {"mean_std": ("mean", "std"), "quantiles": ("q01", "q99"), "min_max": ("min", "max")}


def check_statistics(report: Report, path: KeyPath, statistics: Normalisation, names: Sequence[str], of: str) -> None:
    """Check the statistics at `path`.

    Args:
        names: of the dimensions.
        of: where the names stand, for messages.
    """
    wanted = LISTS[statistics.kind]
    for key in (key for keys in LISTS.values() for key in keys):
        numbers = getattr(statistics, key)
        if key in wanted:
            _check_length(report, path, key, numbers, len(names), of)
        elif numbers:
            report.add((*path, key), f'must not be there: the kind "{statistics.kind}" has {" and ".join(wanted)}')
    if statistics.mask:
        _check_length(report, path, "mask", statistics.mask, len(names), of)
    _SPREAD[statistics.kind](report, path, statistics)


def _check_length(report: Report, path: KeyPath, key: str, numbers: Sequence[float], count: int, of: str) -> None:
    if not numbers:
        report.add(path, f'"{key}" is missing; must be a list with a number for each of the {count} {of}')
    elif len(numbers) != count:
        report.refuse((*path, key), f"must have a number for each of the {count} {of}, not {len(numbers)}")


def _check_std(report: Report, path: KeyPath, statistics: Normalisation) -> None:
    for index, std in enumerate(statistics.std):
        if std <= 0 and _counts(statistics, index):
            report.refuse((*path, "std", index), "must be above 0")


def _check_range(report: Report, path: KeyPath, statistics: Normalisation) -> None:
    low_key, high_key = LISTS[statistics.kind]
    pairs = zip(getattr(statistics, low_key), getattr(statistics, high_key), strict=False)
    for index, (low, high) in enumerate(pairs):
        if high <= low and _counts(statistics, index):
            report.refuse((*path, high_key, index), f"must be above {low_key}[{index}], {low:g}")


def _counts(statistics: Normalisation, index: int) -> bool:
    """Whether dimension `index` is scaled at all; a masked one often has statistics that mean nothing."""
    return index >= len(statistics.mask) or statistics.mask[index]


_SPREAD: Mapping[str, Callable[[Report, KeyPath, Normalisation], None]] = {
    "mean_std": _check_std,
    "quantiles": _check_range,
    "min_max": _check_range,
}
