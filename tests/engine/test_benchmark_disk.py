"""What the efficiency of refining from disk to disk means, on made-up times."""

import pytest

from simgan.engine.benchmark.disk import Round, Spent


def made_up(whole: Spent, **parts: Spent) -> Round:
    return Round(parts, whole)


def test_the_slowest_part_is_the_bound_while_cores_are_left() -> None:
    done = made_up(
        Spent(5.0, 9.0), decode=Spent(4.0, 7.0), refine=Spent(1.0, 0.1), encode=Spent(3.0, 2.0)
    )
    assert done.slowest == "decode"
    assert done.efficiency(16) == done.of_slowest_part() == pytest.approx(0.8)


def test_on_shared_cores_their_cpu_seconds_are_the_bound_when_those_are_more() -> None:
    done = made_up(
        Spent(10.0, 16.0), decode=Spent(2.0, 4.0), refine=Spent(6.0, 10.0), encode=Spent(1.0, 2.0)
    )
    assert done.efficiency(2) == pytest.approx(0.8)
    assert done.efficiency(4) == done.of_slowest_part() == pytest.approx(0.6)
    assert done.cpu_efficiency() == pytest.approx(1.0)


def test_what_a_gpu_refines_takes_no_cores() -> None:
    done = made_up(
        Spent(4.0, 9.0), decode=Spent(2.0, 4.0), refine=Spent(1.0, 1.0), encode=Spent(1.5, 3.0)
    )
    assert done.efficiency(2, ("decode", "encode")) == pytest.approx(3.5 / 4)
    assert done.of_slowest_part() == pytest.approx(0.5)
