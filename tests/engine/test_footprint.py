"""What a run needs is counted the way the networks are built."""

from simgan.engine.config import train_config
from simgan.engine.footprint import footprint


def test_parameters_are_those_of_the_paper_networks() -> None:
    need = footprint(train_config({"preset": "gaze"}), 35, 55, 1)
    assert (need.refiner_parameters, need.discriminator_parameters) == (296_129, 75_906)
    assert need.weights == 4 * (296_129 + 75_906)
    assert need.optimizer == 2 * need.weights
    assert need.history == 25_600 * 35 * 55 * 4


def test_activations_grow_with_the_batch_and_halve_under_amp() -> None:
    def activations(**changes: object) -> int:
        return footprint(train_config({"preset": "demo", **changes}), 35, 55, 1).activations

    assert activations(batch=64) == 2 * activations(batch=32)
    assert 2 * activations(amp=True) == activations()


def test_without_history_and_momentum_nothing_is_kept() -> None:
    need = footprint(train_config({"history": False, "optimizer": "sgd"}), 35, 55, 1)
    assert (need.history, need.optimizer) == (0, 0)
    assert need.total == need.weights + need.gradients + need.activations
