"""`simgan-engine bench`: checks first, then times, beside plain PyTorch."""

import contextlib
import json
from collections.abc import Callable, Iterator

import click

from simgan.engine.benchmark.plan import CASES, make_plan
from simgan.engine.config_checks import parse_device
from simgan.engine.errors import CheckFailedError, ConfigError


def _cases(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[str, ...]:
    names = tuple(part.strip() for part in (text or ",".join(CASES)).split(","))
    for name in names:
        if name not in CASES:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(CASES)}", ctx, param)
    return tuple(name for name in CASES if name in names)


def _device(ctx: click.Context, param: click.Parameter, text: str) -> str:
    try:
        parse_device(text)
    except ConfigError as error:
        raise click.BadParameter(error.what, ctx, param) from error
    return text


@click.command("bench")
@click.option("--quick", is_flag=True, help="Small sizes, under a minute; for a first look.")
@click.option(
    "--only",
    "cases",
    callback=_cases,
    metavar="CASE,...",
    help=f"Some of {', '.join(CASES)} (default: all).",
)
@click.option(
    "--batch",
    type=click.IntRange(2),
    metavar="N",
    help="b, even (default: 32 on a CPU, 512 on a GPU).",
)
@click.option(
    "--rounds", type=click.IntRange(1), metavar="N", help="Timed rounds (default: by device)."
)
@click.option(
    "--device",
    default="auto",
    callback=_device,
    metavar="DEVICE",
    help="auto, cpu, cuda or cuda:N.  [default: auto]",
)
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads.")
@click.option(
    "--compile/--no-compile",
    default=None,
    help="Whether torch.compile takes part (default: unless --quick).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(
    quick: bool,
    cases: tuple[str, ...],
    batch: int | None,
    rounds: int | None,
    device: str,
    threads: int | None,
    compile: bool | None,
    as_json: bool,
) -> None:
    """Time refining, a training step, the single operations and the whole training loop.

    The paper's gaze networks run on made-up images, beside plain PyTorch. Every variant is checked
    against float64 first; one that is wrong gets no time, and the exit code is then 9.
    """
    from simgan.engine.benchmark.benchmark import run_benchmark
    from simgan.engine.precision import pick_device

    plan = make_plan(
        pick_device(device).type,
        device=device,
        cases=cases,
        batch=batch,
        rounds=rounds,
        compile=compile,
        quick=quick,
        threads=threads,
    )
    with _status() as say:
        report = run_benchmark(plan, say)
    if as_json:
        click.echo(json.dumps(report))
    else:
        from simgan.cli.bench_table import show

        show(report)
    red = report["summary"]["gates"]
    if red != "green":
        raise CheckFailedError(
            f"wrong results, so not timed: {', '.join(red)}",
            fix="Run 'simgan-engine doctor'; --json has the errors and what was allowed.",
        )


@contextlib.contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """A changing line on stderr if that is a terminal; nothing elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("bench") as status:
        yield lambda text: status.update(text)
