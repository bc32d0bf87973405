"""Row 36: no network, neither in the tests nor in the product."""

import socket
from pathlib import Path

import pytest
from forked import Zygote, settings


def test_the_tests_themselves_refuse_a_connection() -> None:
    with socket.socket() as client, pytest.raises(RuntimeError, match="tried to connect"):
        client.connect(("192.0.2.1", 80))


def test_the_tests_may_talk_to_this_machine() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        assert client.getpeername() == server.getsockname()


def test_the_watch_sees_a_connection(zygote: Zygote, quick_folder: Path) -> None:
    canary = quick_folder / "sockets"
    plants = [["watch_for_sockets", str(canary)]]
    assert zygote.run(call=["connect_somewhere"], plants=plants)[0] == 0
    assert "socket.connect" in canary.read_text()


def test_training_and_refining_open_no_connection(zygote: Zygote, quick_folder: Path) -> None:
    canary = quick_folder / "sockets"
    plants = [["watch_for_sockets", str(canary)]]
    values = settings(quick_folder)
    code, text = zygote.run(train=values, plants=plants)
    assert code == 0, text
    assert zygote.run(resume=[values["out"], 8], plants=plants)[0] == 0
    refined = {"run": values["out"], "output": str(quick_folder / "refined.npz")}
    code, text = zygote.run(call=["refine_with", refined], plants=plants)
    assert code == 0, text
    assert not canary.exists(), canary.read_text()
