"""What a server's refusals mean: the errors that the command would have met on the server's own machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pipeline import __version__
from pipeline.errors import (
    EcluseError,
    NotFoundError,
    RefusedError,
    ServerBusyError,
    ServerError,
    SignInError,
    UsageError,
)
from pipeline.remote.servers import KnownServer

_LONGEST = 2000
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def bare(said: object) -> str:
    """A server's words without control characters, and not without end."""
    return _CONTROLS.sub("", str(said))[:_LONGEST] if isinstance(said, (str, int, float)) else ""


def error_of(
    server: KnownServer, status: int, problem: Mapping[str, str] | None, *, kind: str = "", later: str = ""
) -> EcluseError:
    """The error that a status with its problem+json stands for; `problem` is None where the answer was none."""
    title = (problem or {}).get("title", "")
    detail, hint = (problem or {}).get("detail", ""), (problem or {}).get("hint", "")
    told = "\n".join(filter(None, (title, detail)))
    if status == 401:
        said = f": {title}" if title else ""
        return SignInError(f"{server.url} does not know us{said}", hint=f"sign in anew: ecluse login {server.url}")
    if status in (429, 503, 408):
        return _later(server, title, hint, later)
    if not told:
        return _nobody_of_ours(server, status, kind)
    match status:
        case 403:
            return RefusedError(told, hint=hint)
        case 404:
            return NotFoundError(told, hint=hint)
        case 400 | 422:
            return UsageError(told, hint=hint)
        case 409:
            return ServerError(told, hint=hint or "look at how it stands by now, and try again")
        case 405:
            return other_version(server, "", "it does not know this question")
        case _:
            return ServerError(told, hint=hint)


def no_answer(server: KnownServer, error: Exception) -> EcluseError:
    """Why a request did not get through."""
    import requests

    why = _why(error)
    if isinstance(error, requests.exceptions.SSLError) or "CERTIFICATE" in why.upper():
        return ServerError(
            f"{server.url}: its certificate is not vouched for: {why}",
            hint=f"where it has a certificate of your own authority: ecluse login {server.url} --ca FILE",
        )
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException) and server.ca:
        return ServerError(f"{server.ca}: {why}", hint="it is to hold the certificates that vouch for the server")
    if isinstance(error, requests.exceptions.ProxyError):
        return ServerBusyError(
            f"{server.url}: the proxy does not let us through: {why}", hint="HTTPS_PROXY and NO_PROXY name it"
        )
    if isinstance(error, requests.exceptions.Timeout):
        return ServerBusyError(f"{server.url} does not answer in time", hint="try again; is it the right address?")
    return ServerBusyError(f"{server.url} cannot be reached: {why}", hint="does it run, and is it the right address?")


def moved(server: KnownServer, location: str) -> EcluseError:
    """The server sends us elsewhere: the token does not go there by itself."""
    away = bare(location)[:200]
    return ServerError(
        f"{server.url} sends us to {away or 'nowhere'}",
        hint="your token was not sent there. If that is the server: ecluse login with that address;\n"
        "if it is a page to sign in, something before the server wants it",
    )


def proxied(server: KnownServer, kind: str) -> EcluseError:
    """An answer that is none of ours, such as the sign-in page of a proxy."""
    return ServerError(
        f"{server.url} answers with {bare(kind)[:100] or 'something'} instead of JSON",
        hint="is it the address of an Écluse server, or does a proxy want you to sign in first?",
    )


def broken(server: KnownServer, what: str) -> EcluseError:
    """An answer that cannot be read."""
    return ServerError(f"{server.url} sent {what}", hint="is it the address of an Écluse server?")


def other_version(server: KnownServer, version: str, why: str) -> EcluseError:
    """Command and server do not understand each other; `version` is the server's, where it said one."""
    theirs = f"is of version {bare(version)}" if version else "is of another version"
    return ServerError(
        f"{server.url} {theirs}, this command of {__version__}: {bare(why)[:300]}",
        hint="bring the older of the two up to date",
    )


def _later(server: KnownServer, title: str, hint: str, later: str) -> EcluseError:
    seconds = _seconds(later)
    when = f"try again in {seconds:.0f} s" if seconds else "try again later"
    said = f"{server.url}: {title}" if title else f"{server.url} has too much to do, or is about to go down"
    return ServerBusyError(said, hint="\n".join(filter(None, (hint, when))), later=seconds)


def _seconds(later: str) -> float:
    """What `Retry-After` says, as seconds or a date; at most a day."""
    with suppress(ValueError):
        return min(max(float(int(later)), 0.0), 86400.0)
    with suppress(ValueError, TypeError):
        until = parsedate_to_datetime(later)
        return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), 86400.0)
    return 0.0


def _nobody_of_ours(server: KnownServer, status: int, kind: str) -> EcluseError:
    """A status without words of ours: something before the server, or no server of ours."""
    said = f"{server.url} answers {status}" + (f" with {bare(kind)[:100]}" if kind else "")
    hint = "is it the address of an Écluse server, or is something before it in the way?"
    return ServerBusyError(said, hint=hint) if status >= 502 else ServerError(said, hint=hint)


def _why(error: BaseException) -> str:
    """The innermost reason, which says more than the ones around it."""
    found: BaseException = error
    for _ in range(8):
        inner = getattr(found, "reason", None) or next(
            (item for item in found.args if isinstance(item, Exception)), None
        )
        if not isinstance(inner, BaseException):
            break
        found = inner
    text = getattr(found, "strerror", None) or str(found) or type(found).__name__
    return bare(text).splitlines()[0][:200] if bare(text) else type(found).__name__
