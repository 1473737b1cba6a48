/* The camera side of the C ABI: a uint8 picture becomes the tensor that a graph takes, in one pass.
 *
 * Colour, cut or letterbox, resize, normalisation and the change of type are one kernel. What takes thought is planned
 * once, on the host, and handed to every call as a table: which source pixels an output pixel takes, with which weight;
 * and what a level becomes. A picture has 256 levels, so 3 x 256 elements hold any scale, mean, deviation, type and
 * quantisation, in the reference's own order of operations and therefore without a rounding of its own.
 *
 * The rules of edgevla_decode.h hold: one struct a call, no allocation, no synchronisation, host or device pointers.
 */
#ifndef EDGEVLA_IMAGE_H
#define EDGEVLA_IMAGE_H

#include "edgevla_decode.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The layout of the source. */
enum {
    EDGEVLA_RGB = 0,
    EDGEVLA_BGR = 1,
    EDGEVLA_NV12 = 2 /* a plane of Y and one of interleaved U, V at half the size; ITU-R BT.601, limited range */
};

/* How a picture of another aspect ratio fits; it is never stretched. */
enum {
    EDGEVLA_CUT = 0,      /* it loses its sides, or top and bottom, evenly */
    EDGEVLA_LETTERBOX = 1 /* it is kept whole, between even bars of pad_level */
};

/* The source pixels that one output column (or row) takes: `count` of them from `first`, weighted head, body …, tail. */
typedef struct {
    int32_t first, count;
    float head, body, tail;
} edgevla_tap;

typedef struct {
    int32_t pixels;                      /* EDGEVLA_RGB, EDGEVLA_BGR, EDGEVLA_NV12 */
    int32_t fit;                         /* EDGEVLA_CUT, EDGEVLA_LETTERBOX */
    int32_t source_height, source_width; /* 1 … 16384; even for NV12 */
    int32_t row_bytes;                   /* from one row of the source to the next, in both planes */
    int32_t height, width;               /* of the tensor, 1 … 16384 */
    int32_t element_bytes;               /* 4: float32, 2: float16, 1: int8 */
    int32_t pad_level;                   /* 0 … 255 */
    /* By edgevla_image_plan: where the picture lies in the tensor, and the level of a sum, round((sum + bias) * gain). */
    int32_t place_top, place_left, place_height, place_width;
    float bias, gain;
    const edgevla_tap *taps; /* (width + height) the columns', then the rows': what edgevla_image_plan wrote */
    const void *levels;      /* (3, 256) elements: what each level of R, G and B becomes */
    const uint8_t *picture;  /* (source_height, row_bytes) */
    const uint8_t *chroma;   /* (source_height / 2, row_bytes) the U, V plane of NV12; else unused */
    void *tensor;            /* out (3, height, width) elements: R, G, B */
} edgevla_image_args;

/* Plan a picture, on the host in every build: sets the placing and writes width + height `taps`. Shrinking averages
 * areas; where a side grows, it is bilinear. Reads no pointer of `args`. */
EDGEVLA_API int edgevla_image_plan(edgevla_image_args *args, edgevla_tap *taps);

EDGEVLA_API int edgevla_image(const edgevla_image_args *args, void *stream);

#ifdef __cplusplus
}
#endif

#endif
