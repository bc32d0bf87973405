"""Gaze as angles and as vectors, and the angle between two gazes.

One convention: camera space, x to the right of the image, y up, z away from the camera. A gaze is
(pitch, yaw) in radians, pitch positive upwards and yaw positive towards image right, or the unit
vector (cos p sin y, sin p, -cos p cos y). A gaze into the camera is (0, 0), or (0, 0, -1).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]


def to_vectors(angles: NDArray[Any]) -> Vectors:
    """Unit vectors [..., 3] of (pitch, yaw) [..., 2] in radians."""
    pitch, yaw = np.moveaxis(np.asarray(angles, np.float64), -1, 0)
    x, y, z = np.cos(pitch) * np.sin(yaw), np.sin(pitch), -np.cos(pitch) * np.cos(yaw)
    return np.stack((x, y, z), axis=-1)


def to_angles(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """(pitch, yaw) [..., 2] in radians of vectors [..., 3] of any length above 0.

    pitch is in [-pi/2, pi/2], yaw in [-pi, pi].
    """
    x, y, z = np.moveaxis(np.asarray(vectors, np.float64), -1, 0)
    return np.stack((np.arctan2(y, np.hypot(x, z)), np.arctan2(x, -z)), axis=-1)


def angular_error(predicted: NDArray[Any], true: NDArray[Any]) -> NDArray[np.float64]:
    """Degrees [...] between gaze vectors [..., 3] of any length, from 0 to 180.

    By the arc tangent of sine and cosine, which is exact for small angles, where the arc cosine of
    the dot product is not.

    Raises:
        ValueError: a vector has no direction: it is zero or not finite.
    """
    a, b = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    for name, vectors in (("predicted", a), ("true", b)):
        length = np.linalg.norm(vectors, axis=-1)
        if not (np.isfinite(length) & (length > 0)).all():
            raise ValueError(f"{name} gaze vectors must be finite and not zero")
    sine = np.linalg.norm(np.cross(a, b), axis=-1)
    degrees: NDArray[np.float64] = np.degrees(np.arctan2(sine, (a * b).sum(axis=-1)))
    return degrees
