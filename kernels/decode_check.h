// What a call may be asked for: checked on the host in every build, before anything is launched.
#pragma once

#include "decode_core.h"

namespace edgevla {

constexpr int32_t kLongest = 1024;             // horizon and width, as policy.yaml allows
constexpr int32_t kLargestVocabulary = 1 << 20;

template <typename... Pointers>
bool all_given(const Pointers *...pointers) {
    return ((pointers != nullptr) && ...);
}

inline bool is_length(int32_t length, int32_t longest = kLongest) { return length >= 1 && length <= longest; }

inline bool is_float(int32_t type) { return type == EDGEVLA_F32 || type == EDGEVLA_F16; }

inline bool is_id(int32_t type) { return type == EDGEVLA_I32 || type == EDGEVLA_I64; }

inline bool is_chunk(int32_t samples, int32_t horizon, int32_t width) {
    return is_length(samples) && is_length(horizon) && is_length(width);
}

inline bool is_space(const edgevla_space &space) {
    return (space.rule == EDGEVLA_SCALE || space.rule == EDGEVLA_HALF) && space.believed > 0.0F &&
           all_given(space.scale, space.offset);
}

inline bool is_runnable(const edgevla_token_args &args) {
    return is_chunk(args.samples, args.horizon, args.dims) && is_length(args.vocabulary, kLargestVocabulary) &&
           args.first >= 0 && args.count >= 1 && args.count <= args.vocabulary - args.first && is_space(args.space) &&
           all_given(args.input, args.values, args.actions, args.ids, args.verdicts);
}

inline bool is_runnable(const edgevla_flow_args &args) {
    return is_chunk(args.samples, args.horizon, args.width) && is_float(args.type) &&
           all_given(args.x, args.velocity, args.out);
}

inline bool is_runnable(const edgevla_finish_args &args) {
    return is_chunk(args.samples, args.horizon, args.width) && is_length(args.dims, args.width) &&
           is_float(args.type) && is_space(args.space) && all_given(args.x, args.actions, args.verdicts);
}

inline bool is_runnable(const edgevla_noise_args &args) {
    return is_chunk(args.samples, args.horizon, args.width) && all_given(args.key, args.out);
}

inline bool is_runnable(const edgevla_ddpm_args &args) {
    return is_chunk(args.samples, args.horizon, args.width) && is_float(args.type) && args.clip > 0.0F &&
           all_given(args.key, args.x, args.epsilon, args.out);
}

inline bool is_runnable(const edgevla_ddim_args &args) {
    return is_chunk(args.samples, args.horizon, args.width) && is_float(args.type) && args.clip > 0.0F &&
           args.signal > 0.0F && (args.spread == 0.0F || (args.spread > 0.0F && args.key != nullptr)) &&
           all_given(args.x, args.epsilon, args.out);
}

inline bool is_runnable(const edgevla_dct_args &args) {
    return is_chunk(args.samples, args.horizon, args.dims) && args.divisor > 0.0 && is_space(args.space) &&
           all_given(args.coefficients, args.basis, args.actions, args.verdicts);
}

inline bool is_runnable(const edgevla_ensemble_args &args) {
    return is_chunk(args.samples, args.horizon, args.width) && is_length(args.dims, args.width) &&
           is_float(args.type) && is_length(args.history) && is_space(args.space) &&
           all_given(args.normalised, args.weights, args.totals, args.shift, args.before, args.before_count,
                     args.actions, args.counts, args.verdicts) &&
           args.before != args.actions && args.before_count != args.counts;
}

}  // namespace edgevla
