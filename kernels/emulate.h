// CUDA's threads on a CPU, for tests: the very same kernels, one thread of the operating system for each of CUDA's.
//
// Exact and slow. Barriers and shuffles synchronise these threads and nothing else does, so ThreadSanitizer sees a race
// wherever a kernel lacks a barrier. Several blocks run at a time, as on a GPU, and shared memory belongs to one.
#pragma once

#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(threads)
#define EDGEVLA_SHARED(Type, name) Type &name = edgevla::emulation::shared<Type>()
#define EDGEVLA_THREADS 64

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

inline thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace edgevla::emulation {

constexpr unsigned kBlocksAtATime = 2;
constexpr std::size_t kSharedBytes = 4096;

// The barrier that $EDGEVLA_WITHOUT_BARRIER takes out, to see that a test notices.
inline const int without_barrier = [] {
    const char *number = std::getenv("EDGEVLA_WITHOUT_BARRIER");
    return number == nullptr ? -1 : std::atoi(number);
}();

struct Warp {
    std::barrier<> meet;
    uint32_t slots[2][32] = {};
    explicit Warp(int lanes) : meet(lanes) {}
};

struct Block {
    std::barrier<> meet;
    std::vector<std::unique_ptr<Warp>> warps;
    alignas(16) std::byte memory[kSharedBytes];

    explicit Block(unsigned threads) : meet(threads) {
        for (unsigned first = 0; first < threads; first += 32)
            warps.push_back(std::make_unique<Warp>(threads - first < 32 ? threads - first : 32));
    }
};

inline thread_local Block *my_block = nullptr;
inline thread_local Warp *my_warp = nullptr;
inline thread_local unsigned my_lane = 0;
inline thread_local unsigned my_shuffles = 0;

template <typename Type>
Type &shared() {
    static_assert(sizeof(Type) <= kSharedBytes && alignof(Type) <= 16);
    return *reinterpret_cast<Type *>(my_block->memory);
}

// Blocks first, first + kBlocksAtATime, … of the grid, as thread `index` of each. The barrier behind a block keeps
// the next one out of its shared memory.
template <typename Kernel>
void live(const Kernel &kernel, dim3 grid, dim3 shape, Block &block, unsigned first, unsigned index) {
    gridDim = grid;
    blockDim = shape;
    threadIdx = dim3(index % shape.x, index / shape.x % shape.y, index / shape.x / shape.y);
    my_block = &block;
    my_warp = block.warps[index / 32].get();
    my_lane = index % 32;
    for (unsigned number = first; number < grid.x * grid.y * grid.z; number += kBlocksAtATime) {
        blockIdx = dim3(number % grid.x, number / grid.x % grid.y, number / grid.x / grid.y);
        kernel();
        block.meet.arrive_and_wait();
    }
}

template <typename Kernel>
void run(dim3 grid, dim3 shape, const Kernel &kernel) {
    const unsigned threads = shape.x * shape.y * shape.z;
    std::vector<std::unique_ptr<Block>> blocks;
    std::vector<std::thread> all;
    for (unsigned first = 0; first < kBlocksAtATime && first < grid.x * grid.y * grid.z; ++first) {
        Block &block = *blocks.emplace_back(std::make_unique<Block>(threads));
        for (unsigned index = 0; index < threads; ++index)
            all.emplace_back([&kernel, grid, shape, &block, first, index] {
                live(kernel, grid, shape, block, first, index);
            });
    }
    for (std::thread &thread : all) thread.join();
}

}  // namespace edgevla::emulation

inline void __syncthreads() { edgevla::emulation::my_block->meet.arrive_and_wait(); }

// Every lane of the warp takes part. Two sets of slots, used in turn: who writes one set has met, since its last use,
// all who had to read it.
template <typename Type>
Type __shfl_xor_sync(unsigned, Type value, int distance) {
    static_assert(sizeof(Type) == sizeof(uint32_t));
    using namespace edgevla::emulation;
    uint32_t(&slots)[32] = my_warp->slots[my_shuffles++ % 2];
    std::memcpy(&slots[my_lane], &value, sizeof value);
    my_warp->meet.arrive_and_wait();
    std::memcpy(&value, &slots[my_lane ^ distance], sizeof value);
    return value;
}

// The atomic operation orders memory here; ThreadSanitizer does not follow fences.
inline void __threadfence() {}

inline int32_t atomicAdd(int32_t *where, int32_t what) { return std::atomic_ref<int32_t>(*where).fetch_add(what); }
