"""One file a policy family: network output to joint setpoints, with a validity flag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.plugins import find
from edgevla.policy.decode.denoised import DenoisedDecoder
from edgevla.policy.decode.fast import FastDecoder
from edgevla.policy.decode.recurrent import RecurrentDecoder
from edgevla.policy.decode.regression import RegressionDecoder
from edgevla.policy.decode.tokens import TokensDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgevla.bundle import Bundle
    from edgevla.policy.decode.base import Decoder

FAMILIES: Mapping[str, Callable[[Bundle], Decoder]] = {
    "regression": RegressionDecoder,
    "tokens": TokensDecoder,
    "fast": FastDecoder,
    "recurrent": RecurrentDecoder,
    "diffusion": lambda bundle: DenoisedDecoder(bundle.manifest),
    "flow": lambda bundle: DenoisedDecoder(bundle.manifest),
}


def decoder_of(bundle: Bundle) -> Decoder:
    """Return the decoder of the bundle's family; other packages add families by the group `edgevla.decoders`.

    Raises:
        PluginUnknown: no such family.
        BundleError: a file that the decoder reads is not what it should be.
    """
    return find("edgevla.decoders", FAMILIES, bundle.manifest.family)(bundle)
