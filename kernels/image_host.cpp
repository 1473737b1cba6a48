// The camera side on a CPU: plain loops over the same maths.
#include "image_check.h"
#include "image_core.h"

namespace edgevla {
namespace {

template <int kPixels, typename Element>
void every_pixel(const edgevla_image_args &args) {
    for (int row = 0; row < args.height; ++row)
        for (int column = 0; column < args.width; ++column) image_pixel<kPixels, Element>(args, row, column);
}

template <typename Element>
void run(const edgevla_image_args &args) {
    if (args.pixels == EDGEVLA_NV12) return every_pixel<EDGEVLA_NV12, Element>(args);
    if (args.pixels == EDGEVLA_BGR) return every_pixel<EDGEVLA_BGR, Element>(args);
    every_pixel<EDGEVLA_RGB, Element>(args);
}

}  // namespace
}  // namespace edgevla

int edgevla_image(const edgevla_image_args *args, void *) {
    if (args == nullptr || !edgevla::is_runnable(*args)) return EDGEVLA_BAD_ARGUMENT;
    if (args->element_bytes == 4) edgevla::run<uint32_t>(*args);
    if (args->element_bytes == 2) edgevla::run<uint16_t>(*args);
    if (args->element_bytes == 1) edgevla::run<uint8_t>(*args);
    return EDGEVLA_OK;
}
