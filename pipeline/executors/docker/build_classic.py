"""Build with the engine's classic builder, through its API."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from pipeline.dockerapi import translating
from pipeline.errors import EngineBusyError
from pipeline.executors.docker.build_verdict import verdict
from pipeline.model.container import Stream
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.images import BuildFailure, BuildOutput, BuildSpec

_STEP = re.compile(r"^Step \d+/\d+ : (.+)$", re.MULTILINE)


def build_classic(
    client: Any, context: Iterable[bytes], spec: BuildSpec, *, output: BuildOutput, cancel: Cancellation
) -> BuildFailure | None:
    """Build and name the image; None when it is there. Cancelling drops the connection, which ends the build.

    Raises the errors of `Images.build`.
    """
    from docker import auth

    parameters: dict[str, Any] = {
        "t": spec.reference,
        "dockerfile": spec.dockerfile,
        "buildargs": json.dumps(dict(spec.args)),
        "labels": json.dumps(dict(spec.labels)),
        "rm": True,
        "forcerm": True,
    }
    if spec.target:
        parameters["target"] = spec.target
    headers: dict[str, Any] = {"Content-Type": "application/x-tar"}
    with translating("build the image"):
        configuration: Any = auth.load_config()
        logins = configuration.get_all_credentials()
        if logins:
            headers["X-Registry-Config"] = auth.encode_header(logins)
        response = client._post(
            client._url("/build"),
            data=_watched(context, cancel),
            params=parameters,
            headers=headers,
            stream=True,
            timeout=None,
        )
        if response.status_code >= 400:
            words = response.json().get("message", response.text)
            return verdict(words, "")
        with cancel.calling(lambda: drop_connection(response)):
            return _follow(client, response, output, cancel)


def _follow(client: Any, response: Any, output: BuildOutput, cancel: Cancellation) -> BuildFailure | None:
    step = ""
    finished = False
    try:
        for event in client._stream_helper(response, decode=True):
            if "error" in event:
                cancel.check()
                output.write(Stream.OUT, str(event["error"]).encode() + b"\n")
                return verdict(str(event["error"]), step)
            text = str(event.get("stream", ""))
            output.write(Stream.OUT, text.encode(errors="replace"))
            if found := _STEP.search(text):
                step = found[1]
            finished = finished or "aux" in event
    finally:
        cancel.check()
        response.close()
    if not finished:
        raise EngineBusyError("the engine broke off the build", hint="see the engine's own log, then run again")
    return None


def _watched(context: Iterable[bytes], cancel: Cancellation) -> Iterator[bytes]:
    for chunk in context:
        cancel.check()
        yield chunk


def drop_connection(response: Any) -> None:
    """Shut the connection under a reader: closing alone would wait for it."""
    with suppress(OSError, AttributeError):
        response.raw._fp.fp.raw._sock.shutdown(socket.SHUT_RDWR)
