// One kernel a function of the C ABI. A chunk that gets a verdict is one block's work; other numbers are one thread's.
#pragma once

#include "decode_block.cuh"
#include "decode_chunk.h"
#include "decode_noise.h"

namespace edgevla {

// Normalised numbers to actions and a verdict: how every family ends.
//
// `chunk` gives the number n behind each place (row, dim), and may move the action made of it before and after the
// clamp. Threads write only their own places, so a faulty chunk becomes NaN without another barrier.
template <typename Chunk>
__device__ bool settle(const Chunk &chunk, const edgevla_space &space, int horizon, int dims, float *actions,
                       edgevla_verdict *verdict, Tally (&per_warp)[kWarps]) {
    const int places = horizon * dims;
    Tally mine = {kNoFault, 0};
    for (int place = threadIdx.x; place < places; place += kThreads) {
        const int row = place / dims, dim = place % dims;
        const float n = chunk.normalised(row, dim);
        const float free = chunk.placed(dim, unnormalised(space, dim, n));
        const float kept = clamped(space, dim, free);
        const float action = chunk.averaged(row, dim, kept);
        actions[place] = action;
        const int reason = chunk.reason(row, dim, fault_of(n, free, action, space.believed));
        mine = merge(mine, {fault_key(place, reason), kept != free ? 1 : 0});
    }
    const Tally all = together<2>(mine, per_warp);
    const bool valid = all.fault >= kNoFault;
    if (!valid) {
        for (int place = threadIdx.x; place < places; place += kThreads) actions[place] = quiet_nan();
    }
    if (threadIdx.x == 0) *verdict = verdict_of(all.fault, all.clamped);
    return valid;
}

struct SettleShared {
    Tally per_warp[kWarps];
};

// ---- tokens ----

struct TokenShared {
    Candidate per_warp[kWarps];
    Tally tallies[kWarps];
    int32_t is_last;
};

// A block finds one token's id; the last block of a sample to be ready makes the actions.
template <typename Logit>
__global__ void __launch_bounds__(kThreads) token_logits_kernel(edgevla_token_args args) {
    EDGEVLA_SHARED(TokenShared, shared);
    const int tokens = args.horizon * args.dims;
    const int sample = blockIdx.y, token = blockIdx.x;
    const int64_t row = static_cast<int64_t>(sample) * tokens + token;
    const Logit *logits = static_cast<const Logit *>(args.input) + row * args.vocabulary;
    Candidate mine = {0.0F, -1};
    for (int id = threadIdx.x; id < args.vocabulary; id += kThreads) mine = merge(mine, {number(logits[id]), id});
    const Candidate best = together<0>(mine, shared.per_warp);

    int32_t *scratch = args.scratch + static_cast<int64_t>(sample) * (1 + tokens);
    int32_t *ids = args.ids + static_cast<int64_t>(sample) * tokens;
    if (threadIdx.x == 0) {
        ids[token] = id_of(best);
        scratch[1 + token] = reason_of(args, best);
        __threadfence();
        shared.is_last = atomicAdd(&scratch[0], 1) == tokens - 1;
        __threadfence();
    }
    EDGEVLA_BARRIER(1);
    if (!shared.is_last) return;
    if (threadIdx.x == 0) scratch[0] = 0;
    settle(TokenChunk(args, ids, scratch + 1), args.space, args.horizon, args.dims,
           args.actions + static_cast<int64_t>(sample) * tokens, args.verdicts + sample, shared.tallies);
}

template <typename Id>
__global__ void __launch_bounds__(kThreads) token_ids_kernel(edgevla_token_args args) {
    EDGEVLA_SHARED(SettleShared, shared);
    const int64_t tokens = args.horizon * args.dims, start = blockIdx.x * tokens;
    const Id *given = static_cast<const Id *>(args.input) + start;
    for (int token = threadIdx.x; token < tokens; token += kThreads)
        args.ids[start + token] = id_within(args, given[token]);
    settle(IdChunk<Id>(args, given), args.space, args.horizon, args.dims, args.actions + start,
           args.verdicts + blockIdx.x, shared.per_warp);
}

// ---- flow ----

__device__ inline int64_t my_number() { return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; }

template <typename Args>
__device__ int64_t numbers(const Args &args) {
    return static_cast<int64_t>(args.samples) * args.horizon * args.width;
}

template <typename Velocity>
__global__ void __launch_bounds__(kThreads) flow_step_kernel(edgevla_flow_args args) {
    const int64_t i = my_number();
    if (i >= numbers(args)) return;
    args.out[i] = euler(args.x[i], number(static_cast<const Velocity *>(args.velocity)[i]), args.dt);
}

template <typename Chunk>
__global__ void __launch_bounds__(kThreads) finish_kernel(edgevla_finish_args args) {
    EDGEVLA_SHARED(SettleShared, shared);
    const int64_t sample = blockIdx.x;
    settle(Chunk(args, sample * args.horizon * args.width), args.space, args.horizon, args.dims,
           args.actions + sample * args.horizon * args.dims, args.verdicts + sample, shared.per_warp);
}

// ---- diffusion: a thread makes the four normals of a block of the noise ----

template <typename Args>
__device__ int blocks_of_noise(const Args &args) {
    return (args.horizon * args.width + 3) / 4;
}

template <typename Args, typename Step>
__device__ void with_noise(const Args &args, Step step) {
    const int64_t i = my_number();
    const int blocks = blocks_of_noise(args), per_sample = args.horizon * args.width;
    if (i >= static_cast<int64_t>(args.samples) * blocks) return;
    const int64_t sample = i / blocks;
    const int block = static_cast<int>(i % blocks);
    const Normals noise = normals(args.key + sample * 4, args.draw, block);
    for (int lane = 0; lane < 4 && block * 4 + lane < per_sample; ++lane)
        step(sample * per_sample + block * 4 + lane, noise.z[lane]);
}

__global__ void __launch_bounds__(kThreads) noise_kernel(edgevla_noise_args args) {
    with_noise(args, [&](int64_t i, float z) { args.out[i] = z; });
}

template <typename Epsilon>
__global__ void __launch_bounds__(kThreads) ddpm_kernel(edgevla_ddpm_args args) {
    with_noise(args, [&](int64_t i, float z) {
        const bool active = args.active == nullptr || args.active[i % args.width] != 0;
        args.out[i] = ddpm(args, args.x[i], number(static_cast<const Epsilon *>(args.epsilon)[i]), z, active);
    });
}

template <typename Epsilon>
__global__ void __launch_bounds__(kThreads) ddim_kernel(edgevla_ddim_args args) {
    const int64_t i = my_number();
    if (i >= numbers(args)) return;
    args.out[i] = ddim(args, args.x[i], number(static_cast<const Epsilon *>(args.epsilon)[i]));
}

template <typename Epsilon>
__global__ void __launch_bounds__(kThreads) ddim_noisy_kernel(edgevla_ddim_args args) {
    with_noise(args, [&](int64_t i, float z) {
        args.out[i] = ddim(args, args.x[i], number(static_cast<const Epsilon *>(args.epsilon)[i])) + args.spread * z;
    });
}

// ---- FAST ----

struct DctChunk : PlainChunk {
    const edgevla_dct_args &args;
    const int32_t *coefficients;

