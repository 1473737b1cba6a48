// The C ABI on a CPU, for production: loops that a compiler turns into vectors, over the same maths as the kernels.
#include <algorithm>
#include <cmath>

#include "decode_check.h"
#include "decode_chunk.h"
#include "decode_noise.h"

// On x86 each entry exists for AVX-512, AVX2 and plain SSE2, and the loader takes the one that the processor has: one
// library runs everywhere. Without contraction all of them give the same bits.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(EDGEVLA_BASELINE)
#define EDGEVLA_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define EDGEVLA_CLONES
#endif

namespace edgevla {
namespace {

template <typename Args>
EDGEVLA_HD bool refuses(const Args *args) {
    return args == nullptr || !is_runnable(*args);
}

// A space with nothing left to ask in the inner loop.
struct Columns {
    float scale[kLongest], offset[kLongest], low[kLongest], high[kLongest];
    int32_t through[kLongest];

    EDGEVLA_HD Columns(const edgevla_space &space, int dims) {
        for (int dim = 0; dim < dims; ++dim) {
            scale[dim] = space.scale[dim];
            offset[dim] = space.offset[dim];
            low[dim] = space.low == nullptr ? -INFINITY : space.low[dim];
            high[dim] = space.high == nullptr ? INFINITY : space.high[dim];
            through[dim] = space.mask != nullptr && space.mask[dim] == 0;
        }
    }
};

// How every family ends, as the kernels' function of this name. `chunk` may read from `actions` what this replaces.
template <int kRule, typename Chunk>
EDGEVLA_HD bool settle_by(const Chunk &chunk, const edgevla_space &space, int horizon, int dims, float *actions,
                          edgevla_verdict *verdict) {
    const Columns columns(space, dims);
    const float believed = space.believed;
    int32_t fault = kNoFault, clamped = 0;
    for (int row = 0; row < horizon; ++row) {
        float *out = actions + static_cast<int64_t>(row) * dims;
#pragma GCC ivdep
        for (int dim = 0; dim < dims; ++dim) {
            const float n = chunk.normalised(row, dim);
            const float own = unnormalise(kRule, n, columns.scale[dim], columns.offset[dim]);
            const float free = chunk.placed(dim, columns.through[dim] != 0 ? n : own);
            const float raised = free < columns.low[dim] ? columns.low[dim] : free;
            const float kept = raised > columns.high[dim] ? columns.high[dim] : raised;
            const float action = chunk.averaged(row, dim, kept);
            out[dim] = action;
            const int reason = chunk.reason(row, dim, fault_of(n, free, action, believed));
            const int32_t key = fault_key(row * dims + dim, reason);
            fault = std::min(fault, key);
            clamped += kept != free;
        }
    }
    if (fault < kNoFault) std::fill_n(actions, static_cast<int64_t>(horizon) * dims, quiet_nan());
    *verdict = verdict_of(fault, clamped);
    return fault >= kNoFault;
}

template <typename Chunk>
EDGEVLA_HD bool settle(const Chunk &chunk, const edgevla_space &space, int horizon, int dims, float *actions,
                       edgevla_verdict *verdict) {
    return space.rule == EDGEVLA_HALF ? settle_by<EDGEVLA_HALF>(chunk, space, horizon, dims, actions, verdict)
                                      : settle_by<EDGEVLA_SCALE>(chunk, space, horizon, dims, actions, verdict);
}

// ---- tokens ----

constexpr int kLanes = 64;

// The argmax of a row: first what it is, all lanes at once, then where it is. A NaN counts as in `beats`.
template <typename Logit>
EDGEVLA_HD Candidate best_of(const Logit *logits, int32_t vocabulary) {
    float most[kLanes];
    int32_t nans[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
        most[lane] = -INFINITY;
        nans[lane] = 0;
    }
    const int32_t whole = vocabulary / kLanes * kLanes;
    for (int32_t start = 0; start < whole; start += kLanes) {
        for (int lane = 0; lane < kLanes; ++lane) {
            const float logit = number(logits[start + lane]);
            most[lane] = logit > most[lane] ? logit : most[lane];
            nans[lane] |= logit != logit;
        }
    }
    for (int32_t id = whole; id < vocabulary; ++id) {
        const float logit = number(logits[id]);
        most[0] = logit > most[0] ? logit : most[0];
        nans[0] |= logit != logit;
    }
    const float best = *std::max_element(most, most + kLanes);
    if (std::any_of(nans, nans + kLanes, [](int32_t nan) { return nan != 0; })) return {quiet_nan(), -1};
    for (int32_t start = 0; start < whole; start += kLanes) {
        int32_t hits = 0;
        for (int lane = 0; lane < kLanes; ++lane) hits |= number(logits[start + lane]) == best;
        if (hits == 0) continue;
        for (int32_t id = start;; ++id)
            if (number(logits[id]) == best) return {best, id};
    }
    for (int32_t id = whole;; ++id)
        if (number(logits[id]) == best) return {best, id};
}

template <typename Logit>
EDGEVLA_HD void token_logits(const edgevla_token_args &args) {
    const int32_t tokens = args.horizon * args.dims;
    for (int64_t sample = 0; sample < args.samples; ++sample) {
        int32_t *ids = args.ids + sample * tokens, *reasons = args.scratch + sample * (1 + tokens) + 1;
        for (int32_t token = 0; token < tokens; ++token) {
            const Logit *row = static_cast<const Logit *>(args.input) + (sample * tokens + token) * args.vocabulary;
            const Candidate best = best_of(row, args.vocabulary);
            ids[token] = id_of(best);
            reasons[token] = reason_of(args, best);
        }
        settle(TokenChunk(args, ids, reasons), args.space, args.horizon, args.dims, args.actions + sample * tokens,
               args.verdicts + sample);
    }
}

template <typename Id>
EDGEVLA_HD void token_ids(const edgevla_token_args &args) {
    const int64_t tokens = args.horizon * args.dims;
    for (int64_t sample = 0; sample < args.samples; ++sample) {
        const Id *given = static_cast<const Id *>(args.input) + sample * tokens;
        for (int64_t token = 0; token < tokens; ++token)
            args.ids[sample * tokens + token] = id_within(args, given[token]);
        settle(IdChunk<Id>(args, given), args.space, args.horizon, args.dims, args.actions + sample * tokens,
               args.verdicts + sample);
    }
}

// ---- flow ----

template <typename Args>
EDGEVLA_HD int64_t numbers_of(const Args &args) {
    return static_cast<int64_t>(args.samples) * args.horizon * args.width;
}

template <typename Velocity>
EDGEVLA_HD void flow_step(const edgevla_flow_args &args) {
    const Velocity *velocity = static_cast<const Velocity *>(args.velocity);
    const float *x = args.x;
    float *out = args.out;
    const float dt = args.dt;
    const int64_t count = numbers_of(args);
#pragma GCC ivdep
    for (int64_t i = 0; i < count; ++i) out[i] = euler(x[i], number(velocity[i]), dt);
}

template <typename Chunk>
EDGEVLA_HD void finish(const edgevla_finish_args &args) {
    for (int64_t sample = 0; sample < args.samples; ++sample)
        settle(Chunk(args, sample * args.horizon * args.width), args.space, args.horizon, args.dims,
               args.actions + sample * args.horizon * args.dims, args.verdicts + sample);
}

// ---- diffusion ----

constexpr int kBlocks = 64;

// Calls `step` with the noise of each run of at most 4 * kBlocks numbers of a sample.
template <typename Args, typename Step>
EDGEVLA_HD void with_noise(const Args &args, const Step &step) {
    const int32_t per_sample = args.horizon * args.width;
    alignas(64) float noise[4 * kBlocks];
    for (int64_t sample = 0; sample < args.samples; ++sample) {
        const uint32_t key[4] = {args.key[sample * 4], args.key[sample * 4 + 1], args.key[sample * 4 + 2],
                                 args.key[sample * 4 + 3]};
        for (int32_t start = 0; start < per_sample; start += 4 * kBlocks) {
            const int32_t count = std::min(4 * kBlocks, per_sample - start), blocks = (count + 3) / 4;
            for (int32_t block = 0; block < blocks; ++block) {
                const Normals four = normals(key, args.draw, start / 4 + block);
                for (int lane = 0; lane < 4; ++lane) noise[block * 4 + lane] = four.z[lane];
            }
            step(sample * per_sample + start, start, count, noise);
        }
    }
}

template <typename Epsilon>
EDGEVLA_HD void ddpm_step(const edgevla_ddpm_args &args) {
    const Epsilon *epsilon = static_cast<const Epsilon *>(args.epsilon);
    with_noise(args, [&](int64_t first, int32_t start, int32_t count, const float *z) __attribute__((always_inline)) {
        const float *x = args.x + first;
        const Epsilon *predicted = epsilon + first;
        float *out = args.out + first;
        for (int32_t i = 0; i < count; ++i) {
            const bool active = args.active == nullptr || args.active[(start + i) % args.width] != 0;
            out[i] = ddpm(args, x[i], number(predicted[i]), z[i], active);
        }
    });
}

template <typename Epsilon>
EDGEVLA_HD void ddim_step(const edgevla_ddim_args &args) {
    const Epsilon *epsilon = static_cast<const Epsilon *>(args.epsilon);
    const edgevla_ddim_args own = args; // whose numbers no store can reach
    const int64_t count = numbers_of(args);
#pragma GCC ivdep
    for (int64_t i = 0; i < count; ++i) own.out[i] = ddim(own, own.x[i], number(epsilon[i]));
    if (args.spread == 0.0F) return;
    with_noise(args, [&](int64_t first, int32_t, int32_t count, const float *z) __attribute__((always_inline)) {
        float *out = args.out + first;
        for (int32_t i = 0; i < count; ++i) out[i] += args.spread * z[i];
    });
}

// ---- FAST ----

// What the inverse DCT has left in `actions`.
struct SummedChunk : PlainChunk {
    const float *n;
    int dims;

