"""The skeleton of a procedural hand: bone lengths, joint angles, and where that puts the joints.

Lengths are mm. The frame of a hand: origin at the wrist, x towards the thumb, y towards the
fingers, z out of the palm; a right hand. Camera space: x right, y down, z away from the camera.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # float32 or float64; the stubs of numpy lose track of it

POSE_DRAWS = 40  # uniform numbers that draw_hands consumes per image
FINGERS = ("pinky", "ring", "middle", "index")
KNUCKLES = ((-34.0, 74.0, 0.0), (-14.0, 85.0, 0.0), (5.0, 90.0, 0.0), (26.0, 86.0, 0.0))
PHALANGES = ((33.0, 20.0, 17.0), (42.0, 26.0, 19.0), (46.0, 29.0, 20.0), (42.0, 25.0, 19.0))
SPREAD = (-0.18, -0.06, 0.02, 0.12)  # radians that a finger at rest points to the thumb's side
THUMB_BASE = (20.0, 20.0, 4.0)
THUMB = (44.0, 33.0, 26.0)
THUMB_ALONG = (0.72, 0.66, 0.22)  # direction of a straight thumb
THUMB_BEND = (-0.62, 0.35, 0.70)  # towards which it bends
WRIST = 22.0  # half its width
ARM = 230.0
SIZE = (0.92, 1.14)  # of a hand, relative to the lengths above
TURN = (0.9, 1.2, 0.8)  # greatest pitch, yaw and roll of a hand, radians


@dataclass(frozen=True)
class Hands:
    """Skeletons of N hands in camera space around the origin, float64 mm.

    Attributes:
        wrist: [N, 3].
        arm: [N, 3], a point on the forearm.
        knuckles: [N, 4, 3], pinky to index.
        fingers: [N, 4, 3, 3], the ends of the three phalanges of each.
        thumb: [N, 4, 3], its base and the ends of its three bones.
        across: [N, 3], unit vector across the palm, towards the thumb.
        size: [N], factor of all lengths and radii.
    """

    wrist: Array
    arm: Array
    knuckles: Array
    fingers: Array
    thumb: Array
    across: Array
    size: Array


def between(low: float, high: float, uniform: Array) -> Array:
    """Map numbers of [0, 1) to [low, high)."""
    return low + (high - low) * uniform


def draw_hands(uniform: Array) -> Hands:
    """Hands from uniform numbers [N, POSE_DRAWS] in [0, 1).

    How far a finger is bent is half its own and half shared by all, so that fists and open hands
    occur. Angles of the turn are triangular, so that most palms face the camera.
    """
    u = uniform.astype(np.float64)
    size = between(*SIZE, u[:, 0])
    curl = 0.5 * u[:, 1, None] + 0.5 * u[:, 2:6]
    knuckles, fingers = _fingers(curl, u[:, 6:10], u[:, 10:14], u[:, 14])
    thumb = _thumb(u[:, 15], u[:, 16], u[:, 17], u[:, 18])
    turn = np.stack(
        [most * (u[:, 20 + 2 * i] + u[:, 21 + 2 * i] - 1) for i, most in enumerate(TURN)], axis=1
    )
    rotation = _rotation(turn)
    bend = np.stack(
        [between(-50, 50, u[:, 26]), np.full(len(u), -ARM), between(-60, 60, u[:, 27])], axis=1
    )

    def placed(points: Array) -> Array:
        flat = points.reshape(len(points), -1, 3)
        moved = np.einsum("nij,nkj->nki", rotation, flat) * size[:, None, None]
        result: Array = moved.reshape(points.shape)
        return result

    origin = np.zeros((len(u), 3))
    return Hands(
        wrist=placed(origin),
        arm=placed(bend),
        knuckles=placed(knuckles),
        fingers=placed(fingers),
        thumb=placed(thumb),
        across=rotation[:, :, 0],
        size=size,
    )


def _fingers(curl: Array, own: Array, sideways: Array, spread: Array) -> tuple[Array, Array]:
    """Knuckles [N, 4, 3] and ends of phalanges [N, 4, 3, 3] in the frame of the hand."""
    count = len(curl)
    side = np.asarray(SPREAD) * between(0.3, 1.8, spread)[:, None] + between(-0.1, 0.1, sideways)
    first = between(-0.15, 1.35, curl)
    second = between(0.0, 1.7, np.clip(0.75 * curl + 0.25 * own, 0, 1))
    third = 0.6 * second
    along = np.stack([np.sin(side), np.cos(side), np.zeros_like(side)], axis=-1)
    palmar = np.array([0.0, 0.0, 1.0])
    ends = [np.broadcast_to(np.asarray(KNUCKLES), (count, 4, 3))]
    for bone, angle in enumerate((first, first + second, first + second + third)):
        step = np.cos(angle)[..., None] * along + np.sin(angle)[..., None] * palmar
        ends.append(ends[-1] + np.asarray(PHALANGES)[:, bone, None] * step)
    return ends[0], np.stack(ends[1:], axis=2)


def _thumb(out: Array, over: Array, first: Array, second: Array) -> Array:
    """Base and ends of bones [N, 4, 3] in the frame of the hand."""
    along = np.stack(
        [
            THUMB_ALONG[0] + between(-0.35, 0.25, out),
            np.full_like(out, THUMB_ALONG[1]),
            THUMB_ALONG[2] + between(-0.15, 0.6, over),
        ],
        axis=1,
    )
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    bend = np.asarray(THUMB_BEND) - (along @ np.asarray(THUMB_BEND))[:, None] * along
    bend /= np.linalg.norm(bend, axis=1, keepdims=True)
    points = [np.broadcast_to(np.asarray(THUMB_BASE), along.shape)]
    angles = (np.zeros_like(out), between(0.0, 0.8, first), between(0.0, 0.9, second))
    total = np.zeros_like(out)
    for length, angle in zip(THUMB, angles, strict=True):
        total = total + angle
        step = np.cos(total)[:, None] * along + np.sin(total)[:, None] * bend
        points.append(points[-1] + length * step)
    return np.stack(points, axis=1)


def _rotation(turn: Array) -> Array:
    """[N, 3, 3] from the frame of the hand to camera space.

    At no turn the fingers point up in the image and the palm to the camera, so that the thumb of a
    right hand is on the right. Pitch, then yaw, then roll in the plane of the image.
    """
    facing = np.diag([1.0, -1.0, -1.0])
    (cx, cy, cz), (sx, sy, sz) = np.cos(turn).T, np.sin(turn).T
    one, zero = np.ones_like(cx), np.zeros_like(cx)

    def matrix(*rows: tuple[Array, Array, Array]) -> Array:
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    pitch = matrix((one, zero, zero), (zero, cx, -sx), (zero, sx, cx))
    yaw = matrix((cy, zero, sy), (zero, one, zero), (-sy, zero, cy))
    roll = matrix((cz, -sz, zero), (sz, cz, zero), (zero, zero, one))
    rotation: Array = roll @ yaw @ pitch @ facing
    return rotation


def joints_of(hands: Hands) -> Array:
    """The 14 joints of `engine.data.hand_joints` [N, 14, 3] in camera space, mm."""
    half = (WRIST * hands.size)[:, None] * hands.across
    palm = 0.55 * hands.knuckles[:, 1:3].mean(axis=1) + 0.45 * hands.wrist
    parts = [
        hands.fingers[:, :, [2, 0]].reshape(-1, 8, 3),  # tip and middle joint of each finger
        hands.thumb[:, [3, 2, 1]],
        np.stack([hands.wrist - half, hands.wrist + half, palm], axis=1),
    ]
    return np.concatenate(parts, axis=1)
