"""A run in motion: the three phases, and at every step the housekeeping that keeps it safe."""

from simgan.engine.checkpoint import (
    Checkpoint,
    checkpoints,
    load_checkpoint,
    newest_checkpoint,
    prune,
    save_checkpoint,
    spoken,
)
from simgan.engine.clock import Clock, long_run_warning
from simgan.engine.divergence import find_trouble, save_image_names
from simgan.engine.errors import DiskError, DivergedError, Interrupted
from simgan.engine.failpoints import failpoint
from simgan.engine.health import HealthRules
from simgan.engine.logbook import Logbook, image_tensor
from simgan.engine.looks import Looks
from simgan.engine.observer import Observer
from simgan.engine.run_folder import RunFolder
from simgan.engine.run_state import (
    PHASES,
    Place,
    Training,
    learning_rate,
    place_data,
    restore,
    snapshot_headers,
    snapshot_state,
    snapshot_tensors,
)
from simgan.engine.samples import draw_samples, fixed_samples, save_grid
from simgan.engine.signals import StopRequest
from simgan.engine.stepper import Stepper

# Steps between looks at the non-finite flag, at most. Each look makes a GPU wait for the host.
CHECK_EVERY = {"cpu": 20, "cuda": 100}
MAX_ROLLBACKS = 3
MAX_FAILED_SAVES = 3