    EDGEVLA_HD SummedChunk(const float *n, int dims) : n(n), dims(dims) {}
    EDGEVLA_HD float normalised(int row, int dim) const { return n[row * dims + dim]; }
};

// Each number is a sum over rising k; eight of them grow side by side.
EDGEVLA_HD void inverse_dct(const edgevla_dct_args &args, const int32_t *coefficients, float *n) {
    constexpr int kAbreast = 8;
    double scaled[kLongest];
    for (int dim = 0; dim < args.dims; ++dim) {
        for (int k = 0; k < args.horizon; ++k) scaled[k] = coefficients[k * args.dims + dim] / args.divisor;
        for (int start = 0; start < args.horizon; start += kAbreast) {
            const int count = std::min(kAbreast, args.horizon - start);
            double sum[kAbreast] = {};
            for (int k = 0; k < args.horizon; ++k)
                for (int i = 0; i < count; ++i) sum[i] += args.basis[(start + i) * args.horizon + k] * scaled[k];
            for (int i = 0; i < count; ++i) n[(start + i) * args.dims + dim] = static_cast<float>(sum[i]);
        }
    }
}

// ---- ensemble ----

template <typename Number>
EDGEVLA_HD void ensemble(const edgevla_ensemble_args &args) {
    for (int64_t sample = 0; sample < args.samples; ++sample) {
        const int64_t rows = sample * args.horizon;
        const bool valid = settle(EnsembleChunk<Number>(args, sample), args.space, args.horizon, args.dims,
                                  args.actions + rows * args.dims, args.verdicts + sample);
        for (int row = 0; row < args.horizon; ++row)
            args.counts[rows + row] = valid ? earlier_plans(args, sample, row) + 1 : 0;
    }
}

}  // namespace
}  // namespace edgevla

