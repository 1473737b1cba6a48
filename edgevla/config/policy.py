"""policy.yaml as types: what a bundle contains and what its numbers mean.

Annotations are not postponed in this file: msgspec reads them.
"""

from typing import Annotated, Literal

import msgspec

from edgevla.config.allowed import Name, Text, matching, within

Sha256 = Annotated[str, matching("[0-9a-f]{64}", "a SHA-256, 64 hexadecimal digits in lower case")]
File = Annotated[str, matching(r"[^/\\\x00]+(?:/[^/\\\x00]+)*", "the name of a file inside the bundle")]
Source = Annotated[
    str, matching("camera:[A-Za-z][A-Za-z0-9_-]*|state|instruction", "camera:NAME, state or instruction")
]
Length = Annotated[int, within(at_least=1, at_most=65536)]


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One input of the graph and what fills it.

    `source`: `camera:<name>` (RGB, float32 NCHW in 0..1), `state` (normalised joint positions) or
    `instruction` (int64 token ids, padded).
    """

    name: Text
    dtype: Literal["float32", "int64"]
    shape: tuple[Length, ...]
    source: Source


class Normalisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Per-dimension statistics; `mean_std`: n = (a - mean) / std."""

    kind: Literal["mean_std"]
    mean: tuple[float, ...]
    std: tuple[Annotated[float, within(above=0)], ...]


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The action space. Row i of a chunk is the setpoint for `t_obs + i / rate_hz`."""

    output: Text  # the graph's output tensor, (1, horizon, len(names))
    names: tuple[Name, ...]
    unit: Literal["rad"]
    kind: Literal["delta", "absolute"]  # delta: relative to the measured position of the observation
    rate_hz: Annotated[float, within(above=0, at_most=500)]
    horizon: Annotated[int, within(at_least=2, at_most=1024)]
    normalisation: Normalisation


class Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Word-level vocabulary: one word a line, line number = id, line 0 is padding. Unknown words are refused."""

    vocabulary: File
    length: Length  # tokens, padded with 0
    instructions: tuple[Text, ...]  # what it was trained on, shown to the operator


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole policy.yaml."""

    format: Literal["edgevla-bundle/1"]
    name: Text
    family: Text  # a decoder known to edgevla.policy.decode, "regression"
    graphs: dict[str, File]  # variant (fp32, int8, int8-cpu) -> file
    inputs: tuple[TensorSpec, ...]
    state: Normalisation
    action: Action
    language: Language
    files: dict[str, Sha256]  # file -> sha256, every file the bundle uses but policy.yaml itself
