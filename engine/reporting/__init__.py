"""One self-contained HTML page of a run: `report`."""

from simgan.engine.reporting.page import Parts, report

__all__ = ["Parts", "report"]