    __device__ DctChunk(const edgevla_dct_args &args, int64_t start)
        : args(args), coefficients(args.coefficients + start) {}
    __device__ float normalised(int row, int dim) const {
        double sum = 0.0;
        for (int k = 0; k < args.horizon; ++k)
            sum += args.basis[row * args.horizon + k] * (coefficients[k * args.dims + dim] / args.divisor);
        return static_cast<float>(sum);
    }
};

__global__ void __launch_bounds__(kThreads) inverse_dct_kernel(edgevla_dct_args args) {
    EDGEVLA_SHARED(SettleShared, shared);
    const int64_t start = static_cast<int64_t>(blockIdx.x) * args.horizon * args.dims;
    settle(DctChunk(args, start), args.space, args.horizon, args.dims, args.actions + start,
           args.verdicts + blockIdx.x, shared.per_warp);
}

// ---- ensemble ----

template <typename Number>
__global__ void __launch_bounds__(kThreads) ensemble_kernel(edgevla_ensemble_args args) {
    EDGEVLA_SHARED(SettleShared, shared);
    const int64_t sample = blockIdx.x, rows = sample * args.horizon;
    const bool valid = settle(EnsembleChunk<Number>(args, sample), args.space, args.horizon, args.dims,
                              args.actions + rows * args.dims, args.verdicts + sample, shared.per_warp);
    for (int row = threadIdx.x; row < args.horizon; row += kThreads)
        args.counts[rows + row] = valid ? earlier_plans(args, sample, row) + 1 : 0;
}

}  // namespace edgevla
