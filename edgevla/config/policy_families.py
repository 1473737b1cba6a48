"""What the decoder of each policy family needs to know, as sections of policy.yaml named like the family.

Annotations are not postponed in this file: msgspec reads them.
"""

from typing import Annotated, Literal

import msgspec

from edgevla.config.allowed import Name, Text, matching, within

File = Annotated[str, matching(r"[^/\\\x00]+(?:/[^/\\\x00]+)*", "the name of a file inside the bundle")]
MaybeWidth = Annotated[int | None, within(at_least=1, at_most=1024)]
Steps = Annotated[int, within(at_least=1, at_most=1000)]
MaybeSteps = Annotated[int | None, within(at_least=1, at_most=1000)]
Id = Annotated[int, within(at_least=0, at_most=2**24)]
MaybeId = Annotated[int | None, within(at_least=0, at_most=2**24)]
Mu = Annotated[float, within(at_least=0, at_most=65535)]

# Styles of tokens whose steps may begin with one that says whether the instruction is carried out.
WITH_STOP = ("rt1", "rt2")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A mapping whose keys are all known; one left out means its default, and is left out when written."""


class Gripper(Section, frozen=True, kw_only=True):
    """A dimension that the network answers with a logit: sigmoid above `threshold` means `high`, else `low`.

    `low` and `high` are normalised numbers: they are un-normalised like the others.
    """

    name: Name  # of action.names
    threshold: Annotated[float, within(above=0, at_most=1)] = 0.5
    low: float = -1.0
    high: float = 1.0


class Regression(Section, frozen=True, kw_only=True):
    """OpenVLA-OFT's L1 head, ACT, RoboVLMs' MLP."""

    tanh: bool = False  # the arm's numbers still have to go through tanh; never the gripper's
    mu_law: Mu = 0.0  # mu of the companding, 255; 0 is none
    gripper: Gripper | None = None


class Tokens(Section, frozen=True, kw_only=True):
    """Actions as bins, one token a number: OpenVLA, RT-1, RT-2, RoboVLMs' discrete head.

    The action ids are the `bins` ids from `first_action_id` on.
    """

    style: Literal["openvla", "rt1", "rt2", "robovlms"]
    vocabulary_size: Annotated[int, within(at_least=2, at_most=2**20)]  # V of the id -> bin map: 32000 for OpenVLA
    bins: Annotated[int, within(at_least=2, at_most=65536)] = 256
    first_action_id: MaybeId = None  # null: the last `bins` ids before the special tokens
    special_tokens: Id = 0  # at the end of the vocabulary, after the action ids: 10 and more for RoboVLMs
    logits: bool = True  # the graph answers logits (1, H*D, >= V); false: ids (1, H*D)
    stop_id: MaybeId = None  # rt1, rt2: which of the first two action ids ends an episode; null: none does

    @property
    def first_id(self) -> int:
        """The lowest action id: as given, or so that the last one lies right below the special tokens."""
        last = self.vocabulary_size - self.special_tokens
        return last - self.bins if self.first_action_id is None else self.first_action_id

    @property
    def stop_ids(self) -> tuple[int, int]:
        """The two ids that a stop token may have; RT-1's third, "move the base", means nothing to an arm."""
        return self.first_id, self.first_id + 1

    def step_length(self, dimensions: int) -> int:
        """How many tokens a step has: one for each dimension, after the stop token where there is one."""
        return dimensions + (self.stop_id is not None)


class Fast(Section, frozen=True, kw_only=True):
    """pi0-FAST: byte pairs of DCT coefficients."""

    tokenizer: File
    vocabulary_size: Annotated[int, within(at_least=2, at_most=2**20)] = 257152  # of the language model
    skipped_tokens: Id = 128  # special ids at its end, above the action tokens
    scale: Annotated[float, within(above=0)] = 10.0
    min_token: int = 0  # the coefficient that the first character stands for
    max_tokens: Annotated[int, within(at_least=1, at_most=4096)] = 256
    begin_ids: tuple[Id, ...] = ()  # "Action: " in the language model's ids
    bar_id: MaybeId = None  # "|", which ends the actions
    end_id: Id = 1  # end of sentence


