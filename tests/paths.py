"""Where research data lies that is not part of the project, and the mark of tests that need it."""

import os
from pathlib import Path

import pytest


def _find() -> Path | None:
    named = os.environ.get("SIMGAN_SHARED_DATA")
    place = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    return place if place.is_dir() else None


SHARED_DATA = _find()
needs_shared_data = pytest.mark.skipif(
    SHARED_DATA is None,
    reason="needs the research data sets: a folder shared/data beside the project, "
    "or SIMGAN_SHARED_DATA",
)