using namespace edgevla;

EDGEVLA_CLONES int edgevla_token_logits(const edgevla_token_args *args, void *) {
    if (refuses(args) || args->scratch == nullptr || !is_float(args->type)) return EDGEVLA_BAD_ARGUMENT;
    args->type == EDGEVLA_F16 ? token_logits<Half>(*args) : token_logits<float>(*args);
    return EDGEVLA_OK;
}

EDGEVLA_CLONES int edgevla_token_ids(const edgevla_token_args *args, void *) {
    if (refuses(args) || !is_id(args->type)) return EDGEVLA_BAD_ARGUMENT;
    args->type == EDGEVLA_I64 ? token_ids<int64_t>(*args) : token_ids<int32_t>(*args);
    return EDGEVLA_OK;
}

EDGEVLA_CLONES int edgevla_flow_step(const edgevla_flow_args *args, void *) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    args->type == EDGEVLA_F16 ? flow_step<Half>(*args) : flow_step<float>(*args);
    return EDGEVLA_OK;
}

EDGEVLA_CLONES int edgevla_flow_finish(const edgevla_finish_args *args, void *) {
    if (refuses(args) || args->velocity == nullptr) return EDGEVLA_BAD_ARGUMENT;
    args->type == EDGEVLA_F16 ? finish<FlowChunk<Half>>(*args) : finish<FlowChunk<float>>(*args);
    return EDGEVLA_OK;
}

EDGEVLA_CLONES int edgevla_unnormalise(const edgevla_finish_args *args, void *) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    args->type == EDGEVLA_F16 ? finish<ReadyChunk<Half>>(*args) : finish<ReadyChunk<float>>(*args);
    return EDGEVLA_OK;
}

EDGEVLA_CLONES int edgevla_noise(const edgevla_noise_args *args, void *) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    with_noise(*args, [&](int64_t first, int32_t, int32_t count, const float *z) __attribute__((always_inline)) {
        std::copy_n(z, count, args->out + first);
    });
    return EDGEVLA_OK;
}

EDGEVLA_CLONES int edgevla_ddpm_step(const edgevla_ddpm_args *args, void *) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    args->type == EDGEVLA_F16 ? ddpm_step<Half>(*args) : ddpm_step<float>(*args);
    return EDGEVLA_OK;
}

EDGEVLA_CLONES int edgevla_ddim_step(const edgevla_ddim_args *args, void *) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    args->type == EDGEVLA_F16 ? ddim_step<Half>(*args) : ddim_step<float>(*args);
    return EDGEVLA_OK;
}

EDGEVLA_CLONES int edgevla_inverse_dct(const edgevla_dct_args *args, void *) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    for (int64_t sample = 0; sample < args->samples; ++sample) {
        const int64_t start = sample * args->horizon * args->dims;
        float *actions = args->actions + start;
        inverse_dct(*args, args->coefficients + start, actions);
        settle(SummedChunk(actions, args->dims), args->space, args->horizon, args->dims, actions,
               args->verdicts + sample);
    }
    return EDGEVLA_OK;
}

EDGEVLA_CLONES int edgevla_ensemble(const edgevla_ensemble_args *args, void *) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    args->type == EDGEVLA_F16 ? ensemble<Half>(*args) : ensemble<float>(*args);
    return EDGEVLA_OK;
}

int edgevla_abi(void) { return EDGEVLA_ABI; }

const char *edgevla_build(void) { return "host"; }
