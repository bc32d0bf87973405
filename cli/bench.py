"""`simgan-engine bench`: checks first, then times, beside plain PyTorch."""

import contextlib
import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from simgan.engine.benchmark.comparison import compare, load_report
from simgan.engine.benchmark.plan import CASES, NOT_QUICK, make_plan
from simgan.engine.config_checks import parse_device
from simgan.engine.errors import CheckFailedError, ConfigError


def _cases(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(part.strip() for part in text.split(","))
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


def _report(ctx: click.Context, param: click.Parameter, path: Path | None) -> Any:
    """Read before anything is measured: a wrong file is found at once."""
    try:
        return None if path is None else load_report(path)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def _output(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and not path.absolute().parent.is_dir():
        raise click.BadParameter(f"the folder {path.absolute().parent} does not exist", ctx, param)
    return path


def _picture(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and importlib.util.find_spec("matplotlib") is None:
        raise click.BadParameter(
            "matplotlib is not installed: install simgan-engine[plots]", ctx, param
        )
    return _output(ctx, param, path)


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("bench")
@click.option(
    "--quick",
    is_flag=True,
    help=f"Few rounds, under a minute on two CPU cores; without {', '.join(NOT_QUICK)}, "
    "and torch.compile in refine only.",
)
@click.option(
    "--only",
    "cases",
    callback=_cases,
    metavar="CASE,...",
    help=f"Some of {', '.join(CASES)} (default: all).",
)
@click.option(
    "--scaling", is_flag=True, help="Only refining over batch, image size and, on a CPU, threads."
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
    help="Whether torch.compile takes part in refine and step (default: see --quick).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option(
    "--compare",
    "old",
    type=_FILE,
    callback=_report,
    metavar="OLD.json",
    help="Set the medians beside those of an earlier --json; says what else differs.",
)
@click.option(
    "--profile",
    "trace",
    type=_FILE,
    callback=_output,
    metavar="TRACE.json",
    help="Also trace a few of our steps, with named (on a GPU: NVTX) ranges; "
    "open the file in ui.perfetto.dev.",
)
@click.option(
    "--plot",
    type=_FILE,
    callback=_picture,
    metavar="FILE.png",
    help="Also draw the roofline and what was reached (needs matplotlib: the extra 'plots').",
)
def command(
    quick: bool,
    cases: tuple[str, ...] | None,
    scaling: bool,
    batch: int | None,
    rounds: int | None,
    device: str,
    threads: int | None,
    compile: bool | None,
    as_json: bool,
    old: dict[str, Any] | None,
    trace: Path | None,
    plot: Path | None,
) -> None:
    """Time refining, a training step, the single operations and the whole training loop.

    The paper's gaze networks run on made-up images, beside plain PyTorch. Every variant is checked
    against float64 first; one that is wrong gets no time, and the exit code is 9 if it is ours.
    """
    if scaling and cases:
        raise click.UsageError("--scaling and --only exclude each other: name scaling in --only")
    from simgan.engine.benchmark.benchmark import run_benchmark
    from simgan.engine.precision import pick_device

    plan = make_plan(
        pick_device(device).type,
        device=device,
        cases=("scaling",) if scaling else cases,
        batch=batch,
        rounds=rounds,
        compile=compile,
        quick=quick,
        threads=threads,
    )
    with _status() as say:
        report = run_benchmark(plan, say)
        if old is not None:
            report["comparison"] = compare(old, report)
        if plot is not None:
            from simgan.engine.benchmark.roofline_plot import plot_roofline

            plot_roofline(report, plot)
        if trace is not None:
            from simgan.engine.benchmark.trace import write_trace

            write_trace(plan, trace, say)
    _print(report, as_json)
    from simgan.engine.benchmark.summary import own_red

    red = own_red(report["summary"])
    if red:
        raise CheckFailedError(
            f"wrong results, so not timed: {', '.join(red)}",
            fix="Run 'simgan-engine doctor'; --json has the errors and what was allowed.",
        )


def _print(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report))
        return
    from simgan.cli.bench_compare import show_comparison
    from simgan.cli.bench_table import show

    show(report)
    if "comparison" in report:
        show_comparison(report["comparison"])


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
