"""The least that the files of results hold, by the section of the page that shows them."""

from typing import Any


def results(name: str = "refined") -> dict[str, dict[str, Any]]:
    """By anchor, with `name` wherever a name of the user's can stand."""
    estimate = {"value": 6.0, "low": 5.0, "high": 7.0}
    return {
        "label-check": {
            "unit": "px", "pairs": {"compared": 40}, "failures": [], "notes": [name],
            "measures": {"points": {"name": name, "images": 30, "mean": estimate,
                                    "median": {"value": 0.5, "low": 0.4, "high": 0.6},
                                    "p95": {"value": 2.0, "low": 1.0, "high": 3.0}}},
        },
        "realism": {
            "confidence": 0.95, "notes": [],
            "comparisons": [{"set": name, "kid": {**estimate, "p": 0.25}, "classifier": {
                "image_accuracy": 0.75, "image_low": 0.5, "image_high": 0.875,
                "patch_accuracy": 0.625, "patch_low": 0.5, "patch_high": 0.75}}],
        },
        "ablation": {
            "unit": "degrees", "confidence": 0.95,
            "arms": [
                {"label": "base", "mean": estimate, "spread": 0.5, "fluctuation": 0.25,
                 "against_base": None},
                {"label": name, "mean": estimate, "spread": None, "fluctuation": None,
                 "against_base": {"difference": {"value": -2.0, "low": -3.0, "high": -1.0},
                                  "p": 0.03125}},
            ],
        },
        "turing": {
            "confidence": 0.95, "settings": {"seed": 0},
            "parts": [{"part": name, "raters": [_answers(name)], "pooled": _answers(None)}],
            "images": [{"name": name, "truth": "real", "share": 0.5}],
        },
    }  # fmt: skip


def _answers(rater: str | None) -> dict[str, Any]:
    return {
        "rater": rater, "answers": 40, "accuracy": 0.575, "interval": [0.40625, 0.71875],
        "p": 0.4296, "median_seconds": 0.5,
        "confusion": {"real": {"real": 13, "synthetic": 7},
                      "refined": {"real": 10, "synthetic": 10}},
    }  # fmt: skip
