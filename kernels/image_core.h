// The maths of one output pixel, for host and device: colour, weighted sum over the source, rounding to a level.
//
// Levels are rounded to whole numbers before they are normalised, as OpenCV does between resizing and scaling: policies
// were trained on such pictures.
#pragma once

#include "decode_core.h"
#include "edgevla_image.h"

namespace edgevla {

struct Rgb {
    float channel[3];
};

EDGEVLA_HD int clamp_level(int level) { return level < 0 ? 0 : level > 255 ? 255 : level; }

// ITU-R BT.601, limited range, in 20-bit fixed point: 1.164, 1.596, 0.813, 0.391 and 2.018 times 2^20.
EDGEVLA_HD Rgb from_yuv(int y, int u, int v) {
    const int luma = (y > 16 ? y - 16 : 0) * 1220542 + (1 << 19);
    const int red = luma + 1673527 * (v - 128);
    const int green = luma - 852492 * (v - 128) - 409993 * (u - 128);
    const int blue = luma + 2116026 * (u - 128);
    return {{static_cast<float>(clamp_level(red >> 20)), static_cast<float>(clamp_level(green >> 20)),
             static_cast<float>(clamp_level(blue >> 20))}};
}

template <int kPixels>
EDGEVLA_HD Rgb source_pixel(const edgevla_image_args &args, int row, int column) {
    const uint8_t *line = args.picture + static_cast<int64_t>(row) * args.row_bytes;
    if (kPixels == EDGEVLA_NV12) {
        const uint8_t *uv = args.chroma + static_cast<int64_t>(row / 2) * args.row_bytes + column / 2 * 2;
        return from_yuv(line[column], uv[0], uv[1]);
    }
    const int red = kPixels == EDGEVLA_RGB ? 0 : 2;
    const uint8_t *bytes = line + column * 3;
    return {{static_cast<float>(bytes[red]), static_cast<float>(bytes[1]), static_cast<float>(bytes[2 - red])}};
}

EDGEVLA_HD float weight(const edgevla_tap &tap, int index) {
    if (index == 0) return tap.head;
    return index == tap.count - 1 ? tap.tail : tap.body;
}

// Rounds halves to even: next to 1.5 * 2^23 float32 holds whole numbers only.
EDGEVLA_HD int to_level(float sum, float bias, float gain) {
    const float whole = ((sum + bias) * gain + 12582912.0F) - 12582912.0F;
    return clamp_level(static_cast<int>(whole));
}

// One pixel of the tensor: the picture, or the bars around it.
template <int kPixels, typename Element>
EDGEVLA_HD void image_pixel(const edgevla_image_args &args, int row, int column) {
    const Element *levels = static_cast<const Element *>(args.levels);
    const int64_t plane = static_cast<int64_t>(args.height) * args.width;
    Element *out = static_cast<Element *>(args.tensor) + static_cast<int64_t>(row) * args.width + column;
    const int x = column - args.place_left, y = row - args.place_top;
    if (x < 0 || x >= args.place_width || y < 0 || y >= args.place_height) {
        for (int c = 0; c < 3; ++c) out[c * plane] = levels[c * 256 + args.pad_level];
        return;
    }
    const edgevla_tap across = args.taps[x], down = args.taps[args.width + y];
    float sum[3] = {0.0F, 0.0F, 0.0F};
    for (int j = 0; j < down.count; ++j) {
        float line[3] = {0.0F, 0.0F, 0.0F};
        for (int i = 0; i < across.count; ++i) {
            const Rgb rgb = source_pixel<kPixels>(args, down.first + j, across.first + i);
            for (int c = 0; c < 3; ++c) line[c] += rgb.channel[c] * weight(across, i);
        }
        for (int c = 0; c < 3; ++c) sum[c] += line[c] * weight(down, j);
    }
    for (int c = 0; c < 3; ++c) out[c * plane] = levels[c * 256 + to_level(sum[c], args.bias, args.gain)];
}

}  // namespace edgevla
