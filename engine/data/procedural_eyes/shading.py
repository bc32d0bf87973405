"""Tones of a procedural eye: skin, lids, eyeball and iris, put together by their coverage."""

import numpy as np

from simgan.engine.data.procedural_eyes.geometry import SUPERSAMPLE, Array, EyeFields, EyeShapes
from simgan.engine.data.procedural_eyes.looks import EyeLooks


def bump(distance: Array) -> Array:
    """1 at distance 0, falling smoothly: 1/4 at 1, 1/25 at 2. Rational, not Gaussian."""
    fall = 1 + distance * distance
    height: Array = 1 / (fall * fall)
    return height


def coverage(distance: Array, width: Array | float) -> Array:
    """Share of a sample inside a border: 0 to 1 as the signed distance crosses `width` around 0."""
    ramp = np.clip(distance / width + 0.5, 0, 1)
    share: Array = ramp * ramp * (3 - ramp - ramp)
    return share


def shade(shapes: EyeShapes, fields: EyeFields, looks: EyeLooks, texture: Array | None) -> Array:
    """Light of the scene float32 [N, H', W'], 0 black, 1 white.

    Args:
        texture: [2, N, H', W'] coarse and fine noise for the camera's eyes; None for the
            simulator's, which have no texture, lashes or glints.
    """
    face = skin(fields, looks)
    ball = eyeball(shapes, fields, looks)
    if texture is not None:
        face = face * skin_texture(fields, looks, texture)
        ball = ball * ball_texture(shapes, fields, looks, texture) + glints(fields, looks)
    opening = coverage(np.minimum(fields.upper, fields.lower), 1 / SUPERSAMPLE)
    scene = face + opening * (ball - face)
    lid_line = bump(fields.upper / looks["lid_line_width"]) * near_eye(fields.along)
    scene *= 1 - looks["lid_line"] * lid_line
    if texture is not None:
        scene *= lashes(fields, looks, texture)
    light: Array = 1 + looks["side_light"] * (fields.face_x / 27)
    light -= looks["top_light"] * (fields.face_y / 17)
    light *= scene
    return light


def near_eye(along: Array) -> Array:
    """1 between the corners of the eye, fading out beyond them."""
    return coverage(1.06 - np.abs(along), 0.2)


def skin(fields: EyeFields, looks: EyeLooks) -> Array:
    """Tone of the skin around the eye: lid crease, brow bone, socket, bag under the eye, brow."""
    x, y, along = fields.face_x, fields.face_y, fields.along
    upper, lower = fields.upper, fields.lower
    arch = 1 - 0.35 * along * along
    above = -upper  # distance above the upper lid's margin
    fade = coverage(1.15 - np.abs(along), 0.5)
    crease = (above - looks["crease_offset"] * arch) / looks["crease_width"]
    tone: Array = 1 - looks["crease_depth"] * fade * bump(crease)
    tone += looks["brow_bone_light"] * bump((above - 8) / 4) * bump((along - 0.2) / 0.9)
    tone += looks["lid_bulge"] * fade * bump((above - 2.0) / 1.4)
    nose = bump((x + 22) / 8) * bump((y + 2) / 9)
    around = bump(np.minimum(np.minimum(upper, lower), 0) / 4)
    tone -= looks["socket_shadow"] * (nose + 0.5 * around * (1 - nose))
    tone -= looks["bag"] * fade * bump((lower + 5) / 1.8)
    tone += looks["wet_line"] * near_eye(along) * bump((lower + 0.4) / 0.5)
    brow_line = y + looks["brow_height"] + 2.5 * along * along
    tone *= 1 - looks["brow"] * coverage(-brow_line, 4)
    tone *= looks["skin_tone"]
    return tone


