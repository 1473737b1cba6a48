"""The flow and diffusion families: what the denoising ends in are normalised numbers of the chunk, all in range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgevla.policy.decode.base import Decoded, Invalid, Setpoints, read_finite

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from edgevla.bundle import Manifest


class DenoisedDecoder:
    """Un-normalises the last sample; the loop that leads to it is `edgevla.policy.iterate`."""

    def __init__(self, manifest: Manifest) -> None:
        action = manifest.action
        self._output, self._shape = action.output, (1, action.horizon, len(action.names))
        self._setpoints = Setpoints(manifest)

    def decode(self, outputs: Mapping[str, NDArray[Any]], state_rad: NDArray[np.float64]) -> Decoded:
        """Decode the (1, horizon, dimensions) output, see `Decoder.decode`."""
        try:
            if (decoded := self._setpoints.decoded(outputs, state_rad)) is not None:
                return decoded
            return self._setpoints(read_finite(outputs, self._output, self._shape)[0], state_rad)
        except Invalid as invalid:
            return Decoded.invalid(str(invalid))
