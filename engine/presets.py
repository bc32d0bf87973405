"""The presets: networks and schedule that `--preset` starts from; never what happens to images."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # The paper's gaze networks; the defaults above are its schedule.
    "gaze": {},
    # The paper's hand networks: 224x224 depth, 7x7 filters, 10 blocks. A batch of 512 would keep
    # 69 GB of activations in bf16.
    "hand": {
        "width": 64,
        "blocks": 10,
        "kernel": 7,
        "discriminator": "hand",
        "batch": 32,
        "history_capacity": 1_600,
        "pretrain_refiner_steps": 500,
        "pretrain_discriminator_steps": 200,
    },
    # Small enough for a laptop without a GPU: minutes, not hours.
    "demo": {
        "steps": 400,
        "batch": 32,
        "width": 32,
        "blocks": 3,
        "history_capacity": 640,
        "pretrain_refiner_steps": 60,
        "pretrain_discriminator_steps": 20,
        "log_every": 20,
        "sample_every": 200,
        "checkpoint_every": 200,
        "lambda_reg": 0.3,
        "stop_every": 50,
        "stop_images": 500,
        "stop_steps": 60,
    },
}
