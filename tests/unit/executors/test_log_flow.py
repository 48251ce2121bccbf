"""The body of an engine's log: whole to its last chunk, or said to be cut."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from pipeline.errors import EngineBusyError
from pipeline.executors.docker.retelling import flow


def answer(body: bytes) -> object:
    """What the HTTP library hands out for a body in chunks."""
    buffered = io.BufferedReader(io.BytesIO(body))  # type: ignore[arg-type]  # raw enough to be read
    return SimpleNamespace(raw=SimpleNamespace(_fp=SimpleNamespace(chunked=True, fp=buffered)))


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


LONG = b"x" * 200_000


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((), id="nothing"),
        pytest.param((b"one\n", b"two\n"), id="lines"),
        pytest.param((b"\r\n0\r\n\r\n", b"x"), id="what looks like an end"),
        pytest.param((LONG, b"end"), id="longer than a read"),
    ],
)
def test_a_whole_body(parts: tuple[bytes, ...]) -> None:
    assert b"".join(flow(answer(chunked(*parts) + b"0\r\n\r\n"))) == b"".join(parts)


@pytest.mark.parametrize("cut", [pytest.param(0, id="between chunks"), pytest.param(5, id="within a chunk")])
def test_a_body_that_ends_early_is_no_body(cut: int) -> None:
    body = chunked(b"one\n", b"two and more\n")
    with pytest.raises(EngineBusyError, match="broke off"):
        list(flow(answer(body[: len(body) - cut])))
