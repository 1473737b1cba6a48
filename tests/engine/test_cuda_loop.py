"""The denoising loop in one captured graph, decoding included: the same chunk, bit for bit, as on the host."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgevla.bundle import Bundle, load_manifest
from edgevla.config.policy_families import Diffusion, Flow
from edgevla.engine.base import GraphRefused, Tensor
from edgevla.engine.cuda_loop import open_loop
from edgevla.engine.native_abi import DdimArgs, DdpmArgs, FinishArgs, FlowArgs, NoiseArgs, UnnormaliseArgs
from edgevla.policy.captured import loop_plan
from edgevla.policy.decode import decoder_of
from edgevla.policy.decode.noise import NOISE_KEY, noise_key, normals
from edgevla.policy.iterate import SAMPLE, TIME, DenoisingEngine
from edgevla.shipped import shipped
from tests.engine.fake_cuda import DISCRETE, FakeCuda, FakeStage, at
from tests.kernels.decoding import library

WIDTH = 8
F = np.float32


class FakeKernels:
    """The library of kernels for the fake device: the formulae of kernels/edgevla_decode.h, over its addresses.

    What decodes is the library for the processor itself.
    """

    def __init__(self, cuda):
        self._cuda = cuda

    def prepare(self, name, args, *, stream):
        assert stream == self._cuda.stream
        if type(args) in {FinishArgs, UnnormaliseArgs}:
            call = library("host").prepare(name, args)
            return lambda: self._cuda.do(name, call)
        return lambda: self._cuda.do(name, lambda: KERNELS[type(args)](args))


def sample(args, name, columns=WIDTH):
    return at(getattr(args, name), (1, args.horizon, columns))


def noise(args):
    sample(args, "out")[...] = normals((1, args.horizon, args.width), at(args.key, (4,), "uint32"), args.draw)


def flow(args):
    sample(args, "out")[...] = sample(args, "x") + F(args.dt) * sample(args, "velocity")


def ddpm(args):
    z = normals((1, args.horizon, args.width), at(args.key, (4,), "uint32"), args.draw)
    x, epsilon = sample(args, "x"), sample(args, "epsilon")
    y = np.clip(F(args.inverse) * (x - F(args.share) * epsilon) + F(args.spread) * z, -F(args.clip), F(args.clip))
    sample(args, "out")[...] = np.where(at(args.active, (args.width,), "uint8"), y, F(args.masked) * z)


def ddim(args):
    x, epsilon = sample(args, "x"), sample(args, "epsilon")
    x0 = np.clip((x - F(args.noise) * epsilon) / F(args.signal), -F(args.clip), F(args.clip))
    sample(args, "out")[...] = F(args.signal_next) * x0 + F(args.direction) * epsilon


KERNELS = {NoiseArgs: noise, FlowArgs: flow, DdpmArgs: ddpm, DdimArgs: ddim}
FAMILIES = {
    "pi0": {"flow": Flow(steps=10, direction="noise_at_1", width=WIDTH, accumulate=True)},
    "groot": {"flow": Flow(steps=4, direction="noise_at_0", width=WIDTH, time="buckets")},
    "octo": {"diffusion": Diffusion(schedule="cosine", train_steps=20, clip=5.0, width=WIDTH)},
    "oft": {
        "diffusion": Diffusion(
            schedule="squaredcos_cap_v2", train_steps=50, steps=10, sampler="ddim", clip=1.0, width=WIDTH
        )
    },
}


class Plain:
    """A graph on the host, for the reference."""

    provider = "plain"

    def __init__(self, inputs, outputs, answer):
        self.inputs, self.outputs, self._answer = inputs, outputs, answer

    def run(self, inputs):
        return self._answer({name: value.copy() for name, value in inputs.items()})

    def close(self):
        """Nothing to free."""


def encode(given):
    return {"memory": given["state"] * F(0.5)}


def predict(name, clock):
    def answer(given):
        seen = given[SAMPLE] * F(0.9) + F(0.01) * (given["memory"].mean() + given["state"].mean())
        return {name: (seen + given[TIME].astype(F) * F(clock)).astype(F)}

    return answer


@pytest.fixture(params=FAMILIES)
def policy(request):
    """A manifest, and for each of its two graphs the inputs, the outputs and what it answers."""
    shipped_manifest = load_manifest(shipped("so101-tabletop")).manifest
    manifest = msgspec.structs.replace(shipped_manifest, **FAMILIES[request.param])
    plan = loop_plan(manifest)
    state = next(tensor for tensor in plan.inputs if tensor.name == "state")
    memory = Tensor("memory", "float32", state.shape)
    time = Tensor(TIME, "float32" if request.param == "pi0" else "int64", (1,))
    prefix = (plan.inputs, (memory,), encode)
    answer = Tensor(plan.prediction, "float32", plan.sample.shape)
    step = ((plan.sample, time, memory, state), (answer,), predict(plan.prediction, 0.01))
    return manifest, plan, prefix, step


def inputs_of(plan, seed):
    rng = np.random.default_rng(seed)
    given = {each.name: rng.integers(0, 9, each.shape).astype(each.dtype) for each in plan.inputs}
    return {**given, NOISE_KEY: noise_key(3, seed)}


@pytest.mark.parametrize("device", [None, DISCRETE])
def test_the_chunk_is_that_of_the_loop_on_the_host(policy, device):
    manifest, plan, prefix, step = policy
    reference = DenoisingEngine(manifest, Plain(*prefix), Plain(*step), Path("step.onnx"))
    cuda = FakeCuda() if device is None else FakeCuda(device)
    stages = (FakeStage(cuda, "prefix", *prefix), FakeStage(cuda, "step", *step, scratch_bytes=9000))
    engine = open_loop(cuda, *stages, plan, FakeKernels(cuda), "fake")
    assert (engine.inputs, engine.outputs) == (reference.inputs, plan.decode.made)
    decoder, state_rad = decoder_of(Bundle(Path(), manifest)), np.linspace(-1, 1, len(manifest.action.names))
    for seed in (1, 2, 3):  # eager, then twice the captured graph
        given = inputs_of(plan, seed)
        expected = decoder.decode(reference.run(given), state_rad)
        found = decoder.decode(engine.run(given), state_rad)
        assert expected.valid
        assert found.valid
        np.testing.assert_array_equal(found.actions_rad, expected.actions_rad)
    assert np.ptp(expected.actions_rad, axis=0).min() > 0


def test_a_chunk_that_is_not_believed_is_invalid_with_its_place(policy):
    manifest, plan, prefix, step = policy
    cuda = FakeCuda()

    def answer(given):
        wrong = step[2](given)[plan.prediction]
        wrong[0, 2, 1] = np.nan
        return {plan.prediction: wrong}

    stages = (FakeStage(cuda, "prefix", *prefix), FakeStage(cuda, "step", *step[:2], answer))
    engine = open_loop(cuda, *stages, plan, FakeKernels(cuda), "fake")
    found = decoder_of(Bundle(Path(), manifest)).decode(engine.run(inputs_of(plan, 1)), np.zeros(6))
    assert not found.valid
    assert found.reason == "row 2, shoulder_lift: is NaN or infinite"


def test_everything_is_one_graph_and_the_prefix_runs_once(policy):
    _, plan, prefix, step = policy
    cuda = FakeCuda()
    engine = open_loop(
        cuda, FakeStage(cuda, "prefix", *prefix), FakeStage(cuda, "step", *step), plan, FakeKernels(cuda), "fake"
    )
    engine.run(inputs_of(plan, 1))
    steps = ["step", plan.kernel] * len(plan.shown)
    end = (
        [*steps[:-1], "edgevla_flow_finish"] if plan.kernel == "edgevla_flow_step" else [*steps, "edgevla_unnormalise"]
    )
    assert cuda.graph(0) == ["prefix", "edgevla_noise", *end]
    cuda.calls.clear()
    engine.run(inputs_of(plan, 2))
    assert cuda.calls == ["launch"]


def test_both_graphs_share_one_scratch_memory(policy):
    _, plan, prefix, step = policy
    cuda = FakeCuda()
    stages = (FakeStage(cuda, "prefix", *prefix), FakeStage(cuda, "step", *step))
    open_loop(cuda, *stages, plan, FakeKernels(cuda), "fake")
    assert stages[0].scratch == stages[1].scratch


def test_a_step_that_takes_what_nobody_gives_is_refused(policy):
    _, plan, prefix, step = policy
    cuda = FakeCuda()
    wants = (*step[0], Tensor("gaze", "float32", (1, 2)))
    stages = (FakeStage(cuda, "prefix", *prefix), FakeStage(cuda, "step", wants, *step[1:]))
    with pytest.raises(GraphRefused, match=r"the loop has no gaze float32\[1, 2\]; it has .*memory"):
        open_loop(cuda, *stages, plan, FakeKernels(cuda), "fake")
