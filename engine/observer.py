"""Who watches a training run: the trainer calls an observer and never prints."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Observer(Protocol):
    """What a run tells the outside; called from the training thread, so it returns at once."""

    def phase(self, name: str, total: int, done: int) -> None:
        """A phase (pretraining of R, of D, training) of `total` steps starts at `done`."""

    def tick(self, metrics: dict[str, float]) -> None:
        """Metrics since the last tick.

        Keys: step, images_per_s, refiner_loss, realism_loss, self_regularization,
        discriminator_loss (sums over patches and pixels, means over images), d_accuracy_real,
        d_accuracy_refined (0 to 1), mean_abs_change (|R(x) - x| in [-1, 1] units), eta_s, data_wait
        (share of the time, 0 to 1). At a look of `stop_on` also look_s and kid, kid_low, kid_high,
        or classifier, classifier_images (0 to 1), or task (degrees). A phase leaves out what it
        does not measure.
        """

    def message(self, text: str) -> None:
        """One sentence worth reading, not a problem."""

    def warning(self, text: str) -> None:
        """One sentence about something the user may have to act on."""


class SilentObserver:
    """Hears everything and says nothing; the default of the Python interface."""

    def phase(self, name: str, total: int, done: int) -> None:
        """Ignore the phase."""

    def tick(self, metrics: dict[str, float]) -> None:
        """Ignore the metrics."""

    def message(self, text: str) -> None:
        """Ignore the sentence."""

    def warning(self, text: str) -> None:
        """Ignore the sentence."""
