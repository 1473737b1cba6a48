"""The camera kernel said again in NumPy: colour, cut or letterbox, weighted sums in float32, whole levels, a table."""

from __future__ import annotations

import math

import numpy as np

FLOAT = np.float32


def rgb_of(picture, layout):
    """(h, w, 3) uint8 RGB of what a camera gives: (h, w, 3), or the (3 h / 2, w) planes of NV12."""
    if layout == "rgb":
        return picture
    if layout == "bgr":
        return picture[..., ::-1]
    height = picture.shape[0] * 2 // 3
    luma = np.maximum(picture[:height].astype(np.int64) - 16, 0) * round(1.164 * 2**20)
    pairs = picture[height:].reshape(height // 2, -1, 2).astype(np.int64) - 128
    u, v = pairs.repeat(2, axis=0).repeat(2, axis=1).transpose(2, 0, 1)
    red, blue = round(1.596 * 2**20) * v, round(2.018 * 2**20) * u
    green = -round(0.813 * 2**20) * v - round(0.391 * 2**20) * u
    whole = (luma[..., np.newaxis] + np.stack([red, green, blue], axis=-1) + 2**19) >> 20
    return np.clip(whole, 0, 255).astype(np.uint8)


def placed(shape, height, width, fit):
    """What part of the picture is shown, and where: two (top, left, height, width)."""
    rows, columns = shape[:2]
    if fit == "cut":
        part_width = min(columns, max(1, round(rows * width / height)))
        part_height = min(rows, max(1, round(columns * height / width)))
        shown = ((rows - part_height) // 2, (columns - part_width) // 2, part_height, part_width)
        return shown, (0, 0, height, width)
    place_width = min(width, max(1, round(height * columns / rows)))
    place_height = min(height, max(1, round(width * rows / columns)))
    place = ((height - place_height) // 2, (width - place_width) // 2, place_height, place_width)
    return (0, 0, rows, columns), place


def areas(size, count):
    """For each of `count` cells over `size` pixels: the first pixel and the share of each in the cell."""
    scale = size / count
    for index in range(count):
        low, high = index * scale, index * scale + scale
        cell = min(scale, size - low)
        last = min(math.floor(high), size - 1)
        first = min(math.ceil(low), last)
        shares = [FLOAT(1 / cell)] * (last - first)
        if high - last > 1e-3:
            shares.append(FLOAT(min(high - last, 1.0, cell) / cell))
        if first - low > 1e-3:
            shares.insert(0, FLOAT((first - low) / cell))
            first -= 1
        yield first, shares


def lines(size, count, positions):
    """For each cell the two pixels beside its position, and how much of each; at an edge the one there is."""
    for index in range(count):
        first, share = positions(index, size / count)
        if first < 0 or first >= size - 1:
            yield min(max(first, 0), size - 1), [FLOAT(1)]
        else:
            yield first, [FLOAT(1) - share, share]


def centre(index, scale):
    """Bilinear: the middle of the cell."""
    at = FLOAT((index + 0.5) * scale - 0.5)
    return math.floor(at), at - FLOAT(math.floor(at))


def edge(index, scale):
    """What OpenCV's INTER_AREA does where a side grows by less than a pixel."""
    first = math.floor(index * scale)
    at = FLOAT(index + 1 - (first + 1) / scale)
    return first, FLOAT(0) if at <= 0 else at - FLOAT(math.floor(at))


def along(pixels, taps):
    """Weighted sums over the first axis, in float32 from the first pixel on."""
    sums = []
    for first, shares in taps:
        total = np.zeros(pixels.shape[1:], FLOAT)
        for offset, share in enumerate(shares):
            total = total + pixels[first + offset] * share
        sums.append(total)
    return np.stack(sums)


def resized(picture, height, width):
    """(height, width, 3) levels; averages areas when shrinking, else bilinear."""
    rows, columns = picture.shape[:2]
    if rows >= height and columns >= width and rows % height == 0 and columns % width == 0:
        cell = rows // height, columns // width
        total = picture.reshape(height, cell[0], width, cell[1], 3).sum(axis=(1, 3), dtype=np.int64)
        if cell == (2, 2):
            return (total + 2) // 4
        return np.rint(total.astype(FLOAT) * (FLOAT(1) / FLOAT(math.prod(cell)))).astype(int)
    if rows >= height and columns >= width:
        across, down = areas(columns, width), areas(rows, height)
    else:
        positions = edge if rows >= height else centre
        across, down = lines(columns, width, positions), lines(rows, height, positions)
    sums = along(picture.astype(FLOAT).transpose(1, 0, 2), across).transpose(1, 0, 2)
    return np.clip(np.rint(along(sums, down)), 0, 255).astype(int)


def tensor_of(picture, layout, height, width, fit, table, pad_level):
    """(3, height, width) of the table's dtype: what the kernel writes."""
    rgb = rgb_of(picture, layout)
    (top, left, rows, columns), (y, x, place_height, place_width) = placed(rgb.shape, height, width, fit)
    levels = np.full((height, width, 3), pad_level)
    shown = rgb[top : top + rows, left : left + columns]
    levels[y : y + place_height, x : x + place_width] = resized(shown, place_height, place_width)
    return np.stack([table[channel][levels[..., channel]] for channel in range(3)])
