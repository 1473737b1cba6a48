"""policy.yaml as types: what a bundle contains and what its numbers mean.

Annotations are not postponed in this file: msgspec reads them.
"""

from typing import Annotated, Literal

import msgspec

from edgevla.config.allowed import Name, Text, matching, within
from edgevla.config.policy_families import (
    Diffusion,
    EndEffector,
    Execution,
    Fast,
    File,
    Flow,
    Id,
    Recurrent,
    Regression,
    Section,
    Tokens,
)
from edgevla.config.quantisation import Quantisation

Sha256 = Annotated[str, matching("[0-9a-f]{64}", "a SHA-256, 64 hexadecimal digits in lower case")]
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


class Normalisation(Section, frozen=True, kw_only=True):
    """Per-dimension statistics: n is the network's number, a the robot's.

    - `mean_std`: n = (a - mean) / (std + eps)
    - `quantiles`: n = 2 (a - q01) / (q99 - q01 + eps) - 1
    - `min_max`: the same with min and max

    A dimension whose `mask` is false passes through unchanged; no mask means all true.
    """

    kind: Literal["mean_std", "quantiles", "min_max"]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    q01: tuple[float, ...] = ()
    q99: tuple[float, ...] = ()
    min: tuple[float, ...] = ()
    max: tuple[float, ...] = ()
    eps: Annotated[float, within(at_least=0, at_most=1e-3)] = 0.0  # upstream's: none, 1e-8 (OFT), 1e-6 (openpi)
    mask: tuple[bool, ...] = ()


class Action(Section, frozen=True, kw_only=True):
    """The action space. Row i of a chunk is the setpoint for `t_obs + i / rate_hz`."""

    output: Text  # the graph's output tensor, (1, horizon, len(names)); of an iterative policy, what the steps end in
    names: tuple[Name, ...]
    unit: Literal["rad"]  # of angles; positions of an end effector are in m
    kind: Literal["delta", "absolute"]  # delta: relative to the measured position of the observation
    chained: bool = False  # of a delta policy: only the first row is, and each other is relative to the row before it
    rate_hz: Annotated[float, within(above=0, at_most=500)]
    horizon: Annotated[int, within(at_least=1, at_most=1024)]
    normalisation: Normalisation
    absolute: tuple[Name, ...] = ()  # of a delta policy, the dimensions that are absolute all the same: the gripper
    space: Literal["joints", "end_effector"] = "joints"


class Tokenizer(Section, frozen=True, kw_only=True):
    """How a Hugging Face `tokenizer.json` reads a sentence, for policies on a pretrained language model.

    `prompt`: what is tokenised. `{instruction}` is the sentence; `{state}`, if it is there, the normalised state as
    numbers of the 256 bins between -1 and 1 (pi0.5). `spelling`: what becomes of the sentence before: nothing, `spaces`
    for underscores (openpi), or lower case (OpenVLA). `suffix_ids` stand behind the prompt's.
    """

    prompt: str = "{instruction}"
    spelling: Literal["as_is", "spaces", "lower"] = "as_is"
    suffix_ids: tuple[Id, ...] = ()
    pad_id: Id = 0


class Language(Section, frozen=True, kw_only=True):
    """What the policy understands.

    Word-level vocabulary: one word a line, line number = id, line 0 is padding. Unknown words are refused. With the
    section `tokenizer` the vocabulary is a Hugging Face `tokenizer.json`, and any sentence is understood somehow.
    """

    vocabulary: File
    tokenizer: Tokenizer | None = None
    length: Length  # tokens, padded with 0, or the tokenizer's pad_id
    instructions: tuple[Text, ...]  # what it was trained on, shown to the operator


class Manifest(Section, frozen=True, kw_only=True):
    """A whole policy.yaml. Of the sections named like a family, `family` says which one is used."""

    format: Literal["edgevla-bundle/1"]
    name: Text
    family: Text  # a decoder known to edgevla.policy.decode, "regression"
    graphs: dict[str, File]  # variant (fp32, int8, int8-cpu) -> file; with steps, what runs once before them
    steps: dict[str, File] = msgspec.field(default_factory=dict)  # variant -> file: one denoising or decoding step
    inputs: tuple[TensorSpec, ...]
    state: Normalisation
    action: Action
    end_effector: EndEffector | None = None
    regression: Regression | None = None
    tokens: Tokens | None = None
    fast: Fast | None = None
    recurrent: Recurrent | None = None
    diffusion: Diffusion | None = None
    flow: Flow | None = None
    execution: Execution = Execution()
    quantisation: Quantisation = Quantisation()  # what INT8 may cost
    language: Language
    files: dict[str, Sha256]  # file -> sha256, every file the bundle uses but policy.yaml itself

    @property
    def joints(self) -> tuple[str, ...]:
        """The robot's joints in the order of the state: what the actions move, directly or by kinematics."""
        return self.action.names if self.end_effector is None else self.end_effector.joints