class Recurrent(Section, frozen=True, kw_only=True):
    """RoboVLMs' LSTM head: the graph takes its state and gives it back."""

    window: Annotated[int, within(at_least=1, at_most=256)]  # observations it was trained on
    hidden: Annotated[int, within(at_least=1, at_most=65536)]
    layers: Annotated[int, within(at_least=1, at_most=64)] = 1
    tanh: bool = False
    mu_law: Mu = 0.0
    gripper: Gripper | None = None


class Diffusion(Section, frozen=True, kw_only=True):
    """Octo's DDPM, OpenVLA-OFT's and diffusion policy's DDIM."""

    schedule: Literal["cosine", "squaredcos_cap_v2", "linear", "explicit"]
    train_steps: Steps
    steps: MaybeSteps = None  # denoising steps at run time; null: train_steps
    sampler: Literal["ddpm", "ddim"] = "ddpm"
    clip: Annotated[float | None, within(above=0)] = None  # ddpm: of each new sample; ddim: of the predicted actions
    width: MaybeWidth = None  # columns of the sample; null: one for each of action.names
    betas: tuple[float, ...] = ()  # of an explicit schedule, each between 0 and 1
    beta_start: float = 1e-4  # of a linear schedule
    beta_end: float = 0.02
    seed: Annotated[int, within(at_least=0, at_most=2**32 - 1)] = 0


class Flow(Section, frozen=True, kw_only=True):
    """Flow matching: pi0, SmolVLA, GR00T."""

    steps: Steps
    direction: Literal["noise_at_1", "noise_at_0"]  # where time starts; it runs to the other end
    width: MaybeWidth = None  # columns of the sample; null: one for each of action.names
    time: Literal["float", "buckets"] = "float"
    buckets: Annotated[int, within(at_least=1, at_most=65536)] = 1000  # whole numbers that time is cut into
    accumulate: bool = False  # float time is summed step by step in float32 (openpi), not reckoned anew (LeRobot)
    seed: Annotated[int, within(at_least=0, at_most=2**32 - 1)] = 0


class EndEffector(Section, frozen=True, kw_only=True):
    """For action.space end_effector: what its numbers move, and the joints that follow."""

    joints: tuple[Name, ...]  # of robot.yaml, in its order; the state has a number for each
    site: Text  # the site of the robot's MuJoCo model that is moved
    rotation: Literal["rpy", "axis_angle"]
    frame: Literal["base", "tool", "calvin"] = "base"  # whose axes a delta is along; calvin: its own mixture of both
    position_scale: Annotated[float, within(above=0)] = 1.0  # m in the robot's frame for each unit of the policy
    rotation_scale: Annotated[float, within(above=0)] = 1.0  # rad likewise


class Execution(Section, frozen=True, kw_only=True):
    """How chunks follow each other; `EXECUTION` says which numbers each kind reads."""

    kind: Literal["latest", "ensemble", "blend", "fade", "rtc"] = "latest"
    decay: Annotated[float, within(at_least=0)] = 0.01  # ensemble: weights exp(-decay * i), i = 0 the oldest
    old_weight: Annotated[float, within(at_least=0, at_most=1)] = 0.3  # blend: of the older chunk where both have a row
    guided_rows: Annotated[int, within(at_least=1, at_most=1024)] = 10  # fade, rtc: rows tied to the chunk before, e
    weights: Literal["linear", "exponential"] = "linear"  # fade, rtc: how the tie loosens from row to row
    delay_ticks: Annotated[int, within(at_least=0, at_most=1024)] = 0  # fade, rtc: latency in rows that counts at least
    max_guidance: Annotated[float, within(above=0)] = 10.0  # rtc


# Kind of execution -> the numbers it reads.
EXECUTION = {
    "latest": (),
    "ensemble": ("decay",),
    "blend": ("old_weight",),
    "fade": ("guided_rows", "weights", "delay_ticks"),
    "rtc": ("guided_rows", "weights", "delay_ticks", "max_guidance"),
}
