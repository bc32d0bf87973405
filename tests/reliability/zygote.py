"""A process that has imported torch once and forks a child per run, so that a run costs no import.

Reads one JSON object a line from stdin and answers with one a line on stdout:
    {"start": {...}}  -> {"pid": n}             see `child` for the keys
    {"poll": n}       -> {"status": null}       while it runs, else its exit code (-9: killed)
It never computes, so that no thread pool exists when it forks.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch._inductor  # use_deterministic_algorithms imports it, which takes seconds

sys.path.insert(0, str(Path(__file__).parent.parent))

import planted

from simgan.cli.main import run as run_cli
from simgan.engine import trainer
from simgan.engine.config import train_config
from simgan.engine.failpoints import failpoint  # noqa: F401 - imported before the first fork


def child(order: dict[str, Any]) -> None:
    """What a forked child does.

    Keys of `order`: cwd, log (file for stdout and stderr), env, threads, file_limit (bytes),
    plants ([name, arguments...] in `planted`), and one of cli (arguments), train (settings),
    resume ([path, steps]) or call (name in `planted` and arguments).
    """
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(order["cwd"])
    os.environ.update(order.get("env", {}))
    torch.set_num_threads(order.get("threads", 1))
    if "file_limit" in order:
        limit = order["file_limit"]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    for name, *arguments in order.get("plants", []):
        getattr(planted, name)(*arguments)
    if "cli" in order:
        run_cli(order["cli"])
    elif "train" in order:
        trainer.train(train_config(order["train"]), observer=planted.Printer())
    elif "resume" in order:
        path, steps = order["resume"]
        trainer.resume(path, steps=steps, observer=planted.Printer())
    else:
        name, *arguments = order["call"]
        getattr(planted, name)(*arguments)


def run_child(order: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        child(order)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        code = getattr(error, "exit_code", 1)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            pid = os.fork()
            if pid == 0:
                run_child(request["start"])
            answer: dict[str, Any] = {"pid": pid}
        else:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = {"status": os.waitstatus_to_exitcode(status) if pid else None}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
