// Threads of a block that agree on one result.
#pragma once

#include "decode_core.h"

// Each barrier has a number, so that a test can take it out and see that it was needed.
#if defined(EDGEVLA_EMULATED)
#define EDGEVLA_BARRIER(which) \
    if ((which) != edgevla::emulation::without_barrier) __syncthreads()
#else
#define EDGEVLA_BARRIER(which) __syncthreads()
#endif

#if !defined(EDGEVLA_SHARED)
#define EDGEVLA_SHARED(Type, name) __shared__ Type name
#endif

// Threads of a block; the emulation takes fewer, because each is a thread of the operating system.
#if !defined(EDGEVLA_THREADS)
#define EDGEVLA_THREADS 256
#endif

namespace edgevla {

constexpr int kThreads = EDGEVLA_THREADS;
constexpr int kWarps = kThreads / 32;
static_assert(kThreads % 32 == 0 && kThreads <= 1024, "whole warps, and no more than a block may have");

// What a chunk's threads have found: the first fault, and how many values the clamp changed.
struct Tally {
    int32_t fault;
    int32_t clamped;
};

__device__ inline Tally across_lanes(Tally mine, int distance) {
    return {__shfl_xor_sync(~0U, mine.fault, distance), __shfl_xor_sync(~0U, mine.clamped, distance)};
}

__device__ inline Candidate across_lanes(Candidate mine, int distance) {
    return {__shfl_xor_sync(~0U, mine.logit, distance), __shfl_xor_sync(~0U, mine.id, distance)};
}

__device__ inline Tally merge(Tally left, Tally right) {
    return {left.fault < right.fault ? left.fault : right.fault, left.clamped + right.clamped};
}

__device__ inline Candidate merge(Candidate left, Candidate right) { return beats(right, left) ? right : left; }

// What all threads together have: every one of them must call it, and gets the result. `per_warp` is used once a
// kernel; a second use would need a barrier before it.
template <int kBarrier, typename Part>
__device__ Part together(Part mine, Part (&per_warp)[kWarps]) {
    for (int distance = 16; distance > 0; distance /= 2) mine = merge(mine, across_lanes(mine, distance));
    if (threadIdx.x % 32 == 0) per_warp[threadIdx.x / 32] = mine;
    EDGEVLA_BARRIER(kBarrier);
    Part all = per_warp[0];
    for (int warp = 1; warp < kWarps; ++warp) all = merge(all, per_warp[warp]);
    return all;
}

}  // namespace edgevla
