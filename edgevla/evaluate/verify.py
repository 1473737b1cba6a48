"""An engine beside the reference on the same observations, in joint units, and the signature that lets it run."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from edgevla import calibration_set
from edgevla.bundle import load_manifest
from edgevla.config.policy_checks import MANIFEST
from edgevla.engine.calibrated import among
from edgevla.engine.graph import file_sha256, read_graph
from edgevla.engine.records import Signoff
from edgevla.engine.signoff import sign
from edgevla.engine.verified import REFERENCE, fingerprints, graphs, signoff_path
from edgevla.errors import EdgeVLAError
from edgevla.policy.decode.fused import decoding_of
from edgevla.policy.loading import load_policy
from edgevla.quantize.dataset import FEWEST, gaps, load_dataset, remembering
from edgevla.quantize.deviation import as_results, compare
from edgevla.quantize.errors import SetUnfit
from edgevla.runtime.report import envelope, now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgevla.config.policy import Manifest
    from edgevla.config.quantisation import Quantisation
    from edgevla.engine.cache import EngineCache
    from edgevla.engine.fingerprint import Fingerprint
    from edgevla.engine.graph import GraphFacts
    from edgevla.messages import Chunk
    from edgevla.policy.policy import Policy
    from edgevla.quantize.dataset import Part
    from edgevla.quantize.deviation import Deviation

SIGNABLE = 200  # observations: of fewer, the worst says little about the worst of a day


class VerifyRefused(EdgeVLAError):
    """There is nothing to compare: the engine is the reference, or the reference itself gives no answer."""


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What to compare, on what.

    Args:
        bundle: its folder.
        variant: which graph.
        target: what runs it.
        observations: a calibration set; only one that the variant was not quantised on leads to a signature.
        limit: at most so many of its observations, spread evenly; for a policy that remembers, its first ones.
    """

    bundle: Path
    variant: str
    target: str
    observations: Path
    limit: int


def verify(
    options: VerifyOptions, progress: Callable[[int, int], None], cache: EngineCache | None = None
) -> dict[str, Any]:
    """Compare, judge by the budget in policy.yaml, sign either way, and report.

    What keeps the budget is signed only if the comparison is worth it: on enough observations, none of which the
    variant was quantised on, on a device that can be named. Otherwise `unsigned` in the results says why not, and an
    older signature stays as it was. What misses the budget is signed as refused in any case.

    Args:
        progress: called with how many observations are done, and of how many.

    Raises:
        VerifyRefused: there is nothing to compare.
        EngineError: the engine cannot be loaded.
        CalibrationSetError: the set is missing, damaged, or was taken for another policy.
        SetUnfit: the set, or what the limit leaves of it, is too small.
    """
    if (options.variant, options.target) == REFERENCE:
        raise VerifyRefused(
            "fp32 on cpu is what the others are compared with", fix="name another --variant or --target"
        )
    started = now()
    bundle = load_manifest(options.bundle)
    if options.limit < FEWEST:
        raise SetUnfit(f"--limit {options.limit}: at least {FEWEST} observations are compared", fix="give more")
    part = load_dataset(options.observations, bundle).first(options.limit, bundle.manifest)
    paths = graphs(bundle, options.variant)
    facts = [read_graph(path) for path in paths]
    engines = fingerprints(paths, options.target, decoding_of(bundle.manifest))
    with ExitStack() as opened:
        reference, policy = (
            load_policy(options.bundle, variant, target=target)
            for variant, target in (REFERENCE, (options.variant, options.target))
        )
        opened.callback(reference.engine.close)
        opened.callback(policy.engine.close)
        provider = policy.engine.provider
        answers = _ask(options, reference, policy, part, progress)
    deviation = compare(bundle.manifest.joints, answers.truths, answers.founds, answers.states_rad)
    results = {
        **as_results(deviation),
        "float_layers": [layer for graph in facts for layer in graph.float_layers],
        "variant": options.variant,
        "target": options.target,
        "provider": provider,
        "invalid": len(answers.invalid),
        "reason": answers.invalid[0] if answers.invalid else "",
        **_judge(deviation, bundle.manifest.quantisation, len(answers.invalid)),
        "held_out": _is_held_out(part, facts),
    }
    reason = _unsignable(part, bundle.manifest, facts, engines) if results["passed"] else ""
    if reason:
        return envelope("verify", started, {**results, "signed": None, "unsigned": reason})
    path = signoff_path(engines, cache)
    sign(
        path,
        Signoff(
            passed=results["passed"],
            engines=engines,
            manifest=file_sha256(options.bundle / MANIFEST),
            observations=file_sha256(options.observations / calibration_set.MANIFEST),
            when=started,
            figures=results,
        ),
    )
    return envelope("verify", started, {**results, "signed": str(path), "unsigned": ""})


