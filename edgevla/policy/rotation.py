"""Rotations in float64: matrices, rotation vectors (axis times angle, rad) and roll-pitch-yaw, batched over the front.

Roll-pitch-yaw is what robots and datasets call `rpy`: R = Rz(yaw) Ry(pitch) Rx(roll), about fixed axes. CALVIN's
Euler angles "XYZ" are the other order: R = Rx(x) Ry(y) Rz(z), about the axes of the turned body.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LOCKED = 1e-7  # cosine of a middle angle so near 90 deg that rounding decides about the other two


def about(axis: int, angle_rad: Array) -> Array:
    """Return (..., 3, 3) turns by `angle_rad` (...) about axis 0, 1 or 2."""
    angle_rad = np.asarray(angle_rad, np.float64)
    matrix = np.zeros((*angle_rad.shape, 3, 3))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1.0
    matrix[..., first, first] = matrix[..., second, second] = np.cos(angle_rad)
    matrix[..., second, first] = np.sin(angle_rad)
    matrix[..., first, second] = -matrix[..., second, first]
    return matrix


def from_rpy(rpy_rad: Array) -> Array:
    """Return the (..., 3, 3) matrices of (..., 3) roll, pitch, yaw."""
    rpy_rad = np.asarray(rpy_rad, np.float64)
    return about(2, rpy_rad[..., 2]) @ about(1, rpy_rad[..., 1]) @ about(0, rpy_rad[..., 0])


def to_rpy(matrix: Array) -> Array:
    """Return (..., 3) roll, pitch, yaw; at a pitch of 90 deg, where only one sum is defined, yaw is 0."""
    # Rz Ry Rx, read backwards, is the transposed of Rx(-x) Ry(-y) Rz(-z).
    angles: Array = -to_euler_xyz(np.swapaxes(matrix, -1, -2))
    return angles


def from_euler_xyz(angles_rad: Array) -> Array:
    """Return the (..., 3, 3) matrices of (..., 3) CALVIN Euler angles."""
    angles_rad = np.asarray(angles_rad, np.float64)
    return about(0, angles_rad[..., 0]) @ about(1, angles_rad[..., 1]) @ about(2, angles_rad[..., 2])


def to_euler_xyz(matrix: Array) -> Array:
    """Return (..., 3) CALVIN Euler angles; at a middle angle of 90 deg, where only one sum is defined, z is 0."""
    middle_rad = np.arcsin(np.clip(matrix[..., 0, 2], -1.0, 1.0))
    locked = np.hypot(matrix[..., 0, 0], matrix[..., 0, 1]) < _LOCKED
    first_rad = np.arctan2(
        np.where(locked, matrix[..., 2, 1], -matrix[..., 1, 2]), np.where(locked, matrix[..., 1, 1], matrix[..., 2, 2])
    )
    last_rad = np.where(locked, 0.0, np.arctan2(-matrix[..., 0, 1], matrix[..., 0, 0]))
    return np.stack([first_rad, middle_rad, last_rad], axis=-1)


def from_vector(vector_rad: Array) -> Array:
    """Return the (..., 3, 3) matrices of (..., 3) rotation vectors (Rodrigues)."""
    vector_rad = np.asarray(vector_rad, np.float64)
    angle_rad = np.linalg.norm(vector_rad, axis=-1)[..., np.newaxis, np.newaxis]
    cross = np.zeros((*vector_rad.shape[:-1], 3, 3))
    for axis, (before, after) in enumerate(((1, 2), (2, 0), (0, 1))):
        cross[..., after, before] = vector_rad[..., axis]
        cross[..., before, after] = -vector_rad[..., axis]
    half = np.sinc(angle_rad / (2.0 * math.pi))  # sin(a / 2) / (a / 2), which is 1 at 0
    matrix: Array = np.eye(3) + np.sinc(angle_rad / math.pi) * cross + 0.5 * half * half * (cross @ cross)
    return matrix
