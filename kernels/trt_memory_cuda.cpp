#include <cuda_runtime_api.h>

#include "trt_memory.h"

namespace edgevla {

void *place(const void *bytes, size_t size) noexcept {
    void *placed = nullptr;
    if (cudaMalloc(&placed, size) != cudaSuccess) return nullptr;
    if (cudaMemcpy(placed, bytes, size, cudaMemcpyHostToDevice) == cudaSuccess) return placed;
    release(placed);
    return nullptr;
}

void release(void *placed) noexcept { cudaFree(placed); }

}  // namespace edgevla
