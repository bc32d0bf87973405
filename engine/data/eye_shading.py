"""Tones of a procedural eye: skin, lids, eyeball and iris, put together by their coverage."""

import numpy as np

from simgan.engine.data.eye_geometry import SUPERSAMPLE, Array, EyeFields, EyeShapes
from simgan.engine.data.eye_looks import EyeLooks

ONE = np.float32(1)


def bump(distance: Array) -> Array:
    """1 at distance 0, falling smoothly: 1/4 at 1, 1/25 at 2. Rational, not Gaussian."""
    fall = ONE + distance * distance
    return ONE / (fall * fall)


def coverage(distance: Array, width: Array | float) -> Array:
    """Share of a sample inside a border: 0 to 1 as the signed distance crosses `width` around 0."""
    ramp = np.clip(distance / width + np.float32(0.5), np.float32(0), ONE)
    return ramp * ramp * (np.float32(3) - ramp - ramp)


def shade(shapes: EyeShapes, fields: EyeFields, looks: EyeLooks, texture: Array | None) -> Array:
    """Light of the scene float32 [N, H', W'], 0 black, 1 white.

    Args:
        texture: [N, H', W', 2] coarse and fine noise for the camera's eyes; None for the
            simulator's, which have no texture, lashes or glints.
    """
    face = skin(fields, looks)
    ball = eyeball(shapes, fields, looks)
    if texture is not None:
        face = face * skin_texture(fields, looks, texture)
        ball = ball * ball_texture(shapes, fields, looks, texture) + glints(fields, looks)
    opening = coverage(np.minimum(fields.upper, fields.lower), np.float32(1 / SUPERSAMPLE))
    scene = face + opening * (ball - face)
    scene *= ONE - looks["lid_line"] * bump(fields.upper / looks["lid_line_width"]) * near_eye(
        fields.along
    )
    if texture is not None:
        scene *= lashes(fields, looks, texture)
    light = ONE + looks["side_light"] * (fields.face_x / np.float32(27))
    light -= looks["top_light"] * (fields.face_y / np.float32(17))
    return scene * light


def near_eye(along: Array) -> Array:
    """1 between the corners of the eye, fading out beyond them."""
    return coverage(np.float32(1.06) - np.abs(along), np.float32(0.2))


def skin(fields: EyeFields, looks: EyeLooks) -> Array:
    """Tone of the skin around the eye: lid crease, brow bone, socket, bag under the eye, brow."""
    x, y, along, upper, lower = (
        fields.face_x,
        fields.face_y,
        fields.along,
        fields.upper,
        fields.lower,
    )
    arch = ONE - np.float32(0.35) * along * along
    above = -upper  # distance above the upper lid's margin
    fade = coverage(np.float32(1.15) - np.abs(along), np.float32(0.5))
    crease = (above - looks["crease_offset"] * arch) / looks["crease_width"]
    tone = ONE - looks["crease_depth"] * fade * bump(crease)
    tone += (
        looks["brow_bone_light"]
        * bump((above - np.float32(8)) / np.float32(4))
        * bump((along - np.float32(0.2)) / np.float32(0.9))
    )
    tone += looks["lid_bulge"] * fade * bump((above - np.float32(2.0)) / np.float32(1.4))
    nose = bump((x + np.float32(22)) / np.float32(8)) * bump((y + np.float32(2)) / np.float32(9))
    around = bump(np.minimum(np.minimum(upper, lower), np.float32(0)) / np.float32(4))
    tone -= looks["socket_shadow"] * (nose + np.float32(0.5) * around * (ONE - nose))
    tone -= looks["bag"] * fade * bump((lower + np.float32(5)) / np.float32(1.8))
    tone += looks["wet_line"] * near_eye(along) * bump((lower + np.float32(0.4)) / np.float32(0.5))
    brow_line = y + looks["brow_height"] + np.float32(2.5) * along * along
    tone *= ONE - looks["brow"] * coverage(-brow_line, np.float32(4))
    return looks["skin_tone"] * tone


