"""Metrics: means since the last read, and the first value that was not finite."""

import pytest
import torch

from simgan.engine.metrics import MetricSums


def sums() -> MetricSums:
    return MetricSums(torch.device("cpu"))


def scalars(**values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in values.items()}


def test_a_read_gives_means_and_starts_over() -> None:
    metrics = sums()
    metrics.add("refiner", scalars(loss=1.0, change=4.0), 0)
    metrics.add("refiner", scalars(loss=3.0, change=0.0), 1)
    metrics.add("discriminator", scalars(right=0.5), 1)
    assert metrics.read() == {"loss": 2.0, "change": 2.0, "right": 0.5}
    assert metrics.read() == {}


def test_sums_are_kept_in_double_precision() -> None:
    metrics = sums()
    metrics.add("refiner", scalars(loss=2.0**24), 0)
    for step in range(3):
        metrics.add("refiner", scalars(loss=1.0), step)
    assert metrics.read()["loss"] == (2.0**24 + 3) / 4


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_the_first_bad_step_is_remembered_over_reads(bad: float) -> None:
    metrics = sums()
    metrics.add("refiner", scalars(loss=1.0), 4)
    assert metrics.first_bad() is None
    metrics.add("refiner", scalars(loss=1.0, change=bad), 5)
    metrics.add("refiner", scalars(loss=bad), 6)
    metrics.read()
    metrics.add("refiner", scalars(loss=1.0), 7)
    assert metrics.first_bad() == ("refiner", 5)


def test_a_step_counted_on_the_device_is_remembered() -> None:
    metrics, step = sums(), torch.zeros((), dtype=torch.int64)
    for loss in (1.0, float("inf"), float("nan")):
        metrics.add("refiner", scalars(loss=loss), step)
        step.add_(1)
    assert metrics.first_bad() == ("refiner", 1)


def test_finite_values_whose_sum_is_not_a_float32_are_fine() -> None:
    metrics = sums()
    metrics.add("refiner", scalars(loss=3e38, change=3e38), 0)
    assert metrics.first_bad() is None


def test_a_value_is_added_where_the_sums_are() -> None:
    """A CUDA graph adds to the same addresses at every replay."""
    metrics = sums()
    metrics.add("refiner", scalars(loss=1.0), 0)
    kept = metrics._sources["refiner"]
    places = kept.values.data_ptr(), kept.first_bad.data_ptr()
    for clear in (metrics.read, metrics.forgive):
        clear()
        metrics.add("refiner", scalars(loss=1.0), 1)
        assert metrics._sources["refiner"] is kept
        assert (kept.values.data_ptr(), kept.first_bad.data_ptr()) == places
    assert metrics.read() == {"loss": 1.0}


def test_a_source_may_get_other_metrics_and_loses_none() -> None:
    metrics = sums()
    metrics.add("refiner", scalars(loss=1.0, old=5.0), 0)
    metrics.add("refiner", scalars(loss=float("nan"), old=1.0), 1)
    metrics.read()
    metrics.add("refiner", scalars(loss=1.0, old=5.0), 2)
    metrics.add("refiner", scalars(loss=2.0, new=7.0), 3)
    assert metrics.first_bad() == ("refiner", 1)
    assert metrics.read() == {"old": 5.0, "loss": 1.5, "new": 7.0}
    metrics.add("refiner", scalars(loss=4.0, new=1.0), 4)
    assert metrics.read() == {"loss": 4.0, "new": 1.0}


def test_within_a_step_the_refiner_is_named_first() -> None:
    metrics = sums()
    metrics.add("discriminator", scalars(loss=float("nan")), 3)
    metrics.add("refiner", scalars(loss=float("nan")), 3)
    assert metrics.first_bad() == ("refiner", 3)


def test_an_earlier_step_of_the_other_network_is_named() -> None:
    metrics = sums()
    metrics.add("discriminator", scalars(loss=float("nan")), 2)
    metrics.add("refiner", scalars(loss=float("nan")), 3)
    assert metrics.first_bad() == ("discriminator", 2)


def test_forgiving_forgets_everything() -> None:
    metrics = sums()
    metrics.add("refiner", scalars(loss=float("nan")), 3)
    metrics.forgive()
    assert metrics.first_bad() is None
    assert metrics.read() == {}


def test_a_restored_object_reports_the_same_means() -> None:
    metrics, other = sums(), sums()
    for step, loss in enumerate((0.1, 0.7, 1.3)):
        metrics.add("refiner", scalars(loss=loss), step)
    other.add("refiner", scalars(loss=99.0), 0)
    other.load_state_dict({name: value.clone() for name, value in metrics.state_dict().items()})
    for each in (metrics, other):
        each.add("refiner", scalars(loss=0.2), 3)
    assert other.read() == metrics.read()
