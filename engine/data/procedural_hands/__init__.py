"""Built-in depth images of hands with exact joints: a demo and test bed, never called real."""

from simgan.engine.data.procedural_hands.source import PREFIX, ProceduralHands, parse_location

__all__ = ["PREFIX", "ProceduralHands", "parse_location"]