class Session:
    """Runs the phases of a `Training` in a run folder.

    Args:
        training: its moving parts, freshly built.
        run: the folder, locked by the caller.
        observer: is told of progress.
        stop: what the signals ask for.
        start: the checkpoint to continue from; None for a new run.
    """

    def __init__(
        self,
        training: Training,
        run: RunFolder,
        observer: Observer,
        stop: StopRequest,
        start: Checkpoint | None = None,
    ) -> None:
        self.training = training
        self.run = run
        self.observer = observer
        self.stop = stop
        self.last_metrics: dict[str, float] = {}
        self.last_checkpoint = start.path if start else run.checkpoints
        self._health = HealthRules()
        self._failed_saves = 0
        self._told_long = False
        self._positions: dict[int, dict[str, int]] = {}
        self._clock = Clock()
        self._check_every = CHECK_EVERY[training.players.precision.device.type]
        config = training.config
        self.looks = Looks(training, run.checkpoints, observer, stop)
        if start is not None:
            restore(training, start)
            self.looks.load(start)
        self._stepper = Stepper(training)
        self._samples = fixed_samples(training.synthetic, training.real)
        self._logbook = Logbook(
            run.metrics,
            tensorboard=run.path / "tensorboard" if config.tensorboard else None,
            offset=start.state["metrics_offset"] if start else None,
            purge_step=training.place.step if start else None,
        )
        stop.last_words = lambda: f"forced stop; {self._last_complete()}"
        if start is None:
            self._save()

    def run_all(self) -> None:
        """Run what is left of every phase, then save."""
        while True:
            self._run_phase()
            place = self.training.place
            if place.step < self._total() and not self.looks.over:
                continue  # a rollback led back into an earlier phase
            if place.phase + 1 == len(PHASES):
                break
            place.phase, place.step = place.phase + 1, 0
            self._save()
        self._save(last=True)
        self._draw()
        self.looks.closing_words()

    def close(self) -> None:
        """Stop threads and flush files."""
        self.training.synthetic.close()
        self.training.real.close()
        self._logbook.close()

    def _run_phase(self) -> None:
        """Run until the phase is done, or a rollback has led into another one."""
        phase, total = self.training.place.phase, self._total()
        self.observer.phase(PHASES[phase], total, self.training.place.step)
        self._clock.restart(self.training)
        self._positions.clear()
        while self._goes_on(phase, total):
            if self.looks.due:
                self._catch_up(total)
                continue
            step = self.training.place.step
            self._positions[step] = self._position()
            self._positions.pop(step - 2 * self._check_every, None)
            self._step(PHASES[phase])
            self.training.place.step += 1
            failpoint("train.step")
            self._housekeeping(total)

    def _goes_on(self, phase: int, total: int) -> bool:
        looks, place = self.looks, self.training.place
        return place.phase == phase and not looks.over and (place.step < total or looks.due)

    def _catch_up(self, total: int) -> None:
        """Make the look that a signal had ended; its checkpoint holds the weights already."""
        self._tick(total)
        if self.looks.due:
            self._stop()
        self.looks.publish()

    def _total(self) -> int:
        config = self.training.config
        totals = (config.pretrain_refiner_steps, config.pretrain_discriminator_steps, config.steps)
        return totals[self.training.place.phase]

    def _step(self, phase: str) -> None:
        """One step of a phase, without waiting for the device."""
        self._stepper.step(phase, self._ahead())

    def _ahead(self) -> int:
        """Steps until the next look at the device, or the end of the phase."""
        config, step = self.training.config, self.training.place.step
        every = [config.log_every, config.sample_every, config.checkpoint_every, self._check_every]
        every += self.looks.rhythm
        return min(self._total() - step, *(steps - step % steps for steps in every))

    def _position(self) -> dict[str, int]:
        return {"synthetic": self.training.synthetic.position, "real": self.training.real.position}

    def _housekeeping(self, total: int) -> None:
        config, step = self.training.config, self.training.place.step
        training_phase = PHASES[self.training.place.phase] == "train"
        ticked = step % config.log_every == 0 or step == total or self.looks.due
        saving = step % config.checkpoint_every == 0
        stopping = self.stop.requested is not None
        if (ticked or saving or stopping or step % self._check_every == 0) and self._rolled_back():
            return
        if ticked:
            self._tick(total)
        else:
            self._pulse(total)
        if training_phase and step % config.sample_every == 0:
            self._draw()
        if (saving and step < total) or self.looks.better:
            self._save()
        if stopping or self.looks.due:
            self._stop()

    def _tick(self, total: int) -> None:
        place = self.training.place
        speed = self._clock.read(self.training, total)
        seen = self.looks.look()
        if self.looks.due:
            return  # a signal ended the look; a resume makes it, and this tick
        if seen:
            self._clock.restart(self.training)
        metrics = self.training.metrics.read() | speed | seen
        phase = PHASES[place.phase]
        row = {"phase": phase, "step": place.step, **metrics}
        try:
            self._logbook.write(row)
        except DiskError as error:
            self.observer.warning(f"{error.what}. Training continues.")
        self.last_metrics = {"step": float(place.step), **metrics}
        self.observer.tick(dict(self.last_metrics))
        if phase == "train":
            for warning in self._health.check(metrics):
                self.observer.warning(warning)

    def _pulse(self, total: int) -> None:
        """Show that the run is alive between distant ticks, without waiting for the device."""
        speed = self._clock.pulse(self.training, total)
        if speed is None:
            return
        place = self.training.place
        self.observer.tick({"step": float(place.step), **speed})
        if place.phase == 0 and not self._told_long:
            self._told_long = True
            warning = long_run_warning(self.training, speed["images_per_s"])
            if warning is not None:
                self.observer.warning(warning)

    def _draw(self) -> None:
        step = self.training.place.step
        grid = draw_samples(self.training.players, self._samples)
        try:
            save_grid(grid, self.run.samples / f"step-{step:08d}.png")
        except OSError as error:
            self.observer.warning(
                f"cannot write the sample grid of step {step:,}: {error.strerror}"
            )
        try:
            self._logbook.image("samples", image_tensor(grid), step)
        except DiskError as error:
            self.observer.warning(f"{error.what}. Training continues.")

    def _save(self, *, last: bool = False) -> None:
        """Write a checkpoint; a full disk is told and survived, but not thrice nor at the end."""
        training = self.training
        if self.last_checkpoint.name == training.place.name:
            return
        try:
            self.last_checkpoint = save_checkpoint(
                self.run.checkpoints,
                training.place.name,
                snapshot_tensors(training),
                snapshot_state(training, self._logbook.offset) | self.looks.entry(),
                snapshot_headers(training),
            )
        except DiskError as error:
            self._failed_saves += 1
            self.looks.not_saved()
            stopping = last or self.stop.requested is not None
            if stopping or self._failed_saves >= MAX_FAILED_SAVES:
                raise
            self.observer.warning(f"{error.what} Training continues; free space or pass --keep 1.")
            return
        self._failed_saves = 0
        self.looks.publish()
        try:
            prune(self.run.checkpoints, training.config.keep, self.looks.best)
        except OSError as error:
            self.observer.warning(f"cannot remove an old checkpoint: {error}. Training continues.")

    def _last_complete(self) -> str:
        """For last words: what is on the disk, whatever this object has seen of it."""
        found = checkpoints(self.run.checkpoints)
        if not found:
            return "there is no complete checkpoint yet"
        return f"{spoken(found[-1].name)} is the last complete checkpoint"

    def _stop(self) -> None:
        number = self.stop.requested
        assert number is not None
        self._save()
        raise Interrupted(
            f"stopping after {spoken(self.training.place.name)}: saved",
            signal_number=number,
            fix=f"Resume: simgan-engine train --resume {self.run.path}",
        )

    def _rolled_back(self) -> bool:
        """Look for values that are not finite; go back to the last good checkpoint if so."""
        trouble = find_trouble(self.training)
        if trouble is None:
            return False
        names = save_image_names(self.training, self.run, self._positions, trouble.step)
        attempt = self.training.place.attempt + 1
        if attempt > MAX_ROLLBACKS or not checkpoints(self.run.checkpoints):
            raise DivergedError(
                f"{trouble.sentence} after {attempt - 1} rollbacks; {self._last_complete()}",
                where=f"names of the images of that step: {names}",
                fix="Lower --lr, or look at those images.",
            )
        good = load_checkpoint(newest_checkpoint(self.run.checkpoints, self.observer.warning))
        restore(self.training, good)
        self.looks.load(good)
        self.last_checkpoint = good.path
        self.training.place = Place(self.training.place.phase, self.training.place.step, attempt)
        place_data(self.training, good.state["position"])
        self._positions.clear()
        self._logbook.cut(good.state["metrics_offset"])
        self._clock.restart(self.training)
        config = self.training.config
        self.observer.warning(
            f"{trouble.sentence}. Rolled back to {spoken(good.path.name)} "
            f"(attempt {attempt}/{MAX_ROLLBACKS}), "
            f"lr {learning_rate(config, attempt - 1):g}->{learning_rate(config, attempt):g}; "
            f"names of the images of that step saved to {names}"
        )
        return True
