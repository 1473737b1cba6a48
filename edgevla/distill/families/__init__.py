"""One file for each family's head: how it learns from features, and the graphs and numbers its bundle needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.distill.families.denoised import DiffusionFamily, FlowFamily
from edgevla.distill.families.fast import FastFamily
from edgevla.distill.families.recurrent import RecurrentFamily
from edgevla.distill.families.tokens import OpenVlaFamily, Rt2Family

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgevla.distill.batches import Statistics
    from edgevla.distill.families.base import Family
    from edgevla.distill.features import Features

# The name of a bundle in engines/families/ -> what makes its family from the features and the statistics of the rows.
# The family regression is the student itself.
HEADS: Mapping[str, Callable[[Features, Statistics], Family]] = {
    "recurrent": RecurrentFamily,
    "flow": FlowFamily,
    "diffusion": DiffusionFamily,
    "tokens-openvla": OpenVlaFamily,
    "tokens-rt2": Rt2Family,
    "fast": FastFamily,
}
