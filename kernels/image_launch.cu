// The camera side on a GPU: one launch a picture. The emulation compiles this file too, as plain C++.
#include "launch.h"

#include "decode_block.cuh"
#include "image_check.h"
#include "image_kernel.cuh"

namespace edgevla {
namespace {

constexpr unsigned kBlockWidth = 32, kBlockHeight = kThreads / kBlockWidth;

unsigned blocks(int pixels, unsigned side) { return (static_cast<unsigned>(pixels) + side - 1) / side; }

template <typename Element>
auto kernel_of(int32_t pixels) {
    if (pixels == EDGEVLA_NV12) return image_kernel<EDGEVLA_NV12, Element>;
    return pixels == EDGEVLA_BGR ? image_kernel<EDGEVLA_BGR, Element> : image_kernel<EDGEVLA_RGB, Element>;
}

auto kernel_of(const edgevla_image_args &args) {
    if (args.element_bytes == 1) return kernel_of<uint8_t>(args.pixels);
    return args.element_bytes == 2 ? kernel_of<uint16_t>(args.pixels) : kernel_of<uint32_t>(args.pixels);
}

}  // namespace
}  // namespace edgevla

int edgevla_image(const edgevla_image_args *args, void *stream) {
    using namespace edgevla;
    if (args == nullptr || !is_runnable(*args)) return EDGEVLA_BAD_ARGUMENT;
    const dim3 grid(blocks(args->width, kBlockWidth), blocks(args->height, kBlockHeight));
    return launch(kernel_of(*args), grid, dim3(kBlockWidth, kBlockHeight), *args, stream);
}
