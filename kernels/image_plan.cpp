// Which source pixels an output pixel takes: once a picture size, on the host, in double precision.
//
// Source: the public behaviour of OpenCV's resize (INTER_AREA, INTER_LINEAR), which policies are trained with; equal to
// it level for level when shrinking, and within one level when growing, where OpenCV uses 11-bit weights.
#include <algorithm>
#include <cmath>

#include "image_check.h"

namespace edgevla {
namespace {

// What the part of the source is whose rows (or columns) are resized: `size` of them from `start`.
struct Span {
    int start;
    int size;
};

int centred(int whole, int part) { return (whole - part) / 2; }

// The largest part of `size` that has the ratio `along` : `across` beside `other`, at least one pixel.
int kept(int size, int other, int along, int across) {
    const double wanted = std::nearbyint(static_cast<double>(static_cast<int64_t>(other) * along) / across);
    return std::clamp(static_cast<int>(std::max(wanted, 1.0)), 1, size);
}

// Partial, whole and partial source pixels under an output pixel; shares below a thousandth are left out.
edgevla_tap area_tap(Span source, int count, int index) {
    const double scale = static_cast<double>(source.size) / count;
    const double from = index * scale, to = from + scale;
    const double cell = std::min(scale, source.size - from);
    const int end = std::min(static_cast<int>(std::floor(to)), source.size - 1);
    const int begin = std::min(static_cast<int>(std::ceil(from)), end);
    const bool before = begin - from > 1e-3, after = to - end > 1e-3;
    const float whole = static_cast<float>(1.0 / cell);
    edgevla_tap tap{source.start + begin, end - begin + after, whole, whole, whole};
    if (after) tap.tail = static_cast<float>(std::min({to - end, 1.0, cell}) / cell);
    if (tap.count == 1 && after) tap.head = tap.tail;
    if (before) {
        tap.first -= 1;
        tap.count += 1;
        tap.head = static_cast<float>((begin - from) / cell);
    }
    return tap;
}

// Whole pixels only: the sum stays a whole number, and the gain divides it once.
edgevla_tap whole_tap(Span source, int count, int index) {
    const int scale = source.size / count;
    return {source.start + index * scale, scale, 1.0F, 1.0F, 1.0F};
}

edgevla_tap between(Span source, int first, float share) {
    if (first < 0) return {source.start, 1, 1.0F, 1.0F, 1.0F};
    if (first >= source.size - 1) return {source.start + source.size - 1, 1, 1.0F, 1.0F, 1.0F};
    return {source.start + first, 2, 1.0F - share, 0.0F, share};
}

edgevla_tap linear_tap(Span source, int count, int index) {
    const double scale = static_cast<double>(source.size) / count;
    const float at = static_cast<float>((index + 0.5) * scale - 0.5);
    const int first = static_cast<int>(std::floor(at));
    return between(source, first, at - static_cast<float>(first));
}

// OpenCV's INTER_AREA where one side grows by a fraction of a pixel while the other shrinks.
edgevla_tap growing_area_tap(Span source, int count, int index) {
    const double scale = static_cast<double>(source.size) / count;
    const int first = static_cast<int>(std::floor(index * scale));
    const float at = static_cast<float>(index + 1 - (first + 1) / scale);
    return between(source, first, at <= 0.0F ? 0.0F : at - std::floor(at));
}

using Tap = edgevla_tap (*)(Span source, int count, int index);

void fill_taps(Tap tap, Span source, int count, edgevla_tap *taps) {
    for (int index = 0; index < count; ++index) taps[index] = tap(source, count, index);
}

// Set the placing, the rounding and the taps of a picture for which is_plannable() holds.
void plan(edgevla_image_args &args, edgevla_tap *taps) {
    Span rows{0, args.source_height}, columns{0, args.source_width};
    args.place_height = args.height;
    args.place_width = args.width;
    if (args.fit == EDGEVLA_CUT) {
        columns.size = kept(args.source_width, args.source_height, args.width, args.height);
        rows.size = kept(args.source_height, args.source_width, args.height, args.width);
        columns.start = centred(args.source_width, columns.size);
        rows.start = centred(args.source_height, rows.size);
    } else {
        args.place_width = kept(args.width, args.height, args.source_width, args.source_height);
        args.place_height = kept(args.height, args.width, args.source_height, args.source_width);
    }
    args.place_left = centred(args.width, args.place_width);
    args.place_top = centred(args.height, args.place_height);

    const bool shrinks = rows.size >= args.place_height;
    const bool both = shrinks && columns.size >= args.place_width;
    const bool whole = both && rows.size % args.place_height == 0 && columns.size % args.place_width == 0;
    const int cell = whole ? rows.size / args.place_height * (columns.size / args.place_width) : 1;
    const bool two_by_two = cell == 4 && rows.size == 2 * args.place_height;
    args.gain = 1.0F / static_cast<float>(cell);
    args.bias = two_by_two ? 0.5F : 0.0F;  // OpenCV rounds halves up here, and to even elsewhere
    const Tap tap = whole ? whole_tap : both ? area_tap : shrinks ? growing_area_tap : linear_tap;
    fill_taps(tap, columns, args.place_width, taps);
    fill_taps(tap, rows, args.place_height, taps + args.width);
}

}  // namespace
}  // namespace edgevla

int edgevla_image_plan(edgevla_image_args *args, edgevla_tap *taps) {
    if (args == nullptr || taps == nullptr || !edgevla::is_plannable(*args)) return EDGEVLA_BAD_ARGUMENT;
    edgevla::plan(*args, taps);
    return EDGEVLA_OK;
}
