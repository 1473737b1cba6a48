// One thread, one pixel of the tensor: neighbours read neighbouring source pixels and write side by side.
#pragma once

#include "image_core.h"

namespace edgevla {

template <int kPixels, typename Element>
__global__ void image_kernel(edgevla_image_args args) {
    const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int row = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
    if (column < args.width && row < args.height) image_pixel<kPixels, Element>(args, row, column);
}

}  // namespace edgevla
