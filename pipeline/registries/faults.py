"""What a registry's answers and a broken connection mean for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.errors import EcluseError, ImageNotFoundError, RegistryBusyError, RegistryError

if TYPE_CHECKING:
    import requests

_LATER = "the same may pass later"


@contextmanager
def reaching(registry: str, what: str) -> Iterator[None]:
    """Run a block that talks to a registry; `what` completes "cannot …". Its connection's errors become
    RegistryBusyError, or RegistryError where a second try changes nothing."""
    import requests
    import urllib3

    try:
        yield
    except EcluseError:
        raise
    except requests.exceptions.SSLError as error:
        raise RegistryError(
            f"cannot {what}: the certificate of {registry} is not trusted ({_origin(error)})",
            hint="add its authority to the host's certificates (setting 'certificates'); a registry without TLS "
            "goes into the setting 'insecure_registries'",
        ) from error
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as error:
        raise RegistryError(
            f"cannot {what}: {registry} is no address of a registry", hint="correct its name"
        ) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise RegistryBusyError(
            f"cannot {what}: the connection to {registry} failed ({_origin(error)})",
            hint=f"check that the registry runs and can be reached from here; {_LATER}",
        ) from error


def refused(response: requests.Response, registry: str, what: str, *, anonymous: bool) -> EcluseError:
    """The error for an answer that is none of those that were expected."""
    status, words = response.status_code, said(response)
    told = f"cannot {what}: {registry} answers {status}" + (f" ({words})" if words else "")
    match status:
        case 401:
            login = f"`docker login {registry}`"
            hint = f"it wants a login: run {login}" if anonymous else f"the login is not accepted: run {login} again"
            return RegistryError(told, hint=hint)
        case 403:
            return RegistryError(told, hint="the login has no right to do this there: ask who runs the registry")
        case 404:
            return ImageNotFoundError(told, hint="check the name; some registries hide what a login may not see")
        case 429:
            return RegistryBusyError(told, hint=f"it limits how often one may ask: {_LATER}, or with a login")
        case _ if status >= 500:
            return RegistryBusyError(told, hint=f"see the registry's own log and disk; {_LATER}")
        case _:
            return RegistryError(told, hint="see the registry's own words above")


def said(response: requests.Response) -> str:
    """The registry's words, cut; nothing where it sent no error of the protocol."""
    try:
        body: Any = response.raw.read(4096, decode_content=True)
        errors = json.loads(body[:4096]).get("errors") or []
        words = [f"{item.get('code', '')} {item.get('message', '')}".strip() for item in errors]
    except (ValueError, AttributeError, TypeError, OSError, RecursionError):
        return ""
    except Exception:  # noqa: BLE001 - whatever urllib3 says of a broken body: the status is told all the same
        return ""
    return " ".join("; ".join(words).split())[:200]


def _origin(error: BaseException) -> str:
    """The innermost reason, in the system's words where it has some."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((item for item in error.args if isinstance(item, BaseException)), None)
        inner = inner or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException) or inner is error:
            break
        error = inner
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return (str(error) or type(error).__name__)[:160]
