"""What procedural eyes of each kind look like: one table of appearance ranges."""

from dataclasses import dataclass

from simgan.engine.data.procedural_eyes.geometry import Array, between

Range = tuple[float, float]

# name: (range of the simulator, range of the camera). Tones and strengths are shares of white,
# lengths are model units (pixels of a 35x55 image), `side_light`, `top_light` and `vignette` are
# relative changes of light across the image. The camera's people differ from the simulator's:
# darker irises, dimmer eyeballs, stronger shadows, and all that a simple simulator leaves out.
LOOK_RANGES: dict[str, tuple[Range, Range]] = {
    "skin_tone": ((0.46, 0.72), (0.34, 0.70)),
    "side_light": ((-0.06, 0.06), (-0.45, 0.45)),
    "top_light": ((-0.04, 0.10), (-0.30, 0.35)),
    "crease_depth": ((0.12, 0.26), (0.20, 0.75)),
    "crease_offset": ((2.6, 4.2), (1.6, 5.0)),
    "crease_width": ((0.6, 0.8), (0.6, 1.3)),
    "brow_bone_light": ((0.00, 0.06), (0.05, 0.45)),
    "socket_shadow": ((0.06, 0.16), (0.15, 0.60)),
    "brow": ((0.00, 0.25), (0.10, 0.80)),
    "brow_height": ((16.5, 18.5), (13.0, 20.5)),
    "lid_bulge": ((0.04, 0.10), (0.05, 0.35)),
    "bag": ((0.02, 0.08), (0.04, 0.30)),
    "lid_line": ((0.30, 0.50), (0.35, 0.85)),
    "lid_line_width": ((0.5, 0.7), (0.6, 1.1)),
    "wet_line": ((0.05, 0.14), (0.00, 0.35)),
    "sclera_tone": ((0.84, 0.96), (0.52, 0.88)),
    "sclera_falloff": ((0.10, 0.30), (0.30, 1.00)),
    "ball_shadow": ((0.10, 0.25), (0.30, 0.75)),
    "ball_shadow_reach": ((1.5, 2.5), (1.8, 4.5)),
    "iris_tone": ((0.26, 0.52), (0.08, 0.26)),
    "limbus_dark": ((0.35, 0.55), (0.00, 0.50)),
    "limbus_width": ((0.5, 0.6), (1.0, 2.4)),
    "pupil_tone": ((0.02, 0.04), (0.03, 0.07)),
    "iris_texture": ((0.0, 0.0), (0.10, 0.60)),
    "lash_strength": ((0.0, 0.0), (0.10, 0.75)),
    "lash_length": ((1.0, 1.0), (1.5, 5.5)),
    "lash_count": ((20.0, 20.0), (11.0, 24.0)),
    "lash_phase": ((0.0, 0.0), (0.0, 1.0)),
    "lower_lash": ((0.0, 0.0), (0.0, 0.45)),
    "skin_blotches": ((0.0, 0.0), (0.02, 0.10)),
    "skin_grain": ((0.0, 0.0), (0.02, 0.07)),
    "wrinkles": ((0.0, 0.0), (0.00, 0.25)),
    "glint_count": ((0.0, 0.0), (0.6, 3.4)),
    "glint_strength": ((0.0, 0.0), (0.35, 0.95)),
    "glint_size": ((1.0, 1.0), (0.45, 0.95)),
    "glint_x": ((0.0, 0.0), (-3.5, 3.5)),
    "glint_y": ((0.0, 0.0), (-3.5, 1.0)),
    "glint_gap": ((1.0, 1.0), (1.8, 4.0)),
    "reflection": ((0.0, 0.0), (0.0, 0.12)),
    "exposure": ((1.0, 1.0), (0.75, 1.30)),
    "contrast": ((0.0, 0.0), (-0.10, 0.80)),
    "black_level": ((0.0, 0.0), (0.00, 0.10)),
    "vignette": ((0.0, 0.0), (0.00, 0.45)),
    "blur": ((0.0, 0.0), (0.45, 1.15)),
    "sharpening": ((0.0, 0.0), (0.00, 0.80)),
    "shot_noise": ((0.0, 0.0), (0.004, 0.020)),
    "read_noise": ((0.0, 0.0), (0.002, 0.010)),
}
LOOK_DRAWS = len(LOOK_RANGES)


@dataclass(frozen=True)
class EyeLooks:
    """Appearance parameters of N eyes, each float32 [N, 1, 1]; LOOK_RANGES explains them."""

    values: dict[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.values[name]


def draw_looks(camera: bool, uniform: Array) -> EyeLooks:
    """Looks of one kind from uniform numbers [N, LOOK_DRAWS] in [0, 1)."""
    values = {}
    for column, (name, ranges) in enumerate(LOOK_RANGES.items()):
        low, high = ranges[camera]
        values[name] = between(low, high, uniform[:, column, None, None])
    return EyeLooks(values)
