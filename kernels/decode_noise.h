// Standard normal noise from a counter: no state, and the same bits on every device and in NumPy.
//
// The layout and the series are those of edgevla/policy/decode/noise.py, operation for operation; the reasons are there.
#pragma once

#include <cmath>

#include "decode_core.h"

namespace edgevla {

struct Words {
    uint32_t w[4];
};

EDGEVLA_HD uint32_t high_product(uint32_t a, uint32_t b) {
    return static_cast<uint32_t>(static_cast<uint64_t>(a) * b >> 32);
}

// Philox4x32-10.
EDGEVLA_HD Words philox(uint32_t k0, uint32_t k1, Words counter) {
    uint32_t c0 = counter.w[0], c1 = counter.w[1], c2 = counter.w[2], c3 = counter.w[3];
    for (int round = 0; round < 10; ++round) {
        const uint32_t high0 = high_product(0xD2511F53U, c0), low0 = 0xD2511F53U * c0;
        const uint32_t high1 = high_product(0xCD9E8D57U, c2), low1 = 0xCD9E8D57U * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
    return {{c0, c1, c2, c3}};
}

// A reciprocal rounded once from float64, as noise.py's coefficients are.
EDGEVLA_HD constexpr float reciprocal(double n) { return static_cast<float>(1.0 / n); }

// ln(share / 2^24) for 1 <= share <= 2^24.
EDGEVLA_HD float log_of_share(uint32_t share) {
    const uint32_t bits = bits_of_float(static_cast<float>(share));
    const float half_to_one = float_of_bits((bits & 0x007fffffU) | 0x3f000000U);
    const bool small = half_to_one * 1.41421356F < 1.0F;
    const float fraction = small ? half_to_one + half_to_one : half_to_one;
    const float exponent = static_cast<float>(static_cast<int32_t>(bits >> 23) - 126 - (small ? 1 : 0) - 24);
    const float s = (fraction - 1.0F) / (fraction + 1.0F);
    const float square = s * s;
    float series = reciprocal(9);
    series = series * square + reciprocal(7);
    series = series * square + reciprocal(5);
    series = series * square + reciprocal(3);
    series = series * square + 1.0F;
    return exponent * 0.693147181F + (s + s) * series;
}

struct Pair {
    float first;
    float second;
};

// Cosine and sine of a turn: the top two bits choose a quarter, the next 24 a place in it.
EDGEVLA_HD Pair turn(uint32_t word) {
    const int32_t place = static_cast<int32_t>(word >> 6 & 0xFFFFFFU) - (1 << 23);
    const float x = static_cast<float>(place) * static_cast<float>(1.5707963267948966 / 16777216.0);
    const float square = x * x;
    float series = reciprocal(362880);
    series = series * square + reciprocal(-5040);
    series = series * square + reciprocal(120);
    series = series * square + reciprocal(-6);
    series = series * square + 1.0F;
    const float sine = x * series;
    series = reciprocal(-3628800);
    series = series * square + reciprocal(40320);
    series = series * square + reciprocal(-720);
    series = series * square + reciprocal(24);
    series = series * square + reciprocal(-2);
    series = series * square + 1.0F;
    const float cosine = series;
    const bool odd = (word >> 30 & 1U) != 0;
    const float turned_cosine = odd ? -sine : cosine, turned_sine = odd ? cosine : sine;
    return (word >> 31) != 0 ? Pair{-turned_cosine, -turned_sine} : Pair{turned_cosine, turned_sine};
}

EDGEVLA_HD Pair box_muller(uint32_t radius_word, uint32_t angle_word) {
    const float radius = std::sqrt(-2.0F * log_of_share((radius_word >> 8) + 1));
    const Pair direction = turn(angle_word);
    return {radius * direction.first, radius * direction.second};
}

struct Normals {
    float z[4];
};

// The normals of numbers 4 * block … 4 * block + 3 of a draw. `key` as in edgevla_noise_args.
EDGEVLA_HD Normals normals(const uint32_t *key, uint32_t draw, uint32_t block) {
    const Words words = philox(key[0], key[1], {{block, draw, key[2], key[3]}});
    const Pair front = box_muller(words.w[0], words.w[1]);
    const Pair back = box_muller(words.w[2], words.w[3]);
    return {{front.first, front.second, back.first, back.second}};
}

EDGEVLA_HD float normal(const uint32_t *key, uint32_t draw, uint32_t number_in_draw) {
    return normals(key, draw, number_in_draw / 4).z[number_in_draw % 4];
}

}  // namespace edgevla