def eyeball(shapes: EyeShapes, fields: EyeFields, looks: EyeLooks) -> Array:
    """Tone of sclera, iris, limbus, pupil and caruncle under the shadow of the upper lid."""
    facing = fields.facing
    white = looks["sclera_tone"] * (1 - looks["sclera_falloff"] * (1 - facing))
    relative = fields.iris / shapes.iris_radius
    stroma = looks["iris_tone"] * (0.8 + 0.4 * relative)
    stroma *= 1 - looks["limbus_dark"] * coverage(relative - 0.88, 0.3)
    pupil = coverage(shapes.pupil_radius - fields.iris, looks["limbus_width"])
    stroma += pupil * (looks["pupil_tone"] - stroma)
    disc = coverage(shapes.iris_radius - fields.iris, looks["limbus_width"])
    tone: Array = white + disc * (stroma - white)
    corner = coverage(-0.84 - fields.along, 0.12)
    tone += corner * (0.75 * looks["skin_tone"] - tone)
    reach = np.maximum(fields.upper, 0) / looks["ball_shadow_reach"]
    tone *= 1 - looks["ball_shadow"] * bump(reach)
    return tone


def ball_texture(shapes: EyeShapes, fields: EyeFields, looks: EyeLooks, texture: Array) -> Array:
    """Factor of the iris' radial fibres and of faint blotches on the sclera."""
    x, y = fields.iris_x, fields.iris_y
    # The share of x in |x| + |y| stands in for the angle, which needs an inexact arc tangent.
    angle = x / (np.abs(x) + np.abs(y) + 0.1)
    wave = 3 * angle + 0.8 * texture[0]
    fibres = np.abs(wave - np.floor(wave) - 0.5) * 2 - 0.5
    inside = coverage(shapes.iris_radius - fields.iris, looks["limbus_width"])
    detail = fibres + 0.3 * texture[1]
    factor: Array = 1 + 0.03 * texture[0] + looks["iris_texture"] * inside * detail
    return np.maximum(factor, 0, out=factor)


def skin_texture(fields: EyeFields, looks: EyeLooks, texture: Array) -> Array:
    """Factor of blotches, pores and fine wrinkles that follow the lids."""
    factor: Array = 1 + looks["skin_blotches"] * texture[0]
    factor += looks["skin_grain"] * texture[1]
    below = -fields.lower
    wave = below * 0.45 + 0.5 * texture[0]
    wave -= np.floor(wave)
    fade = bump((below - 4) / 3) * coverage(below, 2)
    factor -= looks["wrinkles"] * fade * coverage(0.3 - np.abs(wave - 0.5), 0.3)
    return factor


def lashes(fields: EyeFields, looks: EyeLooks, texture: Array) -> Array:
    """Factor of lashes: strokes that fan out from the lid margins, uneven in length."""
    along, above, below = fields.along, -fields.upper, -fields.lower
    ragged = 1 + 0.35 * texture[0] + 0.2 * texture[1]
    dark = np.zeros_like(along)
    for distance, strength, length in (
        (above, looks["lash_strength"], looks["lash_length"] * ragged),
        (below, looks["lower_lash"], looks["lash_length"] * 0.5 * ragged),
    ):
        out = np.maximum(distance, 0)
        fan = 1 + 0.06 * out
        phase = looks["lash_count"] * 0.5 * along / fan + looks["lash_phase"]
        phase += 0.45 * texture[0] + 0.3 * texture[1]
        stroke = np.abs(phase - np.floor(phase) - 0.5) * 2
        reach = coverage(length * 0.6 - out, length)
        root = coverage(distance + 0.8, 1.0)
        dark = np.maximum(dark, strength * reach * root * coverage(0.4 - stroke, 0.5))
    factor: Array = 1 - dark * near_eye(along)
    return factor


def glints(fields: EyeFields, looks: EyeLooks) -> Array:
    """Light of one to three lamps and a dim window mirrored by the cornea."""
    size = looks["glint_size"]
    light: Array = np.zeros_like(fields.iris)
    for number in range(3):
        x = fields.iris_x - looks["glint_x"] - looks["glint_gap"] * (0, 1, -0.4)[number]
        y = fields.iris_y - looks["glint_y"] - looks["glint_gap"] * (0, 0.2, 1)[number]
        present = (looks["glint_count"] > number + 0.5).astype(np.float32)
        light += present * looks["glint_strength"] * bump(x / size) * bump(y / size)
    window = bump((fields.iris_x - looks["glint_x"]) / 3) * bump((fields.iris_y + 2) / 2)
    light += looks["reflection"] * window
    return light
