"""Bytes that go both ways at once, in plain and secured, and programs that stand alone."""

from __future__ import annotations

import hashlib
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.executors.swarm.credentials import DOOR, new_credentials
from pipeline.executors.swarm.lines import dial
from pipeline.executors.swarm.node_carry import FramedEnd, SocketEnd, carry
from pipeline.executors.swarm.node_door import Door
from pipeline.executors.swarm.passage import Passage
from pipeline.executors.swarm.programs import program

MANY = bytes(range(256)) * 20_000


def echo(listener: socket.socket) -> None:
    """Says again what it hears, to each caller at the same time."""

    def answer(caller: socket.socket) -> None:
        with caller:
            while chunk := caller.recv(65536):
                caller.sendall(chunk)

    while True:
        try:
            caller, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(caller,), daemon=True).start()


@pytest.fixture
def engine(short_folder: Path) -> str:
    """The path of a socket that says again what it hears."""
    path = short_folder / f"echo-{hashlib.sha256(str(id(short_folder)).encode()).hexdigest()[:6]}.sock"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    threading.Thread(target=echo, args=(listener,), daemon=True).start()
    return str(path)


def spoken(opened: socket.socket) -> bytes:
    """What comes back of MANY, sent while it is read."""
    sending = threading.Thread(target=lambda: (opened.sendall(MANY), opened.shutdown(socket.SHUT_WR)), daemon=True)
    sending.start()
    heard = b"".join(iter(lambda: opened.recv(65536), b""))
    sending.join()
    return heard


def secured(engine: str, tmp_path: Path, caller: bytes, door: bytes) -> socket.socket:
    """A plain socket that leads through a door to the engine."""
    for name, content in (("caller", caller), ("door", door)):
        (tmp_path / name).write_bytes(content)
    inner, outer = socket.socketpair()
    threading.Thread(target=Door(engine, str(tmp_path / "door")).let_in, args=(outer,), daemon=True).start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(tmp_path / "caller")
    context.load_verify_locations(tmp_path / "caller")
    secure = context.wrap_socket(inner, server_hostname=DOOR)
    ours, theirs = socket.socketpair()

    def work() -> None:
        with theirs, secure:
            try:
                carry(SocketEnd(theirs), FramedEnd(secure))
            except OSError:
                return

    threading.Thread(target=work, daemon=True).start()
    return ours


def test_all_goes_through_a_door_both_ways_at_once(engine: str, tmp_path: Path) -> None:
    made = new_credentials()
    with secured(engine, tmp_path, made.caller, made.door) as opened:
        assert spoken(opened) == MANY


def test_a_door_lets_nobody_in_with_papers_of_another_run(engine: str, tmp_path: Path) -> None:
    mine, other = new_credentials(), new_credentials()
    foreign = other.caller.split(b"-----BEGIN CERTIFICATE-----")[:2]
    authority = mine.caller.split(b"-----BEGIN CERTIFICATE-----")[2]
    papers = b"-----BEGIN CERTIFICATE-----".join([*foreign, authority])  # it trusts the door; the door not it
    with secured(engine, tmp_path, papers, mine.door) as opened:
        try:
            opened.sendall(b"let me in")
            opened.shutdown(socket.SHUT_WR)
            assert opened.recv(100) == b""
        except OSError:
            return


def test_a_passage_serves_many_and_wakes_all_when_it_is_closed(engine: str, short_folder: Path) -> None:
    path = short_folder / "passage.sock"
    passage = Passage(path, lambda: dial(f"unix://{engine}"))
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        for caller in (first, second):
            caller.connect(str(path))
        assert spoken(first) == MANY
        second.sendall(b"still here")
        assert second.recv(100) == b"still here"
        passage.close()
        passage.close()
        assert second.recv(100) == b""
    assert not path.exists()


@pytest.mark.parametrize("name", ["berth", "door", "caller"])
def test_programs_for_nodes_need_nothing_but_python(name: str, tmp_path: Path) -> None:
    words = [sys.executable, "-I", "-S", *program(name)[1:]]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "TypeError: main() missing" in done.stderr
    assert "from pipeline" not in program(name)[-1]
