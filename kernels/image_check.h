// What a picture may be: checked on the host in every build, before anything is planned or launched.
#pragma once

#include "decode_check.h"
#include "edgevla_image.h"

namespace edgevla {

constexpr int32_t kLargestSide = 16384;

inline bool is_sized(const edgevla_image_args &args) {
    return is_length(args.source_height, kLargestSide) && is_length(args.source_width, kLargestSide) &&
           is_length(args.height, kLargestSide) && is_length(args.width, kLargestSide);
}

inline bool is_laid_out(const edgevla_image_args &args) {
    if (args.pixels == EDGEVLA_NV12)
        return args.source_width % 2 == 0 && args.source_height % 2 == 0 && args.row_bytes >= args.source_width;
    return (args.pixels == EDGEVLA_RGB || args.pixels == EDGEVLA_BGR) && args.row_bytes >= 3 * args.source_width;
}

inline bool is_plannable(const edgevla_image_args &args) {
    const bool element = args.element_bytes == 1 || args.element_bytes == 2 || args.element_bytes == 4;
    const bool fit = args.fit == EDGEVLA_CUT || args.fit == EDGEVLA_LETTERBOX;
    return is_sized(args) && is_laid_out(args) && element && fit && args.pad_level >= 0 && args.pad_level <= 255;
}

// The same struct as planned, with everything to read and to write.
inline bool is_runnable(const edgevla_image_args &args) {
    const bool planned = args.place_height >= 1 && args.place_width >= 1 && args.gain > 0.0F;
    const bool chroma = args.pixels != EDGEVLA_NV12 || args.chroma != nullptr;
    return is_plannable(args) && planned && chroma && all_given(args.taps, args.levels, args.picture, args.tensor);
}

}  // namespace edgevla
