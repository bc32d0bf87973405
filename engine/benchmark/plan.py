"""What is measured, how large and how often; imports no torch."""

from dataclasses import dataclass

from simgan.engine.config import TrainConfig, train_config

CASES = ("refine", "step", "ops", "loop", "data", "disk", "scaling")
NOT_QUICK = ("ops", "data", "scaling")
COMPILING: tuple[str, ...] = ("refine", "step")  # cases in which torch.compile can take part
SIZE, CHANNELS = (35, 55), 1  # of the paper's gaze images
HISTORY_BATCHES = 50  # B / b of the paper's preset
REFINE_BATCHES = {"cpu": 1, "cuda": 8}  # images refined at once, in b
REFINE_ROUNDS = 1


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Points at which the case `scaling` refines.

    Attributes:
        batches: images at once.
        sizes: (H, W), about as many pixels in a batch as the first.
        images: at the first of `sizes`.
    """

    batches: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]
    images: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run of the benchmark.

    Attributes:
        config: networks and algorithm; `batch` is that of the cases.
        cases: which of CASES.
        rounds: of the case `step`; `refine`, which is shorter, gets `REFINE_ROUNDS` more.
        ops_rounds: of single operations.
        loop_steps: steps of the training loop, each beside a bare one.
        loop_images: procedural eyes in each of the two sets of the loop.
        data_images: images of each set that is packed.
        disk_images: images of each set that is refined from disk to disk.
        disk_rounds: of both.
        compile: the cases in which torch.compile takes part.
        quick: few rounds, for a first look; said beside the numbers.
        threads: of the CPU, None to leave them.
        size: (H, W) of the images.
        scaling: points of the case `scaling`; None leaves it out.
    """

    config: TrainConfig
    cases: tuple[str, ...] = CASES
    rounds: int = 8
    ops_rounds: int = 24
    loop_steps: int = 40
    loop_images: int = 512
    data_images: int = 4096
    disk_images: int = 1024
    disk_rounds: int = 3
    compile: tuple[str, ...] = COMPILING
    quick: bool = False
    threads: int | None = None
    size: tuple[int, int] = SIZE
    scaling: Scaling | None = None


SCALING = {
    "cpu": Scaling(
        batches=(1, 2, 4, 8, 16, 32, 64),
        sizes=((35, 55), (70, 110), (140, 220), (224, 224)),
        images=32,
    ),
    "cuda": Scaling(
        batches=(1, 4, 16, 64, 256, 1024, 4096),
        sizes=((35, 55), (70, 110), (140, 220), (224, 224)),
        images=1024,
    ),
}


def make_plan(
    device_type: str,
    *,
    device: str,
    cases: tuple[str, ...] | None = None,
    batch: int | None = None,
    rounds: int | None = None,
    compile: bool | None = None,
    quick: bool = False,
    threads: int | None = None,
) -> Plan:
    """The paper's gaze networks, as often as fits the device and the patience.

    Args:
        device_type: "cpu" or "cuda", which decides the defaults.
        device: as the user named it.
        cases: which of CASES (default: all, if quick without NOT_QUICK).
        batch: b, even (default: 32 on a CPU, 512 on a GPU).
        rounds: of the step (default: 6 on a CPU, 50 on a GPU; 3 and 10 if quick).
        compile: whether torch.compile takes part (default: in all of COMPILING; only in refining
            if quick).
        quick: fewer rounds; less than a minute on two CPU cores.
        threads: of the CPU.
    Raises:
        ConfigError: `batch` is odd or below 2.
    """
    on_gpu = device_type == "cuda"
    times = {(False, False): 6, (False, True): 3, (True, False): 50, (True, True): 10}
    steps = {(False, False): 20, (False, True): 3, (True, False): 200, (True, True): 40}
    disk = {(False, False): 1024, (False, True): 96, (True, False): 32768, (True, True): 8192}
    kind = (on_gpu, quick)
    b = batch or (512 if on_gpu else 32)
    values = {
        "preset": "gaze",
        "batch": b,
        "history_capacity": HISTORY_BATCHES * b,
        "device": device,
        "amp": on_gpu,
        "channels_last": True,
        "pretrain_refiner_steps": 0,
        "pretrain_discriminator_steps": 0,
    }
    repeats = rounds or times[kind]
    compiled = () if compile is False else COMPILING
    if compile is None and quick:
        compiled = COMPILING[:1]
    return Plan(
        config=train_config(values),
        cases=cases or tuple(name for name in CASES if not quick or name not in NOT_QUICK),
        rounds=repeats,
        ops_rounds=repeats if quick else 3 * repeats,
        loop_steps=steps[kind],
        loop_images=64 if quick else 512,
        data_images=1024 if quick else 4096,
        disk_images=disk[kind],
        disk_rounds=2 if quick else 3,
        compile=compiled,
        quick=quick,
        threads=threads,
        scaling=SCALING[device_type],
    )
