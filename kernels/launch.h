// Starting a kernel that takes one struct: on a GPU, or in the emulation.
#pragma once

#if defined(EDGEVLA_EMULATED)
#include "emulate.h"
#else
#include <cuda_runtime.h>
#endif

#include "edgevla_decode.h"

namespace edgevla {

// EDGEVLA_OK, or EDGEVLA_LAUNCH_FAILED when CUDA refuses.
template <typename Args>
int launch(void (*kernel)(Args), dim3 grid, dim3 block, const Args &args, void *stream) {
#if defined(EDGEVLA_EMULATED)
    static_cast<void>(stream);
    emulation::run(grid, block, [&] { kernel(args); });
    return EDGEVLA_OK;
#else
    void *arguments[] = {const_cast<Args *>(&args)};
    const cudaError_t refused = cudaLaunchKernel(reinterpret_cast<const void *>(kernel), grid, block, arguments, 0,
                                                 static_cast<cudaStream_t>(stream));
    return refused == cudaSuccess ? EDGEVLA_OK : EDGEVLA_LAUNCH_FAILED;
#endif
}

}  // namespace edgevla
