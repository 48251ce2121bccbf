"""How a server is asked: HTTP with our token, which goes to no other host, and answers that are held within bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import quote

from pipeline import __version__
from pipeline.errors import EcluseError, NotFoundError, ServerBusyError
from pipeline.model.value import from_value
from pipeline.remote.refusals import bare, broken, error_of, moved, no_answer, other_version, proxied
from pipeline.remote.servers import KnownServer

if TYPE_CHECKING:  # for its time, not for a circle
    import requests

TIMEOUT = (10.0, 120.0)
"""Seconds to connect, and to wait for a piece of the answer: asking all targets takes its time."""
LARGEST = 256 * 1024**2
"""Bytes of an answer as a whole; streams have no such bound."""
LONGEST_LINE = 16 * 1024**2
"""Bytes of a line of a stream."""
_WRONG = 64 * 1024
"""Bytes that are read of an answer that says what is wrong."""
_BLOCK = 256 * 1024
_JSON = ("application/json", "application/problem+json")

Noun = TypeVar("Noun")
Query: TypeAlias = Mapping[str, "str | int | bool | Sequence[str] | None"]


class Connection:
    """One server, as one person. Every method raises ServerError, ServerBusyError, SignInError, RefusedError,
    NotFoundError or UsageError, with what the server said."""

    def __init__(self, server: KnownServer, *, largest: int = LARGEST) -> None:
        import requests

        self._largest = largest
        self.server = server
        self._theirs: str | None = None
        self._session = requests.Session()
        self._session.headers.update(
            {
                "User-Agent": f"ecluse/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # what is small on the way may be large here
            }
        )

    def get(self, path: str, query: Query | None = None) -> Any:
        """The answer's JSON."""
        return self._read(path, self._json("GET", path, query=query))

    def noun(self, kind: type[Noun], path: str, query: Query | None = None) -> Noun:
        """The answer as the dataclass that the server spelled."""
        return self.built(kind, self.get(path, query))

    def nouns(self, kind: type[Noun], path: str, query: Query | None = None) -> list[Noun]:
        """As `noun`, of a list."""
        return self.list_of(kind, self.get(path, query))

    def send(self, method: str, path: str, body: object = None, *, key: str = "") -> Any:
        """Ask for a change; the answer's JSON, None where it has none. With the same `key` it happens once."""
        return self._read(path, self._json(method, path, body={} if body is None else body, key=key), empty=True)

    def built(self, kind: type[Noun], value: object) -> Noun:
        """A dataclass from what the server said of it."""
        try:
            return from_value(kind, value, names=_names())
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise other_version(self.server, self._version(), f"{error}") from error

    def list_of(self, kind: type[Noun], value: object) -> list[Noun]:
        """As `built`, of a list."""
        if not isinstance(value, list):
            raise other_version(self.server, self._version(), "no list")
        return [self.built(kind, item) for item in value]

    def misunderstood(self, why: str) -> EcluseError:
        """The error that command and server are of different versions."""
        return other_version(self.server, self._version(), why)

    def pages(self, kind: type[Noun], path: str, query: Query, *, limit: int) -> list[Noun]:
        """Items of a list that comes page by page, at most so many."""
        found: list[Noun] = []
        cursor = ""
        while len(found) < limit:
            asked = {**query, "limit": min(200, limit - len(found)), "cursor": cursor or None}
            page = self.get(path, asked)
            if isinstance(page, list):  # all of it at once
                return self.list_of(kind, page)[:limit]
            if not isinstance(page, dict):
                raise other_version(self.server, self._version(), "no page of a list")
            found += self.list_of(kind, page.get("items"))
            following = page.get("next")
            if not isinstance(following, str) or not following or following == cursor:
                break
            cursor = following
        return found[:limit]

    @contextmanager
    def content(self, path: str, query: Query | None = None) -> Iterator[Iterator[bytes]]:
        """The answer's bytes, block by block, for as long as the body runs."""
        with self._asked("GET", path, query=query, accept="*/*") as answer:
            yield self._blocks(answer)

    def lines(self, path: str, query: Query | None = None) -> Iterator[bytes]:
        """The answer line by line, as it comes. ServerBusyError where it is cut off within a line."""
        rest = b""
        with self._asked("GET", path, query=query, accept="application/x-ndjson") as answer:
            if "html" in answer.headers.get("Content-Type", ""):
                raise proxied(self.server, answer.headers.get("Content-Type", ""))
            for block in self._blocks(answer):
                *whole, rest = (rest + block).split(b"\n")
                yield from whole
                if len(rest) > LONGEST_LINE:
                    raise broken(self.server, f"a line of more than {LONGEST_LINE // 1024**2} MiB")
        if rest:
            raise ServerBusyError(f"{self.server.url}: the answer was cut off", hint="try again")

    def _json(
        self, method: str, path: str, *, query: Query | None = None, body: object = None, key: str = ""
    ) -> tuple[str, bytes]:
        with self._asked(method, path, query=query, body=body, key=key) as answer:
            parts: list[bytes] = []
            size = 0
            for block in self._blocks(answer):
                size += len(block)
                if size > self._largest:
                    raise broken(self.server, f"an answer of more than {self._largest // 1024} KiB")
                parts.append(block)
            return answer.headers.get("Content-Type", ""), b"".join(parts)

    def _read(self, path: str, answer: tuple[str, bytes], *, empty: bool = False) -> Any:
        kind, content = answer
        if empty and not content:
            return None
        if kind.partition(";")[0].strip().lower() not in _JSON:
            raise proxied(self.server, kind)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise broken(self.server, f"no JSON to {path}") from error

    @contextmanager
    def _asked(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        key: str = "",
        accept: str = "",
    ) -> Iterator[requests.Response]:
        """The answer, once its status says that it is one."""
        import requests

        headers = {
            **({"Accept": accept} if accept else {}),
            **({"Idempotency-Key": key} if key else {}),
            **({"Content-Type": "application/json"} if body is not None else {}),
        }
        try:
            answer = self._session.request(
                method,
                f"{self.server.url}/api/v1/{path}",
                params={name: _spelled(value) for name, value in (query or {}).items() if value is not None},
                data=None if body is None else json.dumps(body).encode(),
                headers=headers,
                auth=self._authorised,
                timeout=TIMEOUT,
                verify=self.server.ca or True,
                allow_redirects=False,
                stream=True,
            )
        except (requests.RequestException, OSError, ValueError) as error:
            raise no_answer(self.server, error) from error
        with answer:
            self._check(answer)
            yield answer

    def _authorised(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Our token; `auth` also keeps requests from putting something of ~/.netrc in its place."""
        request.headers["Authorization"] = f"Bearer {self.server.token}"
        return request

    def _check(self, answer: requests.Response) -> None:
        status = answer.status_code
        if status in (301, 302, 303, 307, 308):
            raise moved(self.server, answer.headers.get("Location", ""))
        if status < 300:
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise broken(self.server, "a compressed answer, which nobody asked for")
            return
        said = b""
        with suppress(ServerBusyError):
            for block in self._blocks(answer):
                said += block
                if len(said) > _WRONG:
                    break
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        problem: object = None
        with suppress(ValueError, RecursionError):
            problem = json.loads(said) if kind in _JSON else None
        facts = {str(name): bare(item) for name, item in problem.items()} if isinstance(problem, dict) else None
        if status == 404 and facts is not None and facts.get("title") == "Not Found":
            raise other_version(self.server, self._version(), "it does not know this question")
        raise error_of(self.server, status, facts, kind=kind, later=answer.headers.get("Retry-After", ""))

    def _blocks(self, answer: requests.Response) -> Iterator[bytes]:
        """The body as it comes; ServerBusyError where the connection is cut."""
        import requests
        from urllib3.exceptions import HTTPError

        try:
            yield from answer.raw.stream(_BLOCK, decode_content=False)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise no_answer(self.server, error) from error

    def _version(self) -> str:
        """What the server says that it is; "" where it does not."""
        if self._theirs is None:
            self._theirs = ""  # asked once, also where it does not know that question either
            with suppress(EcluseError, KeyError, TypeError):
                self._theirs = str(self.get("me")["version"])[:40]
        return self._theirs


@cache
def _names() -> Mapping[str, type]:
    """What modules of the model name without importing it at run time."""
    from pipeline.model.finding import Finding
    from pipeline.model.outcome import Outcome
    from pipeline.model.release import Measurement
    from pipeline.model.report import CoverageReport, TestReport

    return {kind.__name__: kind for kind in (Finding, Outcome, Measurement, CoverageReport, TestReport)}


def segment(text: str) -> str:
    """A word as a part of a path. NotFoundError for one that can be none: no server has anything of that name."""
    if not text or "/" in text or text in (".", ".."):
        raise NotFoundError(f"a server has nothing that is called '{text}'", hint="names have no '/' there")
    return quote(text, safe="")


def _spelled(value: object) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return list(value) if isinstance(value, (list, tuple)) else value
