"""`python -m tests.motors.fuzz_codecs --count 1000000`: every codec against whatever a line may deliver.

Each case is a request for the codec to take or refuse, and a stream of replies for its parser, fed in pieces. Both are
random, whole, cut, glued together, or have some bits flipped. What must hold, whatever comes:

- nothing but the codec's own refusal is raised;
- what is taken has the right checksum, counted anew by a second reading; a reply that is found stands in the stream;
- a frame with so few flipped bits that the checksum's arithmetic always sees it is never taken;
- whole frames are always taken and whole replies always found; and the parser keeps no more than one frame.

The same seed gives the same cases. A damaged frame or reply may still be taken where its checksum happens to fit: the
table says how many were.
"""

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edgevla.runtime.report import envelope, now, write_json
from tests.motors.fuzz_oracles import ORACLES

HEADERS = ("codec", "cases", "whole", "damaged", "taken", "replies", "damaged", "kept B", "per s")
SHAPES = ("whole", "random", "cut", "glued", "flipped")


class Broken(AssertionError):
    """A codec did what it must not; the message holds the bytes."""


def fuzz(oracle, count, seed):
    """Run `count` cases against one codec and return the figures.

    Raises:
        Broken: one of the promises does not hold.
    """
    rng = random.Random(f"{oracle.name} {seed}")
    seen = Counter()
    started_s = time.perf_counter()
    for _ in range(count):
        shape = SHAPES[rng.randrange(len(SHAPES))]
        _request_case(oracle, rng, shape, seen)
        _reply_case(oracle, rng, shape, seen)
    return {
        "codec": oracle.name,
        "cases": count,
        **{key: seen[key] for key in ("whole", "damaged", "damaged_taken", "replies", "damaged_replies_found")},
        "kept_bytes": seen["kept_bytes"],
        "cases_per_s": round(count / (time.perf_counter() - started_s)),
    }


def _request_case(oracle, rng, shape, seen):
    whole = oracle.request(rng)
    frame, flips = _spoilt(whole, oracle.request(rng), rng, shape)
    try:
        taken = oracle.accepts(frame)
    except ValueError:
        taken = False
    except Exception as error:
        raise Broken(f"{oracle.name}: {error!r} from {frame.hex()}") from error
    seen["whole" if frame == whole else "damaged"] += 1
    if taken and not oracle.is_sound(frame):
        raise Broken(f"{oracle.name}: took a frame with a bad checksum: {frame.hex()}")
    if frame == whole and not taken:
        raise Broken(f"{oracle.name}: refused its own frame: {frame.hex()}")
    if taken and frame != whole:
        if flips and flips <= oracle.sure_flips:
            raise Broken(f"{oracle.name}: took {frame.hex()} with {flips} flipped bits, of {whole.hex()}")
        seen["damaged_taken"] += 1


def _reply_case(oracle, rng, shape, seen):
    whole = oracle.reply(rng)
    spoilt, _ = _spoilt(whole, oracle.reply(rng), rng, shape)
    stream = spoilt if shape != "whole" else bytes(oracle.keeps_bytes + 1) + whole
    parser = oracle.parser()
    at = 0
    while at < len(stream):
        size = rng.randint(1, 40)
        try:
            parser.feed(stream[at : at + size])
        except Exception as error:
            raise Broken(f"{oracle.name}: {error!r} from the stream {stream.hex()}") from error
        at += size
        seen["kept_bytes"] = max(seen["kept_bytes"], len(parser._pending))
    if seen["kept_bytes"] > oracle.keeps_bytes:
        raise Broken(f"{oracle.name}: keeps {seen['kept_bytes']} bytes after {stream.hex()}")
    found = oracle.replies(parser)
    for reply in found:
        if reply.strip(b"\0") not in stream:
            raise Broken(f"{oracle.name}: found {reply.hex()}, which is not in {stream.hex()}")
    if shape == "whole" and whole not in found:
        raise Broken(f"{oracle.name}: did not find {whole.hex()}")
    seen["replies"] += len(found)
    if shape in ("random", "flipped"):
        seen["damaged_replies_found"] += sum(reply != whole for reply in found)


def _spoilt(whole, other, rng, shape):
    """Return the bytes and how many bits were flipped in a frame of the right length."""
    if shape == "random":
        return whole[: rng.randrange(8)] + rng.randbytes(rng.randrange(80)), 0
    if shape == "cut":
        start = rng.randrange(len(whole)) if rng.random() < 0.5 else 0
        return whole[start : rng.randrange(start, len(whole))], 0
    if shape == "glued":
        return rng.choice((whole + other, whole + rng.randbytes(5), rng.randbytes(5) + whole, whole[:-1] + other)), 0
    if shape == "flipped":
        bits = rng.sample(range(8 * len(whole)), rng.choice((1, 1, 2, 3, 4, 8)))
        damaged = bytearray(whole)
        for bit in bits:
            damaged[bit // 8] ^= 1 << bit % 8
        return bytes(damaged), len(bits)
    return whole, 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=100_000, help="cases for each codec")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    started = now()
    try:
        rows = [fuzz(oracle, arguments.count, arguments.seed) for oracle in ORACLES]
    except Broken as error:
        print(f"broken: {error}", file=sys.stderr)
        return 1
    table = Table(*HEADERS, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else value for value in row.values()))
    Console().print(table)
    if arguments.json:
        write_json(arguments.json, envelope("fuzz-codecs", started, {"seed": arguments.seed, "codecs": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
