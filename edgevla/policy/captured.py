"""Policies on TensorRT, with their decoding on the device and, where they denoise, the loop too.

The schedule is the kernels' own structs: the same numbers as in `iterate`, in the same order. Real-time chunking needs
the host between two steps and stays there.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from edgevla.engine import native
from edgevla.engine.base import Tensor
from edgevla.engine.cache import EngineCache
from edgevla.engine.cuda_loop import LoopPlan
from edgevla.engine.load import check_against, check_external_data
from edgevla.engine.native_abi import F32, DdimArgs, DdpmArgs, FlowArgs
from edgevla.engine.optional import member
from edgevla.policy.decode.fused import decoding_of, denoised_node
from edgevla.policy.decode.noise import NOISE_KEY
from edgevla.policy.decode.schedules import ddim_schedule, ddpm_schedule, flow_schedule
from edgevla.policy.iterate import SAMPLE, TIME, update_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgevla.config.policy import Manifest
    from edgevla.engine.base import Engine
    from edgevla.engine.cuda import Cuda
    from edgevla.engine.native_abi import Args


def open_one_pass(manifest: Manifest, path: Path) -> Engine:
    """Open a policy of one pass on TensorRT.

    Raises:
        EngineMissing: TensorRT or CUDA is not on this machine, or the kernels are of another version.
        GraphRefused: the graph was not built here, or does not match policy.yaml.
    """
    check_external_data(manifest, path)
    tensorrt = member("tensorrt_engine")
    with _device() as cuda:
        engine: Engine = tensorrt.open_engine(path, cuda, EngineCache(), decoding_of(manifest))
        check_against(manifest, engine, path)
    return engine


def open_captured(manifest: Manifest, prefix: Path, step: Path) -> Engine:
    """Open a policy that denoises on TensorRT, with the loop between its two graphs on the device.

    Raises:
        EngineMissing: TensorRT, CUDA or the kernels are not on this machine.
        GraphRefused: a graph was not built here, or they do not fit each other.
    """
    for path in (prefix, step):
        check_external_data(manifest, path)
    tensorrt, kernels = member("tensorrt_engine"), native.cuda()
    with _device() as cuda:
        engine: Engine = tensorrt.open_denoiser(prefix, step, loop_plan(manifest), kernels, cuda, EngineCache())
    return engine


@contextmanager
def _device() -> Iterator[Cuda]:
    """The device, which is closed if what is opened on it fails."""
    cuda: Cuda = member("cuda_pycuda").PyCuda()
    try:
        yield cuda
    except BaseException:
        cuda.close()
        raise


def loop_plan(manifest: Manifest) -> LoopPlan:
    """The loop of a checked manifest of the family flow or diffusion."""
    action = manifest.action
    update, width = update_of(manifest)
    kernel, updates = _kernel(manifest, width)
    active = (np.arange(width) < len(action.names)).astype(np.uint8) if kernel == "edgevla_ddpm_step" else None
    return LoopPlan(
        inputs=tuple(Tensor(spec.name, spec.dtype, spec.shape) for spec in manifest.inputs),
        key=Tensor(NOISE_KEY, "uint32", (4,)),
        sample=Tensor(SAMPLE, "float32", (1, action.horizon, width)),
        time=TIME,
        shown=update.shown,
        prediction=update.prediction,
        decode=denoised_node(manifest),
        kernel=kernel,
        updates=updates,
        active=active,
    )


def _kernel(manifest: Manifest, width: int) -> tuple[str, tuple[Args, ...]]:
    """Which call takes one step, and its struct for each."""
    size = {"samples": 1, "horizon": manifest.action.horizon, "width": width, "type": F32}
    if manifest.flow is not None:
        flow = flow_schedule(manifest.flow)
        return "edgevla_flow_step", tuple(FlowArgs(**size, dt=flow.dt) for _ in flow.shown)
    diffusion = manifest.diffusion
    assert diffusion is not None
    clip = np.inf if diffusion.clip is None else diffusion.clip
    if diffusion.sampler == "ddim":
        ddim = ddim_schedule(diffusion)
        rows = zip(ddim.signal, ddim.noise, ddim.signal_next, ddim.direction, strict=True)
        return "edgevla_ddim_step", tuple(
            DdimArgs(**size, signal=signal, noise=noise, signal_next=after, direction=direction, spread=0.0, clip=clip)
            for signal, noise, after, direction in rows
        )
    ddpm = ddpm_schedule(diffusion)
    steps = enumerate(zip(ddpm.inverse, ddpm.share, ddpm.spread, ddpm.masked, strict=True))
    return "edgevla_ddpm_step", tuple(
        DdpmArgs(**size, inverse=inverse, share=share, spread=spread, masked=masked, clip=clip, draw=1 + number)
        for number, (inverse, share, spread, masked) in steps
    )