def eyeball(shapes: EyeShapes, fields: EyeFields, looks: EyeLooks) -> Array:
    """Tone of sclera, iris, limbus, pupil and caruncle under the shadow of the upper lid."""
    facing = fields.facing
    white = looks["sclera_tone"] * (ONE - looks["sclera_falloff"] * (ONE - facing))
    relative = fields.iris / shapes.iris_radius
    stroma = looks["iris_tone"] * (np.float32(0.8) + np.float32(0.4) * relative)
    stroma *= ONE - looks["limbus_dark"] * coverage(relative - np.float32(0.88), np.float32(0.3))
    pupil = coverage(shapes.pupil_radius - fields.iris, looks["limbus_width"])
    stroma += pupil * (looks["pupil_tone"] - stroma)
    disc = coverage(shapes.iris_radius - fields.iris, looks["limbus_width"])
    tone = white + disc * (stroma - white)
    corner = coverage(np.float32(-0.84) - fields.along, np.float32(0.12))
    tone += corner * (np.float32(0.75) * looks["skin_tone"] - tone)
    reach = np.maximum(fields.upper, np.float32(0)) / looks["ball_shadow_reach"]
    tone *= ONE - looks["ball_shadow"] * bump(reach)
    return tone


def ball_texture(shapes: EyeShapes, fields: EyeFields, looks: EyeLooks, texture: Array) -> Array:
    """Factor of the iris' radial fibres and of faint blotches on the sclera."""
    x, y = fields.iris_x, fields.iris_y
    # The share of x in |x| + |y| stands in for the angle, which needs an inexact arc tangent.
    angle = x / (np.abs(x) + np.abs(y) + np.float32(0.1))
    wave = np.float32(3) * angle + np.float32(0.8) * texture[..., 0]
    fibres = np.abs(wave - np.floor(wave) - np.float32(0.5)) * np.float32(2) - np.float32(0.5)
    inside = coverage(shapes.iris_radius - fields.iris, looks["limbus_width"])
    detail = fibres + np.float32(0.3) * texture[..., 1]
    factor = ONE + np.float32(0.03) * texture[..., 0]
    return np.maximum(factor + looks["iris_texture"] * inside * detail, np.float32(0))


def skin_texture(fields: EyeFields, looks: EyeLooks, texture: Array) -> Array:
    """Factor of blotches, pores and fine wrinkles that follow the lids."""
    factor = ONE + looks["skin_blotches"] * texture[..., 0]
    factor += looks["skin_grain"] * texture[..., 1]
    below = -fields.lower
    wave = below * np.float32(0.45) + np.float32(0.5) * texture[..., 0]
    wave -= np.floor(wave)
    fade = bump((below - np.float32(4)) / np.float32(3)) * coverage(below, np.float32(2))
    factor -= looks["wrinkles"] * fade * coverage(np.float32(0.3) - np.abs(wave - 0.5), 0.3)
    return factor


def lashes(fields: EyeFields, looks: EyeLooks, texture: Array) -> Array:
    """Factor of lashes: strokes that fan out from the lid margins, uneven in length."""
    along, above, below = fields.along, -fields.upper, -fields.lower
    ragged = ONE + np.float32(0.35) * texture[..., 0] + np.float32(0.2) * texture[..., 1]
    dark = np.zeros_like(along)
    for distance, strength, length in (
        (above, looks["lash_strength"], looks["lash_length"] * ragged),
        (below, looks["lower_lash"], looks["lash_length"] * np.float32(0.5) * ragged),
    ):
        out = np.maximum(distance, np.float32(0))
        fan = ONE + np.float32(0.06) * out
        phase = looks["lash_count"] * np.float32(0.5) * along / fan + looks["lash_phase"]
        phase += np.float32(0.45) * texture[..., 0] + np.float32(0.3) * texture[..., 1]
        stroke = np.abs(phase - np.floor(phase) - np.float32(0.5)) * np.float32(2)
        reach = coverage(length * np.float32(0.6) - out, length)
        root = coverage(distance + np.float32(0.8), np.float32(1.0))
        dark = np.maximum(dark, strength * reach * root * coverage(np.float32(0.4) - stroke, 0.5))
    return ONE - dark * near_eye(along)


def glints(fields: EyeFields, looks: EyeLooks) -> Array:
    """Light of one to three lamps and a dim window mirrored by the cornea."""
    size = looks["glint_size"]
    light = np.zeros_like(fields.iris)
    for number in range(3):
        x = fields.iris_x - looks["glint_x"] - looks["glint_gap"] * np.float32((0, 1, -0.4)[number])
        y = fields.iris_y - looks["glint_y"] - looks["glint_gap"] * np.float32((0, 0.2, 1)[number])
        present = (looks["glint_count"] > np.float32(number + 0.5)).astype(np.float32)
        light += present * looks["glint_strength"] * bump(x / size) * bump(y / size)
    window = bump((fields.iris_x - looks["glint_x"]) / np.float32(3)) * bump(
        (fields.iris_y + np.float32(2)) / np.float32(2)
    )
    return light + looks["reflection"] * window
