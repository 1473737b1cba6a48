"""A LeRobot checkpoint as its files say it: config.json, the processors' JSON and their statistics. No LeRobot needed.

A processor step that is not known here is refused: what it does to the numbers, the bundle could not repeat.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgevla.importers.errors import ImportRefused
from edgevla.importers.lerobot.scaling import scaling_of
from edgevla.importers.weights_file import read_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from edgevla.importers.statistics import Scaling

CONFIG, WEIGHTS = "config.json", "model.safetensors"
STATE, ACTION = "observation.state", "action"
_PROCESSORS = ("policy_preprocessor", "policy_postprocessor")
# Steps that leave the numbers alone, or that the readers of this package repeat.
_KNOWN = {
    "rename_observations_processor",
    "to_batch_processor",
    "device_processor",
    "normalizer_processor",
    "unnormalizer_processor",
    "tokenizer_processor",
    "smolvla_new_line_processor",
    "pi0_new_line_processor",
    "pi05_prepare_state_tokenizer_processor_step",
    "relative_actions_processor",
    "absolute_actions_processor",
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the files of a checkpoint say.

    Args:
        folder: where they lie.
        config: config.json.
        steps: processor steps of both directions, name -> its configuration.
        scalings: feature -> how it is normalised, for every input and output that is no picture.
        pictures: camera feature -> statistics of its channels, for those that are normalised.
    """

    folder: Path
    config: Mapping[str, Any]
    steps: Mapping[str, Mapping[str, Any]]
    scalings: Mapping[str, Scaling]
    pictures: Mapping[str, Scaling] = field(default_factory=dict)

    @property
    def cameras(self) -> list[str]:
        """The camera features, in the order of the network's inputs."""
        return [key for key, feature in self.config["input_features"].items() if feature["type"] == "VISUAL"]

    def shape(self, feature: str) -> tuple[int, ...]:
        """The shape of an input or output feature."""
        features = {**self.config["input_features"], **self.config["output_features"]}
        return tuple(features[feature]["shape"])

    @property
    def renamed(self) -> Mapping[str, str]:
        """The network's feature -> the data set's, where they differ."""
        renames = self.steps.get("rename_observations_processor", {}).get("rename_map", {})
        return {network: dataset for dataset, network in renames.items()}

    @property
    def relative(self) -> list[bool]:
        """Which actions are relative to the state; empty where none is.

        LeRobot, `RelativeActionsProcessorStep._build_mask`: a joint stays absolute if its name has one of
        `exclude_joints` in it, and without names all are relative.
        """
        step = self.steps.get("relative_actions_processor", {})
        if not step.get("enabled"):
            return []
        count = self.shape(ACTION)[0]
        kept = [str(name).lower() for name in step.get("exclude_joints", []) if name]
        names = [str(name).lower() for name in step.get("action_names") or []][:count]
        named = [not any(part in name for part in kept) for name in names]
        return named + [True] * (count - len(named))


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint, of today's form or of the older one that keeps its statistics among the weights.

    Raises:
        ImportRefused: a file is missing or broken, or says what a bundle cannot repeat.
    """
    config = read_json(folder / CONFIG)
    for key in ("input_features", "output_features", "normalization_mapping"):
        if key not in config:
            raise ImportRefused(f'{folder / CONFIG}: "{key}" is missing', fix="is this a LeRobot policy's folder?")
    odd = [key for key, feature in config["input_features"].items() if feature["type"] not in {"VISUAL", "STATE"}]
    if odd:
        raise ImportRefused(f"{folder / CONFIG}: it also takes {', '.join(odd)}, which a robot does not measure")
    if ACTION not in config["output_features"] or STATE not in config["input_features"]:
        raise ImportRefused(f"{folder / CONFIG}: the policy must take {STATE} and answer {ACTION}")
    steps, statistics = _processors(folder)
    if not steps:
        statistics = _buffers(folder / WEIGHTS)
    mapping = config["normalization_mapping"]
    scalings: dict[str, Scaling] = {}
    pictures: dict[str, Scaling] = {}
    for key, feature in {**config["input_features"], **config["output_features"]}.items():
        is_picture = feature["type"] == "VISUAL"
        mode = mapping.get(feature["type"], "IDENTITY")
        if is_picture and mode == "IDENTITY":
            continue
        eps = steps.get("normalizer_processor", {}).get("eps", 1e-8)
        scaling = scaling_of(mode, key, statistics.get(key, {}), feature["shape"][0], eps, inverse=key == ACTION)
        (pictures if is_picture else scalings)[key] = scaling
    return Checkpoint(folder, config, steps, scalings, pictures)


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Read a JSON file of a checkpoint.

    Raises:
        ImportRefused: it is missing or broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImportRefused(f"{path}: cannot be read: {error.strerror}", fix="copy the whole checkpoint") from None
    except ValueError as error:
        raise ImportRefused(f"{path}: is not JSON: {error}", fix="copy the checkpoint again") from None


def _processors(folder: Path) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, NDArray[Any]]]]:
    """The steps of both pipelines, and the statistics beside them."""
    steps: dict[str, dict[str, Any]] = {}
    statistics: dict[str, dict[str, NDArray[Any]]] = {}
    for name in _PROCESSORS:
        path = folder / f"{name}.json"
        if not path.exists() and not steps:
            return {}, {}
        for step in read_json(path)["steps"]:
            kind = step.get("registry_name", step.get("class", "a step without a name"))
            if kind not in _KNOWN:
                raise ImportRefused(
                    f'{path}: the step "{kind}" is not known here, so the bundle could not repeat what it does',
                    fix=f"train without it, or say what it does; known are {', '.join(sorted(_KNOWN))}",
                )
            steps[kind] = step.get("config", {})
            if "state_file" in step:
                for flat, tensor in read_tensors(folder / step["state_file"]).items():
                    key, _, statistic = flat.rpartition(".")
                    if (key == ACTION) == (kind == "unnormalizer_processor"):  # each way has its own, of all features
                        statistics.setdefault(key, {})[statistic] = tensor
    return steps, statistics


def _buffers(path: Path) -> dict[str, dict[str, NDArray[Any]]]:
    """Statistics of a checkpoint from before LeRobot 0.4: `normalize_inputs.buffer_observation_state.mean`."""
    statistics: dict[str, dict[str, NDArray[Any]]] = {}
    for flat, tensor in read_tensors(path, ("normalize_inputs.buffer_", "unnormalize_outputs.buffer_")).items():
        buffer, _, statistic = flat.partition(".buffer_")[2].rpartition(".")
        statistics.setdefault(_feature(buffer), {})[statistic] = tensor
    return statistics


def _feature(buffer: str) -> str:
    """`observation_images_front` was `observation.images.front`."""
    for prefix in ("observation_images_", "observation_"):
        if buffer.startswith(prefix):
            return prefix.replace("_", ".") + buffer.removeprefix(prefix)
    return buffer
