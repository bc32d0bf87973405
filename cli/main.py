"""The console entry `simgan-engine`: the table of commands and what an error looks like."""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from simgan.cli import failures

# name -> (module:attribute, help line). A module is imported only when its command runs, so that
# help and completion stay fast and need no torch.
COMMANDS = {
    "train": ("simgan.cli.train:command", "Train a refiner on synthetic and real images."),
    "refine": ("simgan.cli.refine:command", "Refine a whole set; names and labels stay."),
    "evaluate": (
        "simgan.cli.evaluate:command",
        "Train an estimator on labelled sets, test it on a real one.",
    ),
    "report": ("simgan.cli.report:command", "Write one HTML page of a run."),
    "ablate": (
        "simgan.cli.ablate:command",
        "Vary one part of SimGAN at a time; table and figures over seeds.",
    ),
    "check-labels": (
        "simgan.cli.check_labels:command",
        "Measure how far refining moved what labels describe.",
    ),
    "check-realism": (
        "simgan.cli.check_realism:command",
        "Test how far refined images still are from real ones.",
    ),
    "turing": (
        "simgan.cli.turing:command",
        "Let people tell refined from real images, on a local page.",
    ),
    "bench": ("simgan.cli.bench:command", "Measure the operations, a training step and refining."),
    "inspect": ("simgan.cli.inspect:command", "Say what a folder or file of images holds."),
    "init": ("simgan.cli.config:init", "Write a commented simgan.toml for your data."),
    "config": ("simgan.cli.config:command", "Show settings and where each came from."),
    "runs": ("simgan.cli.runs:command", "List training runs, or show one."),
    "doctor": ("simgan.cli.doctor:command", "Say what this installation can do."),
    "import-weights": ("simgan.cli.import_weights:command", "Convert a .pt refiner once, safely."),
}


class CommandTable(click.Group):
    """A group whose help and completion come from COMMANDS alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module_name, _, attribute = COMMANDS[cmd_name][0].partition(":")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name != module_name:
                raise
            raise click.UsageError(f"{cmd_name} is not part of this installation", ctx) from error
        command: click.Command = getattr(module, attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's, with the nearest known name in the message."""
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(f"no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Click's, but a reader that leaves is told from a bug by its exit code."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise click.exceptions.Exit(failures.BROKEN_PIPE) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, imported from nowhere."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and help lines from the table."""
        rows = COMMANDS.items()
        found = [CompletionItem(n, help=line) for n, (_, line) in rows if n.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)


def _print_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"simgan-engine {failures.installed_version()}")
        ctx.exit()


@click.group(
    cls=CommandTable,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings come from presets, then simgan.toml, then SIMGAN_* variables, then options. "
    "Start with: simgan-engine train",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Make simulated images look real while their labels stay true (SimGAN)."""


def run(args: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process with its exit code; a user sees no bare traceback."""
    try:
        code = _outcome(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader left (`| head`). Python would complain once more while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = failures.BROKEN_PIPE
    sys.exit(code)


def _outcome(args: Sequence[str] | None) -> int:
    try:
        result: Any = main.main(args, prog_name="simgan-engine", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return _tell(failures.Failure(failures.KEYBOARD_INTERRUPT, ("stopped",)))
    except Exception as error:
        return _tell_about(error)
    # Without standalone mode click returns the code of `ctx.exit(code)`; our commands return None.
    return result if isinstance(result, int) else 0


def _tell_about(error: Exception) -> int:
    if os.environ.get("SIMGAN_DEBUG", "0") not in ("", "0"):
        traceback.print_exception(error)
    failure = failures.explain(error)
    if failure is None:
        crashed = error if isinstance(error, failures.Crashed) else failures.crash(error)
        failure = failures.bug(crashed)
    return _tell(failure)


def _tell(failure: failures.Failure) -> int:
    for line in failure.lines:
        click.echo(line, err=True)
    return failure.exit_code
