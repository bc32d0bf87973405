"""Refining a set: checkpoint and source in, the same set refined out, labels carried along."""

from simgan.engine.refining.job import RefineResult, refine

__all__ = ["RefineResult", "refine"]
