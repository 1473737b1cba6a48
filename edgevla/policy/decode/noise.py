"""Gaussian noise as a pure function of seed, chunk, draw and index: the same bits on every machine.

A counter-based generator needs no state, so a chunk can be computed again, anywhere and in any order. Integers come
from Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), normals from Box and Muller's
transform. Logarithm, sine and cosine are short series of float32 additions, multiplications and one division, each
rounded by itself and in the order written here: libraries disagree in the last bits of these functions, IEEE
arithmetic does not. Fused multiply-add would change the bits.

The layout, for kernels that have to give the same numbers:

- a noise key holds the words (seed low, seed high, chunk low, chunk high)
- Philox's key is (seed low, seed high), its counter (block, draw, chunk low, chunk high)
- draw 0 is the sample the denoising begins with, draw 1 + k the noise added by step k
- number i of a draw, row-major over (horizon, width), stands in block i div 4 at lane i mod 4; of the block's words
  r0..r3, lanes 0 and 1 are the cosine and the sine of (r0, r1), lanes 2 and 3 those of (r2, r3)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
_WEYL = (0x9E3779B9, 0xBB67AE85)  # what the key grows by from round to round
_ROUNDS = 10
_WORD = np.uint64(32)
_LOW = 0xFFFFFFFF

_ONE = np.float32(1.0)
_LN2 = np.float32(math.log(2.0))
_SQRT2 = np.float32(math.sqrt(2.0))
_ANGLE = np.float32(math.pi / 2.0 / 2**24)  # of one of the 2^24 parts of a quarter turn
_LOG = tuple(np.float32(1.0 / n) for n in (9, 7, 5, 3, 1))  # atanh(s) / s in powers of s^2
_SINE = tuple(np.float32(1.0 / n) for n in (362880, -5040, 120, -6, 1))
_COSINE = tuple(np.float32(1.0 / n) for n in (-3628800, 40320, -720, 24, -2, 1))


NOISE_KEY = "noise_key"  # what an engine that makes noise calls the input that tells it which


def noise_key(seed: int, chunk: int) -> NDArray[np.uint32]:
    """Return the (4,) words that decide all noise of one chunk; both numbers are taken modulo 2^64."""
    return np.array([word & _LOW for word in (seed, seed >> 32, chunk, chunk >> 32)], np.uint32)


def normals(shape: tuple[int, ...], key: NDArray[np.uint32], draw: int | NDArray[np.int64]) -> NDArray[np.float32]:
    """Return standard normal numbers, at most 5.77 from zero.

    Args:
        shape: of one draw; the last two are horizon and width.
        key: (4,) from `noise_key`.
        draw: which noise of the chunk, see above. An array of them gives all at once, (*draw.shape, *shape).
    """
    draws, count = np.atleast_1d(draw), math.prod(shape)
    blocks = -(-count // 4)
    counter = np.empty((4, len(draws) * blocks), np.uint64)
    counter[0], counter[1] = np.tile(np.arange(blocks), len(draws)), np.repeat(draws, blocks)
    counter[2], counter[3] = key[2], key[3]
    words = philox(counter, (int(key[0]), int(key[1]))).astype(np.uint32)
    numbers = np.empty((len(draws) * blocks, 4), np.float32)
    for lane in (0, 2):
        numbers[:, lane], numbers[:, lane + 1] = box_muller(words[lane], words[lane + 1])
    return numbers.reshape(len(draws), blocks * 4)[:, :count].reshape(*np.shape(draw), *shape)


def philox(counter: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Return the four words of each block; `counter` is (4, blocks), its values and those returned below 2^32."""
    c0, c1, c2, c3 = counter
    for index in range(_ROUNDS):
        k0, k1 = (np.uint64((word + index * step) & _LOW) for word, step in zip(key, _WEYL, strict=True))
        low, high = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        mask = np.uint64(_LOW)
        c0, c1, c2, c3 = (high >> _WORD) ^ c1 ^ k0, high & mask, (low >> _WORD) ^ c3 ^ k1, low & mask
    return np.stack([c0, c1, c2, c3])


def box_muller(
    radius_word: NDArray[np.uint32], angle_word: NDArray[np.uint32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return two independent standard normals for each pair of words."""
    share = (radius_word >> np.uint32(8)) + np.uint32(1)
    radius: NDArray[np.float32] = np.sqrt(np.float32(-2.0) * _log_of_share(share))
    cosine, sine = _turn(angle_word)
    return radius * cosine, radius * sine


def _log_of_share(share: NDArray[np.uint32]) -> NDArray[np.float32]:
    """ln(share / 2^24) for 1 <= share <= 2^24: exactly 0 at the upper end, so that no radius is the root of less."""
    fraction, exponent = np.frexp(share.astype(np.float32))  # fraction in [0.5, 1), exact
    small = fraction * _SQRT2 < _ONE
    fraction = np.where(small, fraction + fraction, fraction)  # now in [0.707, 1.414), where the series is short
    s = (fraction - _ONE) / (fraction + _ONE)
    of_two: NDArray[np.float32] = (exponent - small - 24).astype(np.float32) * _LN2
    of_fraction: NDArray[np.float32] = (s + s) * _horner(_LOG, s * s)
    return of_two + of_fraction


def _turn(word: NDArray[np.uint32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine and sine of an angle uniform on the circle: the top two bits choose a quarter, the next 24 a place in it.

    The quarters lie around the axes, from -45 to 45 degrees, so that the series are short.
    """
    quarter = word >> np.uint32(30)
    place = ((word >> np.uint32(6)) & np.uint32(0xFFFFFF)).astype(np.int32) - np.int32(1 << 23)
    x = place.astype(np.float32) * _ANGLE
    square = x * x
    sine, cosine = x * _horner(_SINE, square), _horner(_COSINE, square)
    odd = (quarter & np.uint32(1)).astype(bool)
    # A quarter turn takes (c, s) to (-s, c).
    turned_cosine, turned_sine = np.where(odd, -sine, cosine), np.where(odd, cosine, sine)
    half = (quarter >> np.uint32(1)).astype(bool)
    return np.where(half, -turned_cosine, turned_cosine), np.where(half, -turned_sine, turned_sine)


def _horner(coefficients: tuple[np.float32, ...], x: NDArray[np.float32]) -> NDArray[np.float32]:
    """A polynomial, its highest coefficient first: ((c0 * x + c1) * x + c2) ..., all in float32."""
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total
