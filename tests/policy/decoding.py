"""Bundles for decoder tests: only what a decoder reads of policy.yaml is said."""

from pathlib import Path

import numpy as np

from edgevla.bundle import Action, Bundle, Language, Manifest, Normalisation
from edgevla.policy.decode import decoder_of

UNIT = (-1.0, 1.0)  # bounds whose normalised numbers are the robot's


def bounds(low, high, *, kind="quantiles", mask=(), eps=0.0):
    keys = ("q01", "q99") if kind == "quantiles" else ("min", "max")
    return Normalisation(
        kind=kind, eps=eps, mask=tuple(mask), **dict(zip(keys, (tuple(low), tuple(high)), strict=True))
    )


def spread(mean, std):
    return Normalisation(kind="mean_std", mean=tuple(mean), std=tuple(std))


def bundle_of(family, normalisation, *, horizon=1, folder=Path(), files=(), action=None, **sections):
    count = len(normalisation.mean or normalisation.q01 or normalisation.min)
    names = tuple(f"joint_{number}" for number in range(count))
    said = {"kind": "absolute", "names": names, **(action or {})}
    return Bundle(
        folder,
        Manifest(
            format="edgevla-bundle/1",
            name="tiny",
            family=family,
            graphs={"fp32": "graph.onnx"},
            inputs=(),
            state=spread((0.0,) * count, (1.0,) * count),
            action=Action(
                output="answer", unit="rad", rate_hz=10, horizon=horizon, normalisation=normalisation, **said
            ),
            language=Language(vocabulary="vocabulary.txt", length=4, instructions=("go",)),
            files=dict.fromkeys(files, "0" * 64),
            **sections,
        ),
    )


def decode(bundle, answer, state_rad=None):
    """Decode one output, with the arm at zero unless it is said where it is."""
    state = np.zeros(len(bundle.manifest.action.names)) if state_rad is None else np.asarray(state_rad, float)
    return decoder_of(bundle).decode({"answer": np.asarray(answer)}, state)


def assert_close(found, expected, size, tolerance=1e-6):
    """Within `tolerance` of the value, or of `size` (..., dimensions), the width of its range, where it passes zero."""
    assert found.shape == expected.shape
    worst = (np.abs(found - expected) / np.maximum(np.abs(expected), size)).max()
    assert worst <= tolerance, f"off by {worst:.2e} of the value"
