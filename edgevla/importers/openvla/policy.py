"""OpenVLA's own code: its classes are loaded from a folder that the person names, never from a checkpoint unasked."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from edgevla.importers.errors import ImportRefused

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

_PACKAGE = "edgevla_imported_openvla"
_FILES = ("configuration_prismatic", "modeling_prismatic", "processing_prismatic")
PROMPT = "In: What action should the robot take to {instruction}?\nOut:"


@dataclass(frozen=True, slots=True)
class Upstream:
    """A loaded policy and its processor."""

    model: Any
    processor: Any

    def action(self, picture: NDArray[np.uint8], task: str, dataset: str | None) -> NDArray[np.float64]:
        """Answer a picture (height, width, 3) as OpenVLA's README does: (7,) m, rad, and the gripper's number."""
        from PIL import Image

        inputs = self.processor(PROMPT.replace("{instruction}", task.lower()), Image.fromarray(picture))
        with torch.no_grad():
            answer: NDArray[np.float64] = self.model.predict_action(**inputs, unnorm_key=dataset, do_sample=False)
        return answer


def load_upstream(folder: Path, code: Path | None) -> Upstream:
    """Build the policy in float32 on the CPU.

    Args:
        folder: the checkpoint.
        code: with modeling_prismatic.py and what belongs to it.

    Raises:
        ImportRefused: no code is named, or it cannot load the checkpoint.
        ModuleNotFoundError: something that it needs is not installed.
    """
    if code is None:
        raise ImportRefused(
            f"{folder}: is built by OpenVLA's own code",
            fix="name the folder with modeling_prismatic.py: --code openvla/prismatic/extern/hf, or the checkpoint's",
        )
    modules = {name: _load(code, name) for name in _FILES}
    try:
        from transformers import AutoTokenizer

        config = modules["configuration_prismatic"].OpenVLAConfig.from_pretrained(folder)
        model, told = modules["modeling_prismatic"].OpenVLAForActionPrediction.from_pretrained(
            folder, config=config, attn_implementation="eager", torch_dtype=torch.float32, output_loading_info=True
        )
        processing = modules["processing_prismatic"]
        pictures = processing.PrismaticImageProcessor.from_pretrained(folder)
        processor = processing.PrismaticProcessor(pictures, AutoTokenizer.from_pretrained(folder))
    except OSError as error:
        reason = str(error).strip().splitlines()[0]
        raise ImportRefused(f"{folder}: OpenVLA's code cannot load it: {reason}", fix="copy it again") from None
    if told["missing_keys"]:
        missing = told["missing_keys"]
        raise ImportRefused(f"{folder}: has no weights for {missing[0]}, and {len(missing) - 1} others are missing")
    return Upstream(model.eval(), processor)


def _load(code: Path, name: str) -> ModuleType:
    """Load one of upstream's files as a part of a package, since they import each other."""
    if _PACKAGE not in sys.modules:
        package = importlib.machinery.ModuleSpec(_PACKAGE, None, is_package=True)
        package.submodule_search_locations = [str(code)]
        sys.modules[_PACKAGE] = importlib.util.module_from_spec(package)
    try:
        return importlib.import_module(f"{_PACKAGE}.{name}")
    except ModuleNotFoundError as error:
        if error.name == f"{_PACKAGE}.{name}":
            raise ImportRefused(f"{code}: has no {name}.py", fix="--code openvla/prismatic/extern/hf") from None
        raise
