"""`simgan-engine import-weights`: a refiner saved by torch.save, converted once, safely."""

from pathlib import Path
from typing import Literal

import click


@click.command("import-weights")
@click.argument("file", type=click.Path())
@click.argument("output", required=False, type=click.Path())
@click.option(
    "--output-activation",
    type=click.Choice(["tanh", "none"]),
    default="tanh",
    show_default=True,
    help="Last operation of the network, which weights do not tell.",
)
@click.option(
    "--padding",
    type=click.Choice(["zeros", "replicate"]),
    default="zeros",
    show_default=True,
    help="What its convolutions see beyond the border, which weights do not tell either.",
)
def command(
    file: str,
    output: str | None,
    output_activation: Literal["tanh", "none"],
    padding: Literal["zeros", "replicate"],
) -> None:
    """Convert the refiner in FILE (.pt, .pth) to OUTPUT (default: FILE.safetensors).

    FILE is read in a process of its own, as tensors only: code in it is refused, never run.
    """
    from simgan.engine.weights_import import import_weights

    target = Path(output) if output else Path(file).with_suffix(".safetensors")
    found = import_weights(file, target, output_activation=output_activation, padding=padding)
    shape = found.shape
    click.echo(
        f"wrote {found.path}: refiner of {found.parameters:,} parameters "
        f"(channels {shape.channels}, width {shape.width}, blocks {shape.blocks}, "
        f"kernel {shape.kernel})"
    )
    click.echo(f"next: simgan-engine refine --checkpoint {found.path} --input IMAGES --output DIR")
