"""Turn what the docker SDK and its transport raise into Écluse's own family of errors."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import (
    DiskFullError,
    EcluseError,
    EngineBusyError,
    EngineError,
    EngineUnreachableError,
    ImageNotFoundError,
)

FULL = "no space left on device"
NO_IMAGE = re.compile(
    r"no such image:?\s*(\S*)|manifest (?:for (\S+) )?(?:unknown|not found)|repository does not exist"
    r"|pull access denied for (\S+?),",
    re.IGNORECASE,
)
UNREACHABLE = (FileNotFoundError, PermissionError, ConnectionRefusedError)


@contextmanager
def translating(what: str, *, address: str = "") -> Iterator[None]:
    """Run a block that talks to the engine; `what` completes "cannot …" (`create container x`).

    Raises EngineUnreachableError, EngineBusyError (5xx, dropped connection, timeout: worth another try),
    ImageNotFoundError, DiskFullError, else EngineError with the engine's own words.
    """
    try:
        yield
    except EcluseError:
        raise
    except (ConnectionError, TimeoutError) as error:
        raise _from_transport(what, error, address) from error
    except Exception as error:
        translated = _from_client(what, error, address)
        if translated is None:
            raise
        raise translated from error


def status_of(error: BaseException | None) -> int:
    """The HTTP status of an answer that the engine gave instead of what it was asked for; 0 for any other error."""
    if error is None or "docker" not in sys.modules:
        return 0  # whoever raises the client's errors has imported it
    from docker.errors import APIError

    return int(error.status_code or 0) if isinstance(error, APIError) else 0


def from_answer(what: str, status: int, words: str) -> EcluseError:
    """The error for an answer of the engine: HTTP status and message (also those within a pull's progress)."""
    words = words.strip()
    if FULL in words.lower():
        return disk_full(what, words)
    if match := NO_IMAGE.search(words):
        name = next((item for item in match.groups() if item), "")
        return ImageNotFoundError(
            f"cannot {what}: {words}",
            hint=f"check the spelling of the image{f' {name}' if name else ''}, or log in to its registry "
            "with `docker login`, or build it first",
        )
    if status >= 500 and not _refused(words):
        return EngineBusyError(f"cannot {what}: {words}", hint="see the engine's own log; the same may pass later")
    return EngineError(f"cannot {what}: {words}", hint="see the engine's own words above")


def disk_full(what: str, words: str) -> DiskFullError:
    """No space left where the engine or we write."""
    return DiskFullError(
        f"cannot {what}: {words}", hint="free space: `ecluse gc`, then `docker system df` shows what holds the rest"
    )


def _refused(words: str) -> bool:
    """Whether a 500 is really the engine's final no, which no second try changes."""
    return any(
        sign in words
        for sign in ("executable file not found", "OCI runtime", "unable to find user", "invalid reference format")
    )


def _from_client(what: str, error: Exception, address: str) -> EcluseError | None:
    """What the docker client's errors and the disk's mean; None for any other."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return disk_full(what, str(error))
    if "docker" not in sys.modules:
        return None  # whoever raises the client's errors has imported it
    import docker.errors
    import requests
    import urllib3

    if isinstance(error, docker.errors.APIError):
        return from_answer(what, error.status_code or 0, str(error.explanation or error))
    if isinstance(error, docker.errors.DockerException):
        return EngineError(f"cannot {what}: {error}", hint="check DOCKER_HOST and the setting 'docker_host'")
    if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError):
        return _from_transport(what, error, address)
    return None


def _from_transport(what: str, error: BaseException, address: str) -> EcluseError:
    cause = _origin(error)
    where = f" at {address}" if address and address not in what else ""
    if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
        return disk_full(what, str(cause))
    if isinstance(cause, PermissionError):
        return EngineUnreachableError(
            f"cannot {what}{where}: permission denied",
            hint="add yourself to the group 'docker' and log in again, or use a rootless engine",
        )
    if isinstance(cause, UNREACHABLE) or (isinstance(cause, OSError) and cause.errno in (113, 101, -2, -3)):
        return EngineUnreachableError(
            f"cannot {what}{where}: no container engine answers ({_words(cause)})",
            hint="start it (`systemctl start docker`), or point DOCKER_HOST to one; `ecluse doctor` looks closer",
        )
    return EngineBusyError(
        f"cannot {what}{where}: {_words(cause)}", hint="the engine dropped the connection; try again"
    )


def _origin(error: BaseException) -> BaseException:
    """The innermost exception: requests and urllib3 wrap the system's own several times."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = next((item for item in error.args if isinstance(item, BaseException)), None)
        deeper = inner or getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(deeper, BaseException):
            return error
        error = deeper
    return error


def _words(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
