"""What every importer answers with, and how it becomes a bundle."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgevla.bundle import Action, Language, Manifest, write_manifest
from edgevla.importers.errors import ImportRefused
from edgevla.policy.language import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from edgevla.bundle import Bundle, Normalisation, TensorSpec
    from edgevla.config.policy import Tokenizer
    from edgevla.config.policy_families import Diffusion, EndEffector, Execution, Flow, Regression, Tokens
    from edgevla.importers.answers import Answers
    from edgevla.importers.export import Piece

VOCABULARY, TOKENIZER = "vocabulary.txt", "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Sentences:
    """How a policy on a language model reads: `save` writes its `tokenizer.json` to the path it is given."""

    save: Callable[[Path], None]
    config: Tokenizer
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A checkpoint's network and what its numbers mean.

    Args:
        family: of policy.yaml.
        prefix: the graph that runs once a chunk; the only one of a policy that takes one pass.
        step: the graph that runs again and again.
        inputs: of the policy, in policy.yaml's words.
        state: statistics of the state.
        action: statistics of the actions.
        horizon: rows of a chunk.
        relative: which actions are relative to the state; empty for none.
        actions: names of the numbers of an action, where they are no joints.
        output: what the graph, or the loop, calls its actions.
        sections: of policy.yaml, by name: the family's numbers, `execution`.
        sentences: None for a policy that reads no language.
    """

    family: str
    prefix: Piece
    step: Piece | None = None
    inputs: tuple[TensorSpec, ...]
    state: Normalisation
    action: Normalisation
    horizon: int
    relative: list[bool] = field(default_factory=list)
    actions: tuple[str, ...] = ()
    output: str = "actions"
    sections: Mapping[str, Regression | Tokens | Diffusion | Flow | EndEffector | Execution] = field(
        default_factory=dict
    )
    sentences: Sentences | None = None


@contextlib.contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A draft beside `out` for the body to fill, which takes its name when the body ends and is gone if it fails.

    Raises:
        ImportRefused: `out` is there already.
    """
    if out.exists():
        raise ImportRefused(f"{out}: is there already", fix="name another folder, or remove this one")
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        yield draft
        draft.replace(out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def write_bundle(network: Network, answers: Answers, folder: Path) -> Bundle:
    """Export the graphs into a folder and write the policy.yaml that says what they mean.

    Raises:
        ImportRefused: a graph cannot be exported.
        Differs: a graph computes something else than the network.
        BundleError: policy.yaml would contradict itself.
    """
    from edgevla.importers.export import export

    pieces = [piece for piece in (network.prefix, network.step) if piece is not None]
    files = [file for piece in pieces for file in export(piece, folder)]
    language = _language(network.sentences, answers, folder)
    return write_manifest(folder, _manifest(network, answers, language, files))


def _language(sentences: Sentences | None, answers: Answers, folder: Path) -> Language:
    """Write the vocabulary: the language model's, or for a policy without language the words of its instructions."""
    if sentences is not None:
        sentences.save(folder / TOKENIZER)
        return Language(
            vocabulary=TOKENIZER,
            tokenizer=sentences.config,
            length=sentences.length,
            instructions=answers.instructions,
        )
    words = sorted({word for sentence in answers.instructions for word in words_of(sentence)})
    (folder / VOCABULARY).write_text("\n".join(["<pad>", *words]) + "\n", encoding="utf-8")
    longest = max(len(words_of(sentence)) for sentence in answers.instructions)
    return Language(vocabulary=VOCABULARY, length=longest, instructions=answers.instructions)


def _manifest(network: Network, answers: Answers, language: Language, files: list[str]) -> Manifest:
    names = network.actions or tuple(joint.name for joint in answers.joints)
    absolute = [name for name, moves in zip(names, network.relative, strict=False) if not moves]
    sections: dict[str, Any] = dict(network.sections)
    return Manifest(
        format="edgevla-bundle/1",
        name=answers.name,
        family=network.family,
        graphs={"fp32": network.prefix.file},
        steps={} if network.step is None else {"fp32": network.step.file},
        inputs=network.inputs,
        state=network.state,
        action=Action(
            output=network.output,
            names=names,
            unit="rad",
            kind="delta" if any(network.relative) else "absolute",
            absolute=tuple(absolute) if any(network.relative) else (),
            rate_hz=answers.rate_hz,
            horizon=network.horizon,
            normalisation=network.action,
            space="end_effector" if network.actions else "joints",
        ),
        language=language,
        files=dict.fromkeys(files, ""),
        **sections,
    )