class _Answers(NamedTuple):
    """Of the observations to which both answered validly and alike as to the end of the task.

    `invalid` are the reasons for the others.
    """

    truths: NDArray[np.float64]  # (observations, horizon, joints)
    founds: NDArray[np.float64]
    states_rad: NDArray[np.float64]  # (observations, joints)
    invalid: list[str]


def _ask(
    options: VerifyOptions, reference: Policy, policy: Policy, part: Part, progress: Callable[[int, int], None]
) -> _Answers:
    truths, founds, states, invalid = [], [], [], []
    for number, observation in enumerate(part):
        truth, found = reference.act(observation, number), policy.act(observation, number)
        if not truth.valid:
            raise VerifyRefused(
                f"{options.observations}: item {part.indices[number]}: the reference answers {truth.reason}",
                fix="leave it out, or capture a set inside what the policy was trained on",
            )
        if found.valid and found.done != truth.done:
            invalid.append(f"item {part.indices[number]}: says {_word(found)}; the reference says {_word(truth)}")
        elif found.valid:
            truths.append(truth.actions_rad)
            founds.append(found.actions_rad)
            states.append(observation.state_rad)
        else:
            invalid.append(found.reason)
        progress(number + 1, len(part))
    if not founds:
        raise VerifyRefused(
            f"{options.variant} on {options.target}: no answer was valid: {invalid[0]}", fix="build it anew"
        )
    return _Answers(np.array(truths), np.array(founds), np.array(states), invalid)


def _word(chunk: Chunk) -> str:
    return "that the task is done" if chunk.done else "that it goes on"


def _is_held_out(part: Part, graphs: Sequence[GraphFacts]) -> bool | None:
    """Whether the variant was made without these observations; None when a quantised graph does not say on what."""
    if any(_used(part, graph) for graph in graphs):
        return False
    return None if any(graph.quantised and graph.calibrated_on is None for graph in graphs) else True


def _used(part: Part, graph: GraphFacts) -> int:
    return among(graph.calibrated_on or frozenset(), (item.sha256 for item in part.items))


def _unsignable(part: Part, policy: Manifest, graphs: Sequence[GraphFacts], engines: Sequence[Fingerprint]) -> str:
    """Why a comparison that went well does not lead to a signature; empty when it does."""
    folder = part.source.folder
    if used := max(_used(part, graph) for graph in graphs):
        return (
            f"{used} of the {len(part)} observations of {folder} are those that it was quantised on - "
            "give --observations of another set"
        )
    if remembering(part, policy) < len(part) and remembering(part, policy) < SIGNABLE:
        return f"{gaps(part, policy)}, and {SIGNABLE} such observations - record episodes, every frame of them"
    if len(part) < SIGNABLE:
        return f"{len(part)} observations of {folder} were compared; a signature takes {SIGNABLE} - give more of them"
    if not all(engine.device for engine in engines):
        return "neither onnxruntime nor the driver tells which GPU this is: on another one the signature would hold too"
    return ""


def _judge(deviation: Deviation, budget: Quantisation, invalid: int) -> dict[str, Any]:
    spent = deviation.share_of(budget)
    return {
        "budget": msgspec.structs.asdict(budget),
        "spent": round(spent, 4),
        "passed": spent <= 1.0 and invalid == 0,
    }
