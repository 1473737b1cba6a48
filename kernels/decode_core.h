// The maths of decoding, one number at a time: the same source for the CPU and for a GPU.
//
// Every build compiles it without contraction into fused multiply-adds (-ffp-contract=off, -fmad=false) and with
// subnormals kept, which makes the builds equal to each other, and to NumPy, bit for bit.
#pragma once

#include <cstdint>
#include <cstring>

#include "edgevla_decode.h"

#if defined(__CUDACC__)
#define EDGEVLA_HD __host__ __device__ __forceinline__
#else
#define EDGEVLA_HD inline __attribute__((always_inline))
#endif

namespace edgevla {

EDGEVLA_HD float float_of_bits(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

EDGEVLA_HD uint32_t bits_of_float(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

EDGEVLA_HD float quiet_nan() { return float_of_bits(0x7fc00000U); }

EDGEVLA_HD bool is_nan(float value) { return value != value; }

EDGEVLA_HD float magnitude(float value) { return float_of_bits(bits_of_float(value) & 0x7fffffffU); }

EDGEVLA_HD bool is_finite(float value) { return magnitude(value) <= 3.402823466e+38F; }

// An IEEE half as it lies in memory.
struct Half {
    uint16_t bits;
};

EDGEVLA_HD float number(float value) { return value; }

// Exact for every half: rebiases the exponent; subnormal halves are rebuilt by a subtraction that rounds nothing.
EDGEVLA_HD float number(Half half) {
    const uint32_t shifted = (half.bits & 0x7fffU) << 13;
    const uint32_t exponent = shifted & 0x0f800000U;
    const uint32_t special = exponent == 0x0f800000U ? shifted + 0x70000000U : shifted + 0x38000000U;
    const uint32_t small = bits_of_float(float_of_bits(shifted + 0x38800000U) - float_of_bits(0x38800000U));
    return float_of_bits((exponent == 0 ? small : special) | (half.bits & 0x8000U) << 16);
}

// n in the robot's units, by one of the two rules of edgevla_space.
EDGEVLA_HD float unnormalise(int rule, float n, float scale, float offset) {
    const float stretched = rule == EDGEVLA_HALF ? 0.5F * (n + 1.0F) : n;
    return stretched * scale + offset;
}

// Clipped to ±most, but NaN for what is not finite: clipped, a fault would look like an action.
EDGEVLA_HD float clipped(float value, float most) {
    const float raised = value < -most ? -most : value;
    const float kept = raised > most ? most : raised;
    return is_finite(value) ? kept : quiet_nan();
}

// n of column `dim` in the robot's units.
EDGEVLA_HD float unnormalised(const edgevla_space &space, int dim, float n) {
    if (space.mask != nullptr && space.mask[dim] == 0) return n;
    return unnormalise(space.rule, n, space.scale[dim], space.offset[dim]);
}

// An action of column `dim` inside its bounds; NaN stays NaN.
EDGEVLA_HD float clamped(const edgevla_space &space, int dim, float action) {
    const float raised = space.low != nullptr && action < space.low[dim] ? space.low[dim] : action;
    return space.high != nullptr && raised > space.high[dim] ? space.high[dim] : raised;
}

// EDGEVLA_VALID, or what is wrong with a number, its action before the clamp, or what is played in the end.
EDGEVLA_HD int fault_of(float n, float free, float action, float believed) {
    const bool finite = is_finite(n) & is_finite(free) & is_finite(action);
    const int doubt = magnitude(n) > believed ? EDGEVLA_NOT_BELIEVED : EDGEVLA_VALID;
    return finite ? doubt : EDGEVLA_NOT_FINITE;
}

// Faults as numbers, of which the least is the first: the lowest place, with its reason. From kNoFault on it is none.
constexpr int32_t kNoFault = 1 << 30;

EDGEVLA_HD int32_t fault_key(int32_t place, int reason) {
    return (place * 4 + reason) | (reason == EDGEVLA_VALID ? kNoFault : 0);
}

EDGEVLA_HD edgevla_verdict verdict_of(int32_t key, int32_t clamped) {
    if (key >= kNoFault) return {1, EDGEVLA_VALID, -1, clamped};
    return {0, key % 4, key / 4, 0};
}

// A candidate for an argmax. An id below 0 is none.
struct Candidate {
    float logit;
    int32_t id;
};

// Whether `left` is the better: the larger logit, then the lower id. As in NumPy, a NaN is larger than any number, so
// that it is found out.
EDGEVLA_HD bool beats(Candidate left, Candidate right) {
    if (left.id < 0 || right.id < 0) return left.id >= 0;
    const bool left_nan = is_nan(left.logit), right_nan = is_nan(right.logit);
    if (left_nan != right_nan) return left_nan;
    const bool is_tie = left_nan || left.logit == right.logit;
    return is_tie ? left.id < right.id : left.logit > right.logit;
}

EDGEVLA_HD bool is_allowed(const edgevla_token_args &args, int64_t id) {
    const int64_t place = id - args.first;
    return place >= 0 && place < args.count && (args.allowed == nullptr || args.allowed[place] != 0);
}

EDGEVLA_HD int reason_of(const edgevla_token_args &args, Candidate best) {
    if (!is_finite(best.logit)) return EDGEVLA_NOT_FINITE;
    return is_allowed(args, best.id) ? EDGEVLA_VALID : EDGEVLA_NOT_AN_ACTION;
}

// What stands in `ids`: the choice, or -1.
EDGEVLA_HD int32_t id_of(Candidate best) { return is_finite(best.logit) ? best.id : -1; }

EDGEVLA_HD int32_t id_within(const edgevla_token_args &args, int64_t id) {
    return id >= 0 && id < args.vocabulary ? static_cast<int32_t>(id) : -1;
}

EDGEVLA_HD float euler(float x, float velocity, float dt) { return x + dt * velocity; }

EDGEVLA_HD float ddpm(const edgevla_ddpm_args &args, float x, float epsilon, float z, bool active) {
    const float mean = args.inverse * (x - args.share * epsilon);
    const float next = clipped(mean + args.spread * z, args.clip);
    return active ? next : args.masked * z;
}

// Without noise, before `spread * z` is added.
EDGEVLA_HD float ddim(const edgevla_ddim_args &args, float x, float epsilon) {
    const float x0 = clipped((x - args.noise * epsilon) / args.signal, args.clip);
    return args.signal_next * x0 + args.direction * epsilon;
}

// How many plans `before` has averaged for the moment of this row; at most one less than the weights there are.
EDGEVLA_HD int32_t earlier_plans(const edgevla_ensemble_args &args, int64_t sample, int row) {
    const int32_t shift = args.shift[sample];
    if (shift < 0 || shift >= args.horizon - row) return 0;
    const int32_t count = args.before_count[sample * args.horizon + row + shift];
    return count < args.history ? count : args.history - 1;
}

// Their mean with one more.
EDGEVLA_HD float ensembled(const edgevla_ensemble_args &args, int32_t earlier, float before, float action) {
    return (before * args.totals[earlier - 1] + action * args.weights[earlier]) / args.totals[earlier];
}

}  // namespace edgevla
