"""The shape of a procedural eye: a rotating ball behind two lids, seen by an orthographic camera.

Both kinds of procedural eyes draw from this one model, so gaze labels and shapes have the same
distribution in both, and only the appearance differs.

Lengths are model units: one pixel of a 35x55 image. Model x points right, y down, the origin is the
image centre. Every field is computed from + - * / sqrt alone, which IEEE 754 fixes to the last bit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # float32 everywhere; the stubs of numpy lose track of it

MODEL_HEIGHT = 35
MODEL_WIDTH = 55
SHAPE_DRAWS = 16  # uniform numbers that draw_shapes consumes per image
PITCH_LIMIT = 0.42  # radians; triangular distribution, standard deviation 0.17
YAW_LIMIT = 0.62  # radians; standard deviation 0.25
SUPERSAMPLE = 2  # samples per pixel and axis


@dataclass(frozen=True)
class EyeShapes:
    """Shape parameters of N eyes, each float32 [N, 1, 1]; radians and model units.

    `gaze_x`, `gaze_y`, `gaze_z` are the gaze vector as the image sees it: right, down, towards the
    camera.
    """

    pitch: Array
    yaw: Array
    gaze_x: Array
    gaze_y: Array
    gaze_z: Array
    center_x: Array
    center_y: Array
    ball_radius: Array
    iris_radius: Array
    pupil_radius: Array
    iris_depth: Array  # distance of the iris plane from the centre of the ball
    roll_cos: Array
    roll_sin: Array
    lid_middle: Array
    lid_half_width: Array
    lid_tilt: Array
    upper_height: Array
    lower_height: Array
    upper_skew: Array
    lower_skew: Array


@dataclass(frozen=True)
class EyeFields:
    """Maps of N eyes on the supersampled grid, float32 [N, SUPERSAMPLE*H, SUPERSAMPLE*W].

    Distances are in model units. `upper` and `lower` are signed distances from the lid margins,
    positive on the eyeball's side; the eyeball is visible where both are positive. `along` runs
    from -1 at the inner corner of the eye (left) to 1 at the outer corner. `iris` is the distance
    from the pupil centre within the plane of the iris; `iris_x` [N, 1, W'] and `iris_y` [N, H', 1]
    are the offsets from it in the image.
    `facing` is the cosine between the ball's surface normal and the viewing direction.
    """

    face_x: Array
    face_y: Array
    along: Array
    upper: Array
    lower: Array
    iris: Array
    iris_x: Array
    iris_y: Array
    facing: Array


def between(low: float, high: float, uniform: Array) -> Array:
    """Map numbers of [0, 1) to [low, high)."""
    return low + (high - low) * uniform


def draw_shapes(uniform: Array) -> EyeShapes:
    """Shapes from uniform numbers [N, SHAPE_DRAWS] in [0, 1)."""
    u = [uniform[:, column, None, None] for column in range(SHAPE_DRAWS)]
    # The sum of two uniform numbers: bell-like, bounded, and the same for both kinds of eyes.
    pitch = PITCH_LIMIT * (u[0] + u[1] - 1)
    yaw = YAW_LIMIT * (u[2] + u[3] - 1)
    gaze_x, gaze_y, gaze_z = gaze_in_image(pitch, yaw)
    ball_radius = between(14.2, 14.8, u[4])
    iris_radius = between(6.7, 7.5, u[5])
    openness = between(0.84, 1.1, u[6])
    roll = between(-0.06, 0.06, u[7]).astype(np.float64)
    return EyeShapes(
        pitch=pitch,
        yaw=yaw,
        gaze_x=gaze_x,
        gaze_y=gaze_y,
        gaze_z=gaze_z,
        center_x=between(-1.5, 1.5, u[8]),
        center_y=between(-0.5, 2.5, u[9]),
        ball_radius=ball_radius,
        iris_radius=iris_radius,
        pupil_radius=iris_radius * between(0.34, 0.5, u[10]),
        iris_depth=np.sqrt(ball_radius * ball_radius - iris_radius * iris_radius),
        roll_cos=np.cos(roll).astype(np.float32),
        roll_sin=np.sin(roll).astype(np.float32),
        lid_middle=between(-0.8, 0.6, u[11]),
        lid_half_width=between(17.8, 20.2, u[12]),
        lid_tilt=between(-2.0, 0.4, u[13]),
        # The upper lid follows the eyeball when it looks up or down; the lower lid a little.
        upper_height=openness * 7.2 - 10.0 * gaze_y,
        lower_height=openness * 6.1 + 3.5 * gaze_y,
        upper_skew=between(0.02, 0.2, u[14]),
        lower_skew=between(0.02, 0.2, u[15]),
    )


def gaze_in_image(pitch: Array, yaw: Array) -> tuple[Array, Array, Array]:
    """The gaze vector (right, down, towards the camera) of angles in radians.

    In camera space (right, up, away from the camera) this is (cos p sin y, sin p, -cos p cos y):
    pitch is positive upwards, yaw towards the right of the image.
    """
    p, y = pitch.astype(np.float64), yaw.astype(np.float64)
    right, down, towards = np.cos(p) * np.sin(y), -np.sin(p), np.cos(p) * np.cos(y)
    return right.astype(np.float32), down.astype(np.float32), towards.astype(np.float32)


def model_scale(height: int, width: int) -> float:
    """Pixels per model unit for an image of height x width pixels."""
    return min(height / MODEL_HEIGHT, width / MODEL_WIDTH)


def pupil_centers(shapes: EyeShapes, height: int, width: int) -> Array:
    """Pupil centres float32 [N, 2] as (x, y) in pixels; (0, 0) is the middle of the top left pixel.

    The pupil lies in the plane of the iris, so its centre is the ball's centre plus `iris_depth`
    times the image part of the gaze vector.
    """
    scale = model_scale(height, width)
    x = (shapes.center_x + shapes.iris_depth * shapes.gaze_x) * scale + (width - 1) / 2
    y = (shapes.center_y + shapes.iris_depth * shapes.gaze_y) * scale + (height - 1) / 2
    return np.stack([x[:, 0, 0], y[:, 0, 0]], axis=1)


def eye_fields(shapes: EyeShapes, height: int, width: int) -> EyeFields:
    """Distances and coordinates that the shading needs, for images of height x width pixels."""
    x = sample_positions(width, model_scale(height, width))[None, None, :] - shapes.center_x
    y = sample_positions(height, model_scale(height, width))[None, :, None] - shapes.center_y
    face_x = shapes.roll_cos * x + shapes.roll_sin * y
    face_y = shapes.roll_cos * y - shapes.roll_sin * x
    along = (face_x - shapes.lid_middle) / shapes.lid_half_width
    from_baseline = face_y - shapes.lid_tilt * along
    upper = lid_distance(from_baseline, along, shapes.upper_height, shapes.upper_skew, shapes)
    lower = lid_distance(-from_baseline, along, shapes.lower_height, -shapes.lower_skew, shapes)

    iris_x = x - shapes.iris_depth * shapes.gaze_x
    iris_y = y - shapes.iris_depth * shapes.gaze_y
    # Depth of the iris plane below each sample: it foreshortens the disc to an ellipse.
    slant = (iris_x * shapes.gaze_x + iris_y * shapes.gaze_y) / shapes.gaze_z
    iris = np.sqrt(iris_x * iris_x + iris_y * iris_y + slant * slant)
    from_axis = (x * x + y * y) / (shapes.ball_radius * shapes.ball_radius)
    facing = np.sqrt(np.maximum(1 - from_axis, 0.04))
    return EyeFields(
        face_x=face_x,
        face_y=face_y,
        along=along,
        upper=upper,
        lower=lower,
        iris=iris,
        iris_x=iris_x,
        iris_y=iris_y,
        facing=facing,
    )


def sample_positions(pixels: int, scale: float) -> Array:
    """Model coordinates [SUPERSAMPLE * pixels] of the samples along one image axis."""
    samples = np.arange(SUPERSAMPLE * pixels, dtype=np.float64)
    pixel = (samples + 0.5) / SUPERSAMPLE - 0.5
    return ((pixel - (pixels - 1) / 2) / scale).astype(np.float32)


def lid_distance(
    from_baseline: Array, along: Array, height: Array, skew: Array, shapes: EyeShapes
) -> Array:
    """Signed distance from a lid margin, positive on the eyeball's side of it.

    The margin is an arch of `height` over the line through the corners of the eye; `skew` moves its
    top towards the inner corner. The vertical distance is divided by the local slope's length.
    """
    bent = along + skew * (1 - along * along)
    square = bent * bent
    arch = (1 - square) * (1 + 0.3 * square)
    slope = height * bent * (1.4 + 1.2 * square) / shapes.lid_half_width
    distance: Array = (from_baseline + height * arch) / np.sqrt(1 + slope * slope)
    return distance
