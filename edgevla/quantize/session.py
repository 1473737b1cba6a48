"""onnxruntime sessions over graphs in memory, whose weights may lie beside the file they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnxruntime as ort

from edgevla.quantize.errors import GraphUnfit

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgevla.quantize.graph import Graph

_BESIDE = "session.model_external_initializers_file_folder_path"


def open_session(model: ModelProto, graph: Graph, *, threads: int = 1) -> ort.InferenceSession:
    """A session on the CPU over `model`, which is a change of `graph` and refers to the same files beside it.

    The optimiser may merge nodes but folds no weights it would have to copy, and threads do not spin.

    Raises:
        GraphUnfit: onnxruntime refuses the model: an operator or opset it does not know, or a model past 2 GB whose
            weights do not lie beside it.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry(_BESIDE, str(graph.path.parent.resolve()))
    options.log_severity_level = 4  # errors are raised
    try:
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # neither onnxruntime's nor protobuf's errors have a common class
        words = " ".join(str(error).split())
        raise GraphUnfit(f"{graph.path}: onnxruntime cannot load it: {words}", fix="export the graph again") from error
