"""Serves a test to this machine alone until a signal asks for the end."""

import secrets
import socket
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from simgan.cli.web.api import application
from simgan.engine.errors import ConfigError, Interrupted
from simgan.engine.evaluation.turing.experiment import Experiment
from simgan.engine.signals import StopRequest

ADDRESS = "127.0.0.1"
KEY_BYTES = 32


class _Uvicorn(uvicorn.Server):
    """uvicorn without handlers of its own: a signal before it has any would be lost."""

    stop = StopRequest()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self.stop.requested is not None


class Server:
    """A listening socket and the link to it.

    Args:
        experiment: what is served.
        port: 0 for a free one.
    Raises:
        ConfigError: the port cannot be used.
    """

    def __init__(self, experiment: Experiment, port: int = 0) -> None:
        self.experiment = experiment
        self.socket = listen(port)
        self.port: int = self.socket.getsockname()[1]
        self.key = secrets.token_urlsafe(KEY_BYTES)
        app = application(experiment, port=self.port, key=self.key)
        self.uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                log_level="error",
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=1,
            )
        )

    @property
    def link(self) -> str:
        """Where the page is; the key after # is not sent to any server by a browser itself."""
        return f"http://{ADDRESS}:{self.port}/#k={self.key}"

    def open_browser(self) -> None:
        """Show the page in the user's browser; a browser that runs in the terminal may block."""
        threading.Thread(target=webbrowser.open, args=(self.link,), daemon=True).start()

    def run(self, stop: StopRequest) -> None:
        """Serve until SIGINT or SIGTERM.

        Raises:
            Interrupted: always; the answers so far are in the folder.
        """
        self.uvicorn.stop = stop
        with self.socket:
            self.uvicorn.run(sockets=[self.socket])
        folder = self.experiment.folder
        raise Interrupted(
            f"stopped; all answers are in {folder}",
            signal_number=stop.requested or 2,
            fix=f"Go on: simgan-engine turing --out {folder}\n"
            f"Results: simgan-engine turing --results {folder}",
        )


def listen(port: int) -> socket.socket:
    """A socket that only this machine can reach.

    Raises:
        ConfigError: the port is taken or not allowed.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"port {port} of this machine cannot be used: {error.strerror}",
            fix="Leave --port out for a free one.",
        ) from error
    return listening
