"""What is measured, how large and how often; imports no torch."""

from dataclasses import dataclass

from simgan.engine.config import TrainConfig, train_config

CASES = ("refine", "step", "ops", "loop", "data", "disk")
SIZE, CHANNELS = (35, 55), 1  # of the paper's gaze images
HISTORY_BATCHES = 50  # B / b of the paper's preset
OPS_ROUNDS = 3
REFINE_BATCHES = {"cpu": 1, "cuda": 8}  # images refined at once, in b


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run of the benchmark.

    Attributes:
        config: networks and algorithm; `batch` is that of the cases.
        cases: which of CASES.
        rounds: of the networks' cases; single ops, which are short, get `OPS_ROUNDS` times as many.
        loop_steps: steps of the training loop, each beside a bare one.
        loop_images: procedural eyes in each of the two sets of the loop.
        data_images: images of each set that is packed.
        disk_images: images of each set that is refined from disk to disk.
        disk_rounds: of both.
        compile: whether torch.compile takes part.
        quick: small sizes, for a first look; said beside the numbers.
        threads: of the CPU, None to leave them.
        size: (H, W) of the images.
    """

    config: TrainConfig
    cases: tuple[str, ...] = CASES
    rounds: int = 8
    loop_steps: int = 40
    loop_images: int = 512
    data_images: int = 4096
    disk_images: int = 1024
    disk_rounds: int = 3
    compile: bool = True
    quick: bool = False
    threads: int | None = None
    size: tuple[int, int] = SIZE


def make_plan(
    device_type: str,
    *,
    device: str,
    cases: tuple[str, ...] = CASES,
    batch: int | None = None,
    rounds: int | None = None,
    compile: bool | None = None,
    quick: bool = False,
    threads: int | None = None,
) -> Plan:
    """The paper's gaze networks, in sizes that fit the device and the patience.

    Args:
        device_type: "cpu" or "cuda", which decides the defaults.
        device: as the user named it.
        cases: which of CASES.
        batch: b, even (default: 32 on a CPU, 512 on a GPU; 8 and 64 if quick).
        rounds: of the networks' cases (default: 6 on a CPU, 50 on a GPU; 3 and 10 if quick).
        compile: whether torch.compile takes part (default: unless quick).
        quick: small sizes.
        threads: of the CPU.
    Raises:
        ConfigError: `batch` is odd or below 2.
    """
    on_gpu = device_type == "cuda"
    sizes = {(False, False): 32, (False, True): 8, (True, False): 512, (True, True): 64}
    times = {(False, False): 6, (False, True): 3, (True, False): 50, (True, True): 10}
    steps = {(False, False): 20, (False, True): 10, (True, False): 200, (True, True): 40}
    disk = {(False, False): 1024, (False, True): 96, (True, False): 32768, (True, True): 8192}
    kind = (on_gpu, quick)
    b = sizes[kind] if batch is None else batch
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
    return Plan(
        config=train_config(values),
        cases=cases,
        rounds=rounds or times[kind],
        loop_steps=steps[kind],
        loop_images=64 if quick else 512,
        data_images=1024 if quick else 4096,
        disk_images=disk[kind],
        compile=not quick if compile is None else compile,
        quick=quick,
        threads=threads,
    )
