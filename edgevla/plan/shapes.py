"""A policy described by its shapes alone, as data: what one can read in a model's configuration before having it.

Annotations are not postponed in this file: msgspec reads them.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from edgevla.config.allowed import Name, Text, within
from edgevla.plan.work import Work, linear

Count = Annotated[int, within(at_least=1)]
MaybeCount = Annotated[int | None, within(at_least=1)]


class Stack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Transformer layers alike.

    `context`: how many tokens each one attends to, if not to its own `tokens`. `source_width`: width of what keys and
    values are made from, if not the layer's own input; 0: they are made elsewhere, and only read here. `conditioning`:
    numbers that each layer makes from one vector (adaptive norms). `batch`: sequences that do not see each other.
    """

    layers: Count
    width: Count
    heads: Count
    head_dim: Count
    mlp: Count
    tokens: Count
    kv_heads: MaybeCount = None
    context: MaybeCount = None
    source_width: Annotated[int | None, within(at_least=0)] = None
    gated: bool = False  # two projections up, multiplied: SwiGLU, GeGLU
    rotary: bool = False
    conditioning: Annotated[int, within(at_least=0)] = 0
    batch: Count = 1


class Dense(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A dense layer outside the stacks; `layers` of them alike."""

    inputs: Count
    outputs: Count
    tokens: Count
    layers: Count = 1


class Component(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the policy; it runs `passes` times for one chunk. `table`: numbers of an embedding."""

    name: Name
    passes: Count = 1
    stacks: tuple[Stack, ...] = ()
    dense: tuple[Dense, ...] = ()
    table: Annotated[int, within(at_least=0)] = 0


class Shapes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole policy. `source`: where the shapes were read, and what had to be assumed."""

    format: Literal["edgevla-shapes/1"]
    name: Text
    source: Text
    components: tuple[Component, ...]


def work_of(parts: tuple[Component, ...]) -> tuple[Work, ...]:
    """What the parts have to do."""
    return tuple(each for part in parts for each in _component(part))


def _component(part: Component) -> Iterator[Work]:
    for stack in part.stacks:
        yield from _stack(part.name, stack, part.passes)
    for dense in part.dense:
        yield linear(part.name, dense.tokens, dense.inputs, dense.outputs, layers=dense.layers, passes=part.passes)
    if part.table:
        yield Work(part.name, 0.0, part.table, 0.0, passes=0)


def _stack(name: str, stack: Stack, passes: int) -> Iterator[Work]:
    """Kernel by kernel, with pointwise operations fused into the product before them."""
    tokens, inner = stack.tokens * stack.batch, stack.heads * stack.head_dim
    context = stack.context or stack.tokens
    keys = (stack.kv_heads or stack.heads) * stack.head_dim

    def dense(count: float, inputs: int, outputs: int) -> Work:
        return linear(name, count, inputs, outputs, layers=stack.layers, passes=passes)

    def kernel(activations: float, macs: float = 0.0) -> Work:
        return Work(name, macs, 0.0, activations, layers=stack.layers, passes=passes)

    if stack.source_width is None:
        yield dense(tokens, stack.width, inner + 2 * keys)
    else:
        yield dense(tokens, stack.width, inner)
        if stack.source_width:
            yield dense(context * stack.batch, stack.source_width, 2 * keys)
    if stack.rotary:
        yield kernel(2.0 * tokens * (inner + keys))
    scores = float(tokens * stack.heads * context)
    product = kernel(tokens * inner + stack.batch * context * keys + scores, scores * stack.head_dim)
    yield from (product, kernel(2.0 * scores), product)  # q k^T, softmax, p v
    yield dense(tokens, inner, stack.width)
    yield dense(tokens, stack.width, stack.mlp * (2 if stack.gated else 1))
    if stack.gated:
        yield kernel(3.0 * tokens * stack.mlp)
    yield dense(tokens, stack.mlp, stack.width)
    yield from (kernel(2.0 * tokens * stack.width),) * 2  # norms
    if stack.conditioning:
        yield dense(1, stack.width, stack.conditioning)
