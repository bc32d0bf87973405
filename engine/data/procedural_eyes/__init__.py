"""Built-in eyes, simulated and "photographed": a demo and test bed, never called real."""

from simgan.engine.data.procedural_eyes.source import ProceduralEyes, parse_location

__all__ = ["ProceduralEyes", "parse_location"]
