"""How a forge's API is asked: JSON over HTTP, with a token that goes to no other host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from pipeline import __version__
from pipeline.errors import ForgeError, ForgeRefusedError
from pipeline.model.forge_address import api_of, wrong_api
from pipeline.model.repository import Repository
from pipeline.settings import Settings

TIMEOUT = (5.0, 15.0)
"""Seconds to connect, and to wait for a piece of the answer."""
LARGEST = 32 * 1024**2
"""Bytes of an answer."""
LONGEST_WAIT = 3600.0
_REDIRECTS = 3
_MOVED = (301, 302, 307, 308)
_LATER = (408, 425, 429)


class Api:
    """One forge, for one message. `headers` hold the token."""

    def __init__(self, base: str, headers: Mapping[str, str], *, private: bool) -> None:
        why = wrong_api(base) if base else "the repository's address does not tell where it is"
        if why:
            raise ForgeRefusedError(
                f"the forge's API has no address that can be asked: {why}",
                hint="set it with `ecluse repository set NAME --api URL`",
            )
        self._base = base.rstrip("/")
        self._headers = {"User-Agent": f"ecluse/{__version__}", "Accept": "application/json", **headers}
        self._session = requests.Session()
        if not private:
            for scheme in ("http://", "https://"):
                self._session.mount(scheme, _PublicOnly())

    def ask(self, method: str, path: str, body: object = None, **parameters: str | int) -> Any:
        """The answer's JSON, None where it has none. ForgeError, ForgeRefusedError."""
        url = self._base + path
        for _ in range(_REDIRECTS + 1):
            answer, content = self._sent(method, url, body, parameters)
            if answer.status_code not in _MOVED:
                return self._read(method, url, answer, content)
            url, parameters = self._onward(url, answer), {}
        raise ForgeRefusedError(f"{_shown(url)}: it sends us on and on", hint="check the address of the forge's API")

    def _sent(
        self, method: str, url: str, body: object, parameters: Mapping[str, str | int]
    ) -> tuple[requests.Response, bytes]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            with self._session.request(
                method,
                url,
                params=dict(parameters),
                data=data,
                headers=headers,
                auth=self._authorised,
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as answer:
                content = b""
                for part in answer.iter_content(65536):
                    content += part
                    if len(content) > LARGEST:
                        raise ForgeRefusedError(f"{_shown(url)}: the answer is larger than {LARGEST} bytes")
                return answer, content
        except (requests.RequestException, OSError) as error:
            if _forbidden(error):
                raise ForgeRefusedError(
                    f"{_shown(url)} is at a private address, which the setting 'private_forges' forbids",
                    hint="set it to true where your forge is in your own network",
                ) from error
            raise ForgeError(f"{_shown(url)} does not answer: {_words(error)}") from error

    def _authorised(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Our headers, and never a login from the machine's `.netrc`."""
        request.headers.update(self._headers)
        return request

    def _onward(self, url: str, answer: requests.Response) -> str:
        """Where it sends us: on the same host only, the token is for no other."""
        there = urljoin(url, answer.headers.get("Location", ""))
        if urlsplit(there)[:2] != urlsplit(url)[:2]:
            raise ForgeRefusedError(
                f"{_shown(url)} sends us to another place, {_shown(there)}",
                hint="where that is right, set it with `ecluse repository set NAME --api URL`",
            )
        return there

    def _read(self, method: str, url: str, answer: requests.Response, content: bytes) -> Any:
        status = answer.status_code
        if 200 <= status < 300:
            try:
                return json.loads(content) if content.strip() else None
            except (ValueError, RecursionError) as error:
                raise ForgeRefusedError(f"{_shown(url)} answers {status} with what is no JSON") from error
        said = f"{method} {_shown(url)}: status {status}{_complaint(content)}"
        later = _wait(answer.headers)
        if status in _LATER or status >= 500 or (status == 403 and _limited(answer.headers)):
            raise ForgeError(said, later=later)
        raise ForgeRefusedError(said, hint=_hint(status))


def api_for(repository: Repository, headers: Mapping[str, str], settings: Settings) -> Api:
    """The API of a repository's forge."""
    base = api_of(repository.forge, repository.url, repository.api)
    return Api(base, headers, private=settings.private_forges)


def _wait(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "").strip()
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0


def _limited(headers: Mapping[str, str]) -> bool:
    """GitHub says so with a 403."""
    return "Retry-After" in headers or headers.get("X-RateLimit-Remaining") == "0"


def _hint(status: int) -> str:
    if status in (401, 403):
        return "check the token's rights, and set a new one with `ecluse repository set NAME --token-file FILE`"
    if status == 404:
        return "check the repository's address, and that the token may see it"
    return ""


def _complaint(content: bytes) -> str:
    """What the forge's own words are, as far as they are short."""
    try:
        value = json.loads(content[:20_000])
    except (ValueError, RecursionError):
        return ""
    found = value.get("message") or value.get("error") if isinstance(value, dict) else None
    if isinstance(found, dict):
        found = found.get("message")
    return f" ({' '.join(ascii(found)[:200].split())})" if found else ""


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _words(error: BaseException) -> str:
    """The innermost reason, without addresses of objects."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__


class PrivateAddressError(OSError):
    """A connection to an address that is not of the public internet."""


def _forbidden(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, PrivateAddressError):
            return True
        error = error.__cause__ or error.__context__
    return False


class _CheckedConnection(HTTPConnection):
    """Looks whom it has reached before it says a word: a name may lead elsewhere a moment later."""

    def _new_conn(self) -> Any:
        return _checked(super()._new_conn())


class _CheckedTlsConnection(HTTPSConnection):
    """The same, before TLS."""

    def _new_conn(self) -> Any:
        return _checked(super()._new_conn())


def _checked(connection: Any) -> Any:
    address = ip_address(str(connection.getpeername()[0]).partition("%")[0])
    if not address.is_global:
        connection.close()
        raise PrivateAddressError(f"{address} is a private address")
    return connection


class _CheckedPool(HTTPConnectionPool):
    ConnectionCls = _CheckedConnection


class _CheckedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _CheckedTlsConnection


class _PublicOnly(HTTPAdapter):
    """Reaches public addresses only. Where a proxy stands between, the proxy decides."""

    def init_poolmanager(self, *words: Any, **options: Any) -> None:
        """With our connections."""
        super().init_poolmanager(*words, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _CheckedPool, "https": _CheckedTlsPool}
