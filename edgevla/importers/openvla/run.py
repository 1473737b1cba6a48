"""An OpenVLA checkpoint to a bundle, and whether the bundle then answers what OpenVLA does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.bundle import Normalisation, TensorSpec
from edgevla.config.policy import Tokenizer
from edgevla.config.policy_families import Tokens
from edgevla.importers.errors import Differs, ImportRefused
from edgevla.importers.network import Network, Sentences, whole_folder, write_bundle
from edgevla.importers.openvla.files import POSE, read_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgevla.bundle import Bundle
    from edgevla.importers.answers import Answers, JointScale
    from edgevla.importers.openvla.files import Checkpoint
    from edgevla.importers.openvla.policy import Upstream

LENGTH = 64  # tokens of a prompt; upstream's template takes 12 of them
EMPTY_TOKEN = 29871  # which upstream appends to every prompt
AGREE = 1e-4
_SEEDS = 3


def convert(folder: Path, out: Path, answers: Answers) -> float:
    """Write the bundle and return the largest difference to OpenVLA, in m or rad.

    Raises:
        ImportRefused: the checkpoint is broken, or asks something that `answers` does not say.
        Differs: the bundle answers something else than OpenVLA does.
        ModuleNotFoundError: what OpenVLA needs is not installed.
    """
    checkpoint = read_checkpoint(folder, answers.dataset)
    if answers.end_effector is None:
        raise ImportRefused(
            f"{folder}: its actions move a tool, and which, it does not say",
            fix="--site and --rotation, and --frame if they are not along the base's axes",
        )
    if len(answers.cameras) != 1 or None in answers.cameras.values():
        raise ImportRefused(f"{folder}: looks through one camera", fix="name the robot's: --camera image=NAME")
    from edgevla.importers.openvla.policy import load_upstream

    upstream = load_upstream(folder, answers.code)
    with whole_folder(out) as draft:
        bundle = write_bundle(_network(checkpoint, upstream, answers), answers, draft)
        return _compare(bundle, upstream, answers)


def _network(checkpoint: Checkpoint, upstream: Upstream, answers: Answers) -> Network:
    import torch

    from edgevla.importers.export import Piece
    from edgevla.importers.openvla.graphs import Pixels, Prefix, Step
    from edgevla.importers.pillow_resize import PillowResize

    assert answers.end_effector is not None, "the caller has looked"
    config, text = checkpoint.config, checkpoint.config["text_config"]
    side = checkpoint.pictures["input_sizes"][0][-1]
    (camera,) = answers.cameras.values()
    height, width = answers.sizes.get(str(camera), (side, side))
    pixels = Pixels(PillowResize(height, width, (side, side)), checkpoint.pictures)
    further = len(POSE)
    tokens = torch.full((1, LENGTH), config["pad_token_id"])
    tokens[:, : LENGTH // 2] = torch.arange(4, 4 + LENGTH // 2)
    given = {"picture": torch.rand(1, 3, height, width), "tokens": tokens}
    prefix = Prefix(upstream.model, pixels, config["pad_token_id"], further)
    with torch.no_grad():
        answer = prefix(*given.values())
    kept = [f"{what}_{layer:02d}" for layer in range((len(answer) - 3) // 2) for what in ("keys", "values")]
    outputs = ("logits", "mask", "count", *kept)
    taken = {"token": torch.tensor([[5]]), "step": torch.tensor([1]), **dict(zip(outputs[1:], answer[1:], strict=True))}
    step = Step(upstream.model, further)
    count = len(answers.joints)
    zeros, ones = (0.0,) * count, (1.0,) * count
    vocabulary = text["vocab_size"] - config["pad_to_multiple_of"]
    return Network(
        family="tokens",
        prefix=Piece("prefix", prefix, given, outputs),
        step=Piece("step", step, taken, ("logits", *(f"{name}_next" for name in kept))),
        inputs=(
            TensorSpec(name="picture", dtype="float32", shape=(1, 3, height, width), source=f"camera:{camera}"),
            TensorSpec(name="tokens", dtype="int64", shape=(1, LENGTH), source="instruction"),
        ),
        state=Normalisation(kind="mean_std", mean=zeros, std=ones, mask=(False,) * count),
        action=_statistics(checkpoint, answers.joints[-1]),
        horizon=1,
        relative=[True] * len(POSE) + [False],
        actions=(*POSE, answers.joints[-1].name),
        output="logits",
        sections={
            "tokens": Tokens(style="openvla", vocabulary_size=vocabulary, bins=config["n_action_bins"]),
            "end_effector": answers.end_effector,
        },
        sentences=_sentences(upstream, config["pad_token_id"]),
    )


def _sentences(upstream: Upstream, pad_id: int) -> Sentences:
    from edgevla.importers.openvla.policy import PROMPT

    backend = upstream.processor.tokenizer.backend_tokenizer
    config = Tokenizer(prompt=PROMPT, spelling="lower", suffix_ids=(EMPTY_TOKEN,), pad_id=pad_id)
    return Sentences(lambda path: backend.save(str(path)), config, LENGTH)


def _statistics(checkpoint: Checkpoint, gripper: JointScale) -> Normalisation:
    """Upstream's quantiles; a gripper that passes through is scaled all the same, into the robot's angle."""
    low, high = list(checkpoint.low), list(checkpoint.high)
    if not checkpoint.scaled[-1]:
        low[-1], high[-1] = -1.0, 1.0
    low[-1], high[-1] = (gripper.scale_rad * number + gripper.offset_rad for number in (low[-1], high[-1]))
    mask = (*checkpoint.scaled[:-1], True)
    return Normalisation(kind="quantiles", q01=tuple(low), q99=tuple(high), mask=() if all(mask) else mask)


def _compare(bundle: Bundle, upstream: Upstream, answers: Answers) -> float:
    """The rows of the decoder beside `predict_action`, right above the kinematics."""
    from edgevla.messages import Observation

    (picture,) = (spec for spec in bundle.manifest.inputs if spec.source.startswith("camera:"))
    name, gripper, worst = picture.source.removeprefix("camera:"), answers.joints[-1], 0.0
    answer = decoded_rows(bundle)
    for seed in range(_SEEDS):
        image = np.random.default_rng(seed).integers(0, 256, (*picture.shape[2:], 3), dtype=np.uint8)
        task = answers.instructions[seed % len(answers.instructions)]
        expected = np.array(upstream.action(image, task, answers.dataset), np.float64)
        expected[-1] = gripper.scale_rad * expected[-1] + gripper.offset_rad
        found = answer(Observation(0.0, {name: image}, np.zeros(len(answers.joints)), task))
        worst = max(worst, float(np.abs(found - expected).max()))
    if not worst <= AGREE:
        raise Differs(f"{bundle.folder}: differs from OpenVLA by {worst:.1e}; at most {AGREE:.0e} is allowed")
    return worst


def decoded_rows(bundle: Bundle) -> Any:  # noqa: ANN401 - a function of an Observation
    """Return what answers the rows of a chunk before kinematics: a bundle alone has no robot.

    Raises:
        Differs: from the function, when the decoder holds still.
    """
    from edgevla.policy.decode import decoder_of
    from edgevla.policy.engines import load_engine
    from edgevla.policy.language import language_of
    from edgevla.policy.preprocess import Preprocessor

    preprocess = Preprocessor(bundle.manifest, language_of(bundle))
    engine, decoder = load_engine(bundle, "fp32"), decoder_of(bundle)

    def answer(observation: Any) -> NDArray[np.float64]:  # noqa: ANN401 - an Observation
        decoded = decoder.decode(engine.run(preprocess(observation, 0)), observation.state_rad)
        if not decoded.valid:
            raise Differs(f"{bundle.folder}: holds still where OpenVLA moves: {decoded.reason}")
        return decoded.actions_rad

    return answer
