"""`python -m benchmarks.vla_graph FOLDER`: a bundle of SmolVLA's published shapes, random weights, 0.4 G parameters.

It says what a policy of that size costs to quantise, lint, build and plan; what it does with a robot is noise. Shapes:
huggingface/lerobot, policies/smolvla (16 of SmolLM2's 32 layers, expert of 0.75 its width, self-attention in every
second layer, cross-attention in the others, 50 x 32 actions, 10 steps) and the vision tower of SmolVLM2-500M (SigLIP,
16 px patches at 512 px, 4 x 4 of them shuffled into one token). Two graphs: `prefix.onnx` turns pictures, words and
state into keys and values, `step.onnx` is one denoising step. No torch, and no more than one tensor in memory.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from edgevla.bundle import Action, Language, Manifest, Normalisation, TensorSpec, write_manifest
from edgevla.config.policy_families import Flow

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import ArrayLike, NDArray

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
WORDS = ("touch", "push", "the", "red", "green", "blue", "block", "left", "right")
STEPS = 10
OPSET = 17
MASKED = -1e4


@dataclass(frozen=True)
class Shapes:
    """What a graph is made of; the defaults are SmolVLA's."""

    cameras: tuple[str, ...] = ("front", "wrist")
    image: int = 512
    patch: int = 16
    vision_width: int = 768
    vision_layers: int = 12
    vision_heads: int = 12
    vision_mlp: int = 3072
    shuffle: int = 4  # patches a side that become one token
    width: int = 960
    layers: int = 16
    heads: int = 15
    groups: int = 5  # of heads that share keys and values
    head: int = 64
    mlp: int = 2560
    vocabulary: int = 49280
    words: int = 48
    expert: int = 720
    expert_mlp: int = 2048
    horizon: int = 50
    padded: int = 32  # width of state and action

    @property
    def picture_tokens(self) -> int:
        """Of all cameras."""
        return len(self.cameras) * (self.image // self.patch // self.shuffle) ** 2

    @property
    def prefix(self) -> int:
        """Tokens of pictures, words and state."""
        return self.picture_tokens + self.words + 1


SMOLVLA = Shapes()
PAST_2_GB = Shapes(layers=42)  # the first graph alone holds more than one protobuf message can
FIFTIETH = Shapes(
    image=128,
    vision_width=144,
    vision_layers=3,
    vision_heads=3,
    vision_mlp=576,
    width=192,
    layers=8,
    heads=6,
    groups=2,
    head=32,
    mlp=512,
    vocabulary=8192,
    words=12,
    expert=144,
    expert_mlp=384,
    horizon=10,
)


class Builder:
    """Nodes in a row, weights drawn at random straight into the file beside the graph."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.parameters = path, 0
        self._rng = np.random.default_rng(seed)
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._beside = path.with_name(path.name + ".data")
        self._file = self._beside.open("wb")

    def __enter__(self) -> Builder:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._file.close()
        if kind is None:
            graph = helper.make_graph(
                self._nodes, self.path.stem, self._inputs, self._outputs, list(self._constants.values())
            )
            opset = [helper.make_opsetid("", OPSET)]
            onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(self.path))

    def take(self, name: str, shape: tuple[int, ...], kind: int = TensorProto.FLOAT) -> str:
        """An input."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def give(self, name: str, value: str, shape: tuple[int, ...]) -> None:
        """An output."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def node(self, kind: str, name: str, *inputs: str, **attributes: int | list[int]) -> str:
        """One operator and its output, which has its name."""
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def halves(self, name: str, x: str) -> tuple[str, str]:
        """The first and the second half of the last axis."""
        low, high = f"{name}.low", f"{name}.high"
        self._nodes.append(helper.make_node("Split", [x], [low, high], name=name, axis=-1))
        return low, high

    def constant(self, name: str, values: ArrayLike) -> str:
        """A small constant, inside the graph."""
        self._constants.setdefault(name, onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def shape(self, *sizes: int) -> str:
        """A shape, for Reshape."""
        return self.constant("shape." + "x".join(map(str, sizes)), np.array(sizes, np.int64))

    def weight(self, name: str, *sizes: int, spread: float | None = None) -> str:
        """Normal numbers whose product with normal numbers is normal again."""
        spread = sizes[0] ** -0.5 if spread is None else spread
        values: NDArray[np.float32] = self._rng.standard_normal(sizes, np.float32) * np.float32(spread)
        self.parameters += values.size
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=sizes, raw_data=b"")
        onnx.external_data_helper.set_external_data(tensor, self._beside.name, self._file.tell(), values.nbytes)
        tensor.ClearField("raw_data")
        self._file.write(values.tobytes())
        self._constants[name] = tensor
        return name

    def linear(self, name: str, x: str, inside: int, outside: int, *, bias: bool = False) -> str:
        """x W (+ b)."""
        y = self.node("MatMul", f"{name}.product", x, self.weight(f"{name}.weight", inside, outside))
        return self.node("Add", name, y, self.weight(f"{name}.bias", outside, spread=0.02)) if bias else str(y)

    def layer_norm(self, name: str, x: str, width: int) -> str:
        """Mean 0, variance 1, gains and offsets."""
        gains = self.weight(f"{name}.gain", width, spread=1.0)
        return self.node("LayerNormalization", name, x, gains, self.weight(f"{name}.offset", width, spread=0.02))

    def rms_norm(self, name: str, x: str, width: int) -> str:
        """x / sqrt(mean(x^2) + eps) times gains."""
        square = self.node("Mul", f"{name}.square", x, x)
        mean = self.node("ReduceMean", f"{name}.mean", square, axes=[-1], keepdims=1)
        root = self.node(
            "Sqrt", f"{name}.root", self.node("Add", f"{name}.safe", mean, self.constant("eps", np.float32(1e-5)))
        )
        return str(
            self.node(
                "Mul", name, self.node("Div", f"{name}.unit", x, root), self.weight(f"{name}.gain", width, spread=1.0)
            )
        )

    def gated(self, name: str, x: str, width: int, mlp: int) -> str:
        """SwiGLU."""
        gate, up = (self.linear(f"{name}.{part}", x, width, mlp) for part in ("gate", "up"))
        silu = self.node("Mul", f"{name}.silu", gate, self.node("Sigmoid", f"{name}.sigmoid", gate))
        return self.linear(f"{name}.down", self.node("Mul", f"{name}.gated", silu, up), mlp, width)

    def split_heads(self, name: str, x: str, heads: int, head: int) -> str:
        """(batch, tokens, heads * head) to (batch, heads, tokens, head)."""
        apart = self.node("Reshape", f"{name}.apart", x, self.shape(0, 0, heads, head))
        return self.node("Transpose", name, apart, perm=[0, 2, 1, 3])

    def attend(self, name: str, query: str, key: str, value: str, mask: str, heads: int, head: int) -> str:
        """softmax(q kT / sqrt(head) + mask) v, back to (batch, tokens, heads * head)."""
        turned = self.node("Transpose", f"{name}.turned", key, perm=[0, 1, 3, 2])
        scores = self.node("MatMul", f"{name}.scores", query, turned)
        scaled = self.node("Mul", f"{name}.scaled", scores, self.constant(f"root.{head}", np.float32(head**-0.5)))
        if mask:
            scaled = self.node("Add", f"{name}.masked", scaled, mask)
        read = self.node("MatMul", f"{name}.read", self.node("Softmax", f"{name}.softmax", scaled, axis=-1), value)
        together = self.node("Transpose", f"{name}.back", read, perm=[0, 2, 1, 3])
        return self.node("Reshape", name, together, self.shape(0, 0, heads * head))

    def rotate(self, name: str, x: str, first: int, tokens: int, head: int) -> str:
        """Rotary positions `first` .. `first + tokens`."""
        angles = np.outer(np.arange(first, first + tokens), 10000.0 ** (-np.arange(0, head, 2) / head))
        cos, sin = (
            self.constant(f"{word}.{first}.{tokens}", wave(angles).astype(np.float32))
            for word, wave in (("cos", np.cos), ("sin", np.sin))
        )
        a, b = self.halves(f"{name}.halves", x)
        ac, bs, bc, as_ = (
            self.node("Mul", f"{name}.{index}", *pair)
            for index, pair in enumerate(((a, cos), (b, sin), (b, cos), (a, sin)))
        )
        low, high = self.node("Sub", f"{name}.left", ac, bs), self.node("Add", f"{name}.right", bc, as_)
        return self.node("Concat", name, low, high, axis=-1)

    def repeat(self, name: str, x: str, groups: int, heads: int, tokens: int, head: int) -> str:
        """Keys or values of `groups` groups for `heads` heads."""
        apart = self.node("Reshape", f"{name}.apart", x, self.shape(1, groups, 1, tokens, head))
        spread = self.node("Expand", f"{name}.spread", apart, self.shape(1, groups, heads // groups, tokens, head))
        return self.node("Reshape", name, spread, self.shape(1, heads, tokens, head))


def prefix_graph(path: Path, shapes: Shapes, seed: int) -> int:
    """Pictures, words and state to the keys and values of every layer; the number of parameters."""
    s = shapes
    with Builder(path, seed) as b:
        pictures = [b.take(camera, (1, 3, s.image, s.image)) for camera in s.cameras]
        state, tokens = b.take("state", (1, s.padded)), b.take("tokens", (1, s.words), TensorProto.INT64)
        seen = _eye(b, s, pictures)
        words = b.node("Gather", "words", b.weight("embedding", s.vocabulary, s.width, spread=1.0), tokens)
        felt = b.node(
            "Unsqueeze", "felt", b.linear("state_in", state, s.padded, s.width, bias=True), b.constant("one", [1])
        )
        x = b.node("Concat", "prefix", seen, words, felt, axis=1)
        there = b.node("Cast", "there", b.node("Greater", "said", tokens, b.constant("zero", np.int64(0))), to=1)
        absent = b.node(
            "Mul",
            "absent",
            b.node("Sub", "padding", there, b.constant("all", np.float32(1))),
            b.constant("far", np.float32(-MASKED)),
        )
        always = b.constant("always", np.zeros((1, s.picture_tokens), np.float32))
        flat = b.node(
            "Concat", "mask_flat", always, absent, b.constant("always.state", np.zeros((1, 1), np.float32)), axis=1
        )
        mask = b.node("Reshape", "mask_there", flat, b.shape(1, 1, 1, s.prefix))
        for layer in range(s.layers):
            x = _language_layer(b, s, f"language.{layer}", x, mask, layer)
        b.give("mask", mask, (1, 1, 1, s.prefix))
        return b.parameters


def step_graph(path: Path, shapes: Shapes, seed: int) -> int:
    """The noisy actions and the time to the velocity; the number of parameters."""
    s = shapes
    with Builder(path, seed) as b:
        sample, time = b.take("sample", (1, s.horizon, s.padded)), b.take("time", (1,))
        mask = b.take("mask", (1, 1, 1, s.prefix))
        kept = (1, s.groups, s.prefix, s.head)
        caches = [(b.take(f"key.{layer}", kept), b.take(f"value.{layer}", kept)) for layer in range(s.layers)]
        periods = 4e-3 * (4.0 / 4e-3) ** np.linspace(0.0, 1.0, s.expert // 2)
        angle = b.node("Mul", "angle", time, b.constant("waves", (2.0 * np.pi / periods).astype(np.float32)))
        clock = b.node("Concat", "clock", b.node("Sin", "sin", angle), b.node("Cos", "cos", angle), axis=0)
        clocks = b.node("Expand", "clocks", clock, b.shape(1, s.horizon, s.expert))
        both = b.node("Concat", "both", b.linear("action_in", sample, s.padded, s.expert, bias=True), clocks, axis=2)
        mixed = b.linear("mix.0", both, 2 * s.expert, s.expert, bias=True)
        silu = b.node("Mul", "mix.silu", mixed, b.node("Sigmoid", "mix.sigmoid", mixed))
        x = b.linear("mix.1", silu, s.expert, s.expert, bias=True)
        future = np.triu(np.full((s.horizon, s.horizon), MASKED, np.float32), 1)[np.newaxis, np.newaxis]
        past = b.node("Expand", "mask_rows", mask, b.shape(1, 1, s.horizon, s.prefix))
        causal = b.node("Concat", "mask_all", past, b.constant("future", future), axis=3)
        for layer, (key, value) in enumerate(caches):
            x = _expert_layer(b, s, f"expert.{layer}", x, key, value, mask, causal, crosses=layer % 2 == 1)
        velocity = b.linear("action_out", b.rms_norm("expert.norm", x, s.expert), s.expert, s.padded, bias=True)
        b.give("velocity", velocity, (1, s.horizon, s.padded))
        return b.parameters


def _eye(b: Builder, s: Shapes, pictures: list[str]) -> str:
    side = s.image // s.patch
    batch, patches = len(pictures), side * side
    seen = b.node("Concat", "pictures", *pictures, axis=0) if batch > 1 else pictures[0]
    kernel = b.weight("patches.weight", s.vision_width, 3, s.patch, s.patch, spread=(3 * s.patch**2) ** -0.5)
    grid = b.node("Conv", "patches", seen, kernel, strides=[s.patch, s.patch])
    rows = b.node(
        "Transpose",
        "patches.rows",
        b.node("Reshape", "patches.flat", grid, b.shape(batch, s.vision_width, patches)),
        perm=[0, 2, 1],
    )
    x = b.node("Add", "patches.placed", rows, b.weight("patches.place", patches, s.vision_width, spread=0.02))
    head = s.vision_width // s.vision_heads
    for layer in range(s.vision_layers):
        name = f"vision.{layer}"
        normed = b.layer_norm(f"{name}.norm1", x, s.vision_width)
        query, key, value = (
            b.split_heads(
                f"{name}.{part}.heads",
                b.linear(f"{name}.{part}", normed, s.vision_width, s.vision_width, bias=True),
                s.vision_heads,
                head,
            )
            for part in ("query", "key", "value")
        )
        read = b.attend(f"{name}.attention", query, key, value, "", s.vision_heads, head)
        x = b.node(
            "Add", f"{name}.residual1", x, b.linear(f"{name}.out", read, s.vision_width, s.vision_width, bias=True)
        )
        inner = b.linear(
            f"{name}.fc1", b.layer_norm(f"{name}.norm2", x, s.vision_width), s.vision_width, s.vision_mlp, bias=True
        )
        x = b.node(
            "Add",
            f"{name}.residual2",
            x,
            b.linear(f"{name}.fc2", _gelu(b, f"{name}.gelu", inner), s.vision_mlp, s.vision_width, bias=True),
        )
    x = b.layer_norm("vision.norm", x, s.vision_width)
    small, n = side // s.shuffle, s.shuffle
    blocks = b.node("Reshape", "shuffle.blocks", x, b.shape(batch, small, n, small, n, s.vision_width))
    tokens = b.node("Transpose", "shuffle.turned", blocks, perm=[0, 1, 3, 2, 4, 5])
    shuffled = b.node("Reshape", "shuffle", tokens, b.shape(1, s.picture_tokens, n * n * s.vision_width))
    return b.linear("connector", shuffled, n * n * s.vision_width, s.width)


def _gelu(b: Builder, name: str, x: str) -> str:
    """With tanh, as SigLIP has it."""
    cube = b.node("Mul", f"{name}.cube", b.node("Mul", f"{name}.square", x, x), x)
    inner = b.node(
        "Add", f"{name}.sum", x, b.node("Mul", f"{name}.small", cube, b.constant("gelu.cube", np.float32(0.044715)))
    )
    bent = b.node(
        "Tanh",
        f"{name}.tanh",
        b.node("Mul", f"{name}.scaled", inner, b.constant("gelu.root", np.float32((2 / np.pi) ** 0.5))),
    )
    half = b.node("Mul", f"{name}.half", x, b.constant("half", np.float32(0.5)))
    return str(b.node("Mul", name, half, b.node("Add", f"{name}.lifted", bent, b.constant("all", np.float32(1)))))


def _language_layer(b: Builder, s: Shapes, name: str, x: str, mask: str, layer: int) -> str:
    normed = b.rms_norm(f"{name}.norm1", x, s.width)
    query = b.split_heads(
        f"{name}.query.heads", b.linear(f"{name}.query", normed, s.width, s.heads * s.head), s.heads, s.head
    )
    key, value = (
        b.split_heads(
            f"{name}.{part}.heads", b.linear(f"{name}.{part}", normed, s.width, s.groups * s.head), s.groups, s.head
        )
        for part in ("key", "value")
    )
    key = b.rotate(f"{name}.key.turned", key, 0, s.prefix, s.head)
    b.give(f"key.{layer}", key, (1, s.groups, s.prefix, s.head))
    b.give(f"value.{layer}", value, (1, s.groups, s.prefix, s.head))
    if layer == s.layers - 1:
        return x  # only the keys and values of the last layer are read
    query = b.rotate(f"{name}.query.turned", query, 0, s.prefix, s.head)
    keys, values = (
        b.repeat(f"{name}.{part}s", each, s.groups, s.heads, s.prefix, s.head)
        for part, each in (("key", key), ("value", value))
    )
    read = b.attend(f"{name}.attention", query, keys, values, mask, s.heads, s.head)
    x = b.node("Add", f"{name}.residual1", x, b.linear(f"{name}.out", read, s.heads * s.head, s.width))
    return str(
        b.node(
            "Add",
            f"{name}.residual2",
            x,
            b.gated(f"{name}.mlp", b.rms_norm(f"{name}.norm2", x, s.width), s.width, s.mlp),
        )
    )


def _expert_layer(
    b: Builder, s: Shapes, name: str, x: str, key: str, value: str, mask: str, causal: str, *, crosses: bool
) -> str:
    normed = b.rms_norm(f"{name}.norm1", x, s.expert)
    query = b.split_heads(
        f"{name}.query.heads", b.linear(f"{name}.query", normed, s.expert, s.heads * s.head), s.heads, s.head
    )
    query = b.rotate(f"{name}.query.turned", query, s.prefix, s.horizon, s.head)
    narrow, tokens = s.groups * s.head, s.prefix
    pairs = []
    for part, cache in (("key", key), ("value", value)):
        if crosses:
            back = b.node(
                "Reshape",
                f"{name}.{part}.flat",
                b.node("Transpose", f"{name}.{part}.back", cache, perm=[0, 2, 1, 3]),
                b.shape(1, s.prefix, narrow),
            )
            own = b.split_heads(
                f"{name}.{part}.heads", b.linear(f"{name}.{part}", back, narrow, narrow), s.groups, s.head
            )
        else:
            own = b.split_heads(
                f"{name}.{part}.heads", b.linear(f"{name}.{part}", normed, s.expert, narrow), s.groups, s.head
            )
            own = b.rotate(f"{name}.{part}.turned", own, s.prefix, s.horizon, s.head) if part == "key" else own
            own, tokens = b.node("Concat", f"{name}.{part}.all", cache, own, axis=2), s.prefix + s.horizon
        pairs.append(b.repeat(f"{name}.{part}s", own, s.groups, s.heads, tokens, s.head))
    read = b.attend(f"{name}.attention", query, pairs[0], pairs[1], mask if crosses else causal, s.heads, s.head)
    x = b.node("Add", f"{name}.residual1", x, b.linear(f"{name}.out", read, s.heads * s.head, s.expert))
    return str(
        b.node(
            "Add",
            f"{name}.residual2",
            x,
            b.gated(f"{name}.mlp", b.rms_norm(f"{name}.norm2", x, s.expert), s.expert, s.expert_mlp),
        )
    )


def write_bundle(folder: Path, shapes: Shapes = SMOLVLA, seed: int = 0) -> int:
    """Write both graphs, a vocabulary and policy.yaml; the number of parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    parameters = prefix_graph(folder / "prefix.onnx", shapes, seed) + step_graph(folder / "step.onnx", shapes, seed + 1)
    (folder / "vocabulary.txt").write_text("\n".join(["<pad>", *WORDS]) + "\n", encoding="utf-8")
    ones = Normalisation(kind="mean_std", mean=(0.0,) * len(JOINTS), std=(0.1,) * len(JOINTS))
    picture = (1, 3, shapes.image, shapes.image)
    inputs = [
        TensorSpec(name=camera, dtype="float32", shape=picture, source=f"camera:{camera}") for camera in shapes.cameras
    ]
    inputs += [
        TensorSpec(name="state", dtype="float32", shape=(1, shapes.padded), source="state"),
        TensorSpec(name="tokens", dtype="int64", shape=(1, shapes.words), source="instruction"),
    ]
    files = {f"{name}{end}": "" for name in ("prefix.onnx", "step.onnx") for end in ("", ".data")}
    manifest = Manifest(
        format="edgevla-bundle/1",
        name="random-vla",
        family="flow",
        graphs={"fp32": "prefix.onnx"},
        steps={"fp32": "step.onnx"},
        inputs=tuple(inputs),
        state=ones,
        action=Action(
            output="actions",
            names=JOINTS,
            unit="rad",
            kind="delta",
            rate_hz=30.0,
            horizon=shapes.horizon,
            normalisation=ones,
        ),
        flow=Flow(steps=STEPS, direction="noise_at_1", width=shapes.padded, time="float"),
        language=Language(vocabulary="vocabulary.txt", length=shapes.words, instructions=("touch the red block",)),
        files=files,
    )
    write_manifest(folder, manifest)
    return parameters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fiftieth", action="store_true", help="the same at a fiftieth of the parameters")
    given = parser.parse_args()
    parameters = write_bundle(given.folder, FIFTIETH if given.fiftieth else SMOLVLA)
    print(f"{given.folder}: {parameters / 1e6:.1f} M parameters")


if __name__ == "__main__":
    main()
