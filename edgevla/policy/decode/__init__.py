"""One file a policy family: network output to joint setpoints, with a validity flag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.plugins import find
from edgevla.policy.decode.regression import RegressionDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgevla.bundle import Manifest
    from edgevla.policy.decode.base import Decoder

FAMILIES: Mapping[str, Callable[[Manifest], Decoder]] = {"regression": RegressionDecoder}


def decoder_of(manifest: Manifest) -> Decoder:
    """Return the decoder of the manifest's family; other packages add families by the group `edgevla.decoders`.

    Raises:
        PluginUnknown: no such family.
    """
    return find("edgevla.decoders", FAMILIES, manifest.family)(manifest)
