"""`edgevla build`: a bundle's graphs become engines for this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgevla.commands.model_repository import TRITON, build_repository
from edgevla.commands.options import Json, Set, overrides
from edgevla.tables import console, print_table

if TYPE_CHECKING:
    from edgevla.bundle import Bundle
    from edgevla.engine.build import Compiler
    from edgevla.engine.cache import EngineCache
    from edgevla.engine.decoding import Decoding
    from edgevla.engine.fingerprint import Fingerprint

Path_ = Annotated[Path, typer.Argument(help="a robot.yaml, a bundle's folder, or the name of a shipped bundle")]


def build(
    path: Path_,
    target: Annotated[
        str,
        typer.Option(help="orin-agx-64, orin-nx-16, orin-nano-8, thor, cpu, gpu: the one in here, or triton: a server"),
    ],
    variant: Annotated[str, typer.Option(help="which graph of the bundle [default: int8, on cpu int8-cpu]")] = "",
    force: Annotated[bool, typer.Option("--force", help="build even if it lies in the cache")] = False,
    workspace_mb: Annotated[int, typer.Option(min=0, help="scratch memory a layer may use; 0 is TensorRT's own")] = 0,
    out: Annotated[Path, typer.Option(help="triton's model repository, one for each bundle")] = Path("models"),
    backend: Annotated[
        str, typer.Option(help="what triton runs graphs with: onnxruntime, or python where it has no such backend")
    ] = "onnxruntime",
    set_: Set = None,
    json: Json = None,
) -> None:
    """Build the engine of a bundle on the machine that will run it; an engine is never carried to another.

    For triton, write the repository of models that a server serves; it may be carried.
    """
    from rich.markup import escape

    from edgevla.engine.build import build as build_engine
    from edgevla.engine.cache import EngineCache
    from edgevla.engine.decoding import place
    from edgevla.engine.verified import graphs
    from edgevla.policy.decode.fused import decoding_of
    from edgevla.runtime.report import envelope, now, write_json

    started = now()
    bundle = find_bundle(path, overrides(set_))
    wanted = variant or ("int8-cpu" if target == "cpu" else "int8")
    if target == TRITON:
        build_repository(bundle, wanted, out, backend, json)
        return
    cache = EngineCache()
    files = graphs(bundle, wanted)
    results: list[dict[str, Any]] = []
    decoding = decoding_of(bundle.manifest)
    compiler = _compiler(target, files, cache, decoding, workspace_mb)
    for file in files:
        with console.status(f"building {escape(file.name)} for {target}"):
            built, new = build_engine(file, compiler, cache, force=force)
        record = built.record
        size = built.plan.stat().st_size if record.plan else 0
        decodes = {"decodes": place(decoding)} if record.plan else {}
        results.append({"graph": str(file), "engine": str(built.folder), "new": new, "size_bytes": size, **decodes})
        rows = {
            "engine": built.folder,
            "from": "built now" if new else "the cache",
            "seconds": record.seconds,
            "size": f"{size / 1e6:.1f} MB" if size else "-",
            **{name: value for name, value in (_words(record.fingerprint) | decodes).items() if value},
            **{f"note {number}": note for number, note in enumerate(record.notes, start=1)},
        }
        print_table(f"{file.name} for {target}", [{"": name, " ": value} for name, value in rows.items()])
    if json is not None:
        write_json(json, envelope("build", started, {"target": target, "variant": wanted, "engines": results}))


def find_bundle(path: Path, changes: dict[str, str]) -> Bundle:
    """The bundle that a robot.yaml names, that lies in a folder, or that ships under a name; its files are checked.

    Raises:
        ConfigError: robot.yaml cannot be used.
        BundleError: the bundle cannot be used, or does not fit the robot.
        NotShipped: there is neither such a folder nor such a name.
    """
    from edgevla.bundle import check_fits, load_manifest
    from edgevla.config.load import load_robot
    from edgevla.runtime.wiring import bundle_folder
    from edgevla.shipped import shipped

    if path.suffix in {".yaml", ".yml"}:
        robot = load_robot(path, changes)
        bundle = load_manifest(bundle_folder(path, robot))
        check_fits(bundle, robot)
        return bundle
    return load_manifest(path if path.exists() else shipped(str(path)))


def _compiler(
    target: str, files: list[Path], cache: EngineCache, decoding: Decoding | None, workspace_mb: int
) -> Compiler:
    from edgevla.engine.base import EngineMissing
    from edgevla.engine.capabilities import check_types
    from edgevla.engine.graph import read_graph
    from edgevla.engine.optional import member
    from edgevla.engine.targets import GPU, TargetElsewhere, check_is_here
    from edgevla.engine.targets import target as find_target

    compiler: Compiler
    if target != GPU:
        machine = find_target(target)
        if machine.engine == "cpu":
            compiler = member("ort_build").OrtCompiler()
            return compiler
        for file in files:  # said at once, on whatever machine this is
            check_types(read_graph(file), machine.compute_capability, target)
    try:
        tensorrt_engine, cuda_pycuda = member("tensorrt_engine"), member("cuda_pycuda")
    except EngineMissing as error:
        raise TargetElsewhere(
            f'an engine for "{target}" must be built on it; here {error.message}',
            fix=f"copy the bundle there and run edgevla build; if this is it: {error.fix}",
        ) from error
    check_is_here(target, cuda_pycuda.describe())
    cuda = cuda_pycuda.PyCuda()
    compiler = tensorrt_engine.TensorRTCompiler(cuda, cache, decoding=decoding, workspace_mb=workspace_mb)
    return compiler


def _words(fingerprint: Fingerprint) -> dict[str, str]:
    return {
        "graph": fingerprint.graph[:16],
        "runtime": fingerprint.runtime,
        "device": fingerprint.device,
        "compute capability": fingerprint.compute_capability,
        "CUDA": fingerprint.cuda,
        "flags": ", ".join(fingerprint.flags),
    }
