"""Servers that play the APIs of forges as they are documented: strict about paths, logins and what is sent."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pipeline.model.repository import ForgeKind

TOKEN = "sesame-0123456789"
ME = "ecluse-bot"
SHA = re.compile("[0-9a-f]{40}")


class NoError(Exception):
    """What the API answers instead."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


@dataclass(kw_only=True)
class Heard:
    """What a forge was told, and how it is to answer."""

    address: str = ""
    statuses: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    """`id`, `author`, `text`, `proposal`."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    answers: list[NoError] = field(default_factory=list)
    """Given in place of the next answers."""
    says_who: bool = True
    lock: threading.RLock = field(default_factory=threading.RLock)

    def comment_by(self, author: str, text: str, proposal: str = "7") -> None:
        self.comments.append({"id": len(self.comments) + 1, "author": author, "text": text, "proposal": proposal})


def want(held: bool, status: int, message: str) -> None:
    if not held:
        raise NoError(status, message)


def text_of(body: Any, name: str, *, most: int) -> str:
    want(isinstance(body, dict) and isinstance(body.get(name), str), 422, f"{name} is missing")
    want(0 < len(body[name]) <= most, 422, f"{name} is too long (maximum is {most} characters)")
    found: str = body[name]
    return found


Route = Callable[[Heard, dict[str, str], dict[str, str], Any], tuple[int, Any]]


def _github_status(states: tuple[str, ...]) -> Route:
    def route(heard: Heard, place: dict[str, str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        want(set(body) <= {"state", "target_url", "description", "context"}, 422, f"unknown fields in {sorted(body)}")
        want(SHA.fullmatch(place["sha"]) is not None, 422, "No commit found for SHA")
        want(body.get("state") in states, 422, "state is not included in the list")
        want(urlsplit(text_of(body, "target_url", most=2000)).scheme in ("http", "https"), 422, "target_url")
        text_of(body, "description", most=140)
        text_of(body, "context", most=255)
        heard.statuses.append({**body, "sha": place["sha"], "url": body["target_url"], "name": body["context"]})
        return 201, {"id": len(heard.statuses)}

    return route


def _comments(shape: Callable[[dict[str, Any]], Any], *, page_name: str = "") -> Route:
    def route(heard: Heard, place: dict[str, str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        found = [shape(item) for item in heard.comments if item["proposal"] == place["proposal"]]
        if page_name:
            size = int(query.get(page_name, "30"))
            want(1 <= size <= 100, 400, f"{page_name} is at most 100")
            page = int(query.get("page", "1"))
            found = found[(page - 1) * size : page * size]
        return 200, found

    return route


def _post_comment(status: int, read: Callable[[Any], str]) -> Route:
    def route(heard: Heard, place: dict[str, str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        heard.comment_by(ME, read(body), place["proposal"])
        return status, {"id": len(heard.comments)}

    return route


def _edit_comment(read: Callable[[Any], str]) -> Route:
    def route(heard: Heard, place: dict[str, str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        for item in heard.comments:
            if str(item["id"]) == place["id"]:
                want(item["author"] == ME, 403, "you did not write that")
                item["text"] = read(body)
                return 200, {"id": item["id"]}
        raise NoError(404, "Not Found")

    return route


def _who(name: str) -> Route:
    def route(heard: Heard, place: dict[str, str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        want(heard.says_who, 403, "Resource not accessible by integration")
        return 200, {name: ME}

    return route


def _gitlab_status(heard: Heard, place: dict[str, str], query: dict[str, str], body: Any) -> tuple[int, Any]:
    known = {"state", "ref", "name", "target_url", "description", "coverage", "pipeline_id", "context"}
    want(set(body) <= known, 400, f"unknown fields in {sorted(body)}")
    want(SHA.fullmatch(place["sha"]) is not None, 404, "404 Commit Not Found")
    want(body.get("state") in ("pending", "running", "success", "failed", "canceled", "skipped"), 400, "state")
    text_of(body, "target_url", most=255)
    text_of(body, "description", most=255)
    name = text_of(body, "name", most=255)
    before = [item for item in heard.statuses if (item["sha"], item["name"]) == (place["sha"], name)]
    if before and before[-1]["state"] == body["state"]:
        raise NoError(400, f"Cannot transition status via :run from :{body['state']} (Reason(s): Status)")
    heard.statuses.append({**body, "sha": place["sha"], "url": body["target_url"]})
    return 201, {"id": len(heard.statuses)}


def _bitbucket_status(heard: Heard, place: dict[str, str], query: dict[str, str], body: Any) -> tuple[int, Any]:
    want(set(body) <= {"key", "state", "name", "url", "description", "refname"}, 400, f"unknown in {sorted(body)}")
    want(body.get("state") in ("INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"), 400, "state")
    text_of(body, "key", most=40)
    text_of(body, "url", most=2000)
    text_of(body, "name", most=255)
    text_of(body, "description", most=255)
    heard.statuses.append({**body, "sha": place["sha"]})
    return 201, {"key": body["key"]}


def _bitbucket_comments(heard: Heard, place: dict[str, str], query: dict[str, str], body: Any) -> tuple[int, Any]:
    size, page = int(query.get("pagelen", "10")), int(query.get("page", "1"))
    want(1 <= size <= 100, 400, "Invalid pagelen")
    mine = [item for item in heard.comments if item["proposal"] == place["proposal"]]
    values = [
        {"id": item["id"], "deleted": False, "user": {"uuid": item["author"]}, "content": {"raw": item["text"]}}
        for item in mine[(page - 1) * size : page * size]
    ]
    answer: dict[str, Any] = {"values": values, "page": page, "pagelen": size, "size": len(mine)}
    if page * size < len(mine):
        answer["next"] = f"{heard.address}/next"
    return 200, answer


def _body(body: Any) -> str:
    want(set(body) == {"body"}, 422, "body is wanted, alone")
    return text_of(body, "body", most=65536)


def _raw(body: Any) -> str:
    want(set(body) == {"content"} and set(body["content"]) == {"raw"}, 400, "content.raw is wanted, alone")
    return text_of(body["content"], "raw", most=32768)


def _like_github(item: dict[str, Any]) -> Any:
    return {"id": item["id"], "user": {"login": item["author"]}, "body": item["text"]}


def _like_gitlab(item: dict[str, Any]) -> Any:
    return {"id": item["id"], "author": {"username": item["author"]}, "body": item["text"], "system": False}


_GITHUB_STATES = ("error", "failure", "pending", "success")
_GITEA_STATES = (*_GITHUB_STATES, "warning")
_NOTES = r"/api/v4/projects/team%2Fsub%2Fapp/merge_requests/(?P<proposal>\d+)/notes"
_PULL = r"/2\.0/repositories/team/app/pullrequests/(?P<proposal>\d+)/comments"


def _github(base: str, states: tuple[str, ...], page: str) -> dict[tuple[str, str], Route]:
    return {
        ("POST", rf"{base}/repos/team/app/statuses/(?P<sha>[^/]+)"): _github_status(states),
        ("GET", rf"{base}/repos/team/app/issues/(?P<proposal>\d+)/comments"): _comments(_like_github, page_name=page),
        ("POST", rf"{base}/repos/team/app/issues/(?P<proposal>\d+)/comments"): _post_comment(201, _body),
        ("PATCH", rf"{base}/repos/team/app/issues/comments/(?P<id>\d+)"): _edit_comment(_body),
        ("GET", rf"{base}/user"): _who("login"),
    }


ROUTES: dict[ForgeKind, dict[tuple[str, str], Route]] = {
    ForgeKind.GITHUB: _github("", _GITHUB_STATES, "per_page"),
    ForgeKind.GITEA: _github("/api/v1", _GITEA_STATES, ""),
    ForgeKind.GITLAB: {
        ("POST", r"/api/v4/projects/team%2Fsub%2Fapp/statuses/(?P<sha>[^/]+)"): _gitlab_status,
        ("GET", _NOTES): _comments(_like_gitlab, page_name="per_page"),
        ("POST", _NOTES): _post_comment(201, _body),
        ("PUT", rf"{_NOTES}/(?P<id>\d+)"): _edit_comment(_body),
        ("GET", r"/api/v4/user"): _who("username"),
    },
    ForgeKind.BITBUCKET: {
        ("POST", r"/2\.0/repositories/team/app/commit/(?P<sha>[^/]+)/statuses/build"): _bitbucket_status,
        ("GET", _PULL): _bitbucket_comments,
        ("POST", _PULL): _post_comment(201, _raw),
        ("PUT", rf"{_PULL}/(?P<id>\d+)"): _edit_comment(_raw),
        ("GET", r"/2\.0/user"): _who("uuid"),
    },
}
BASES = {
    ForgeKind.GITHUB: "",
    ForgeKind.GITEA: "/api/v1",
    ForgeKind.GITLAB: "/api/v4",
    ForgeKind.BITBUCKET: "/2.0",
}
LOGINS = {
    ForgeKind.GITHUB: ("Authorization", f"Bearer {TOKEN}"),
    ForgeKind.GITEA: ("Authorization", f"token {TOKEN}"),
    ForgeKind.GITLAB: ("PRIVATE-TOKEN", TOKEN),
    ForgeKind.BITBUCKET: ("Authorization", f"Bearer {TOKEN}"),
}
URLS = dict.fromkeys(ROUTES, "https://forge.example/team/app.git") | {
    ForgeKind.GITLAB: "git@forge.example:team/sub/app.git"
}


def _handler(kind: ForgeKind, heard: Heard) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            with heard.lock:
                try:
                    status, answer, headers = *self._found(content), dict[str, str]()
                except NoError as error:
                    status, answer, headers = error.status, {"message": error.message}, error.headers
            data = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(data)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815  # names of the standard library

        def _found(self, content: bytes) -> tuple[int, Any]:
            parts = urlsplit(self.path)
            heard.asked.append((self.command, parts.path))
            name, login = LOGINS[kind]
            heard.logins.append(self.headers.get(name, ""))
            if heard.answers:
                raise heard.answers.pop(0)
            want(self.headers.get(name) == login, 401, "Bad credentials")
            if self.command != "GET":
                want(self.headers.get("Content-Type") == "application/json", 415, "Unsupported Media Type")
            if kind is ForgeKind.GITHUB:
                want(self.headers.get("X-GitHub-Api-Version") == "2022-11-28", 400, "no version")
            for (method, path), route in ROUTES[kind].items():
                place = re.fullmatch(path, parts.path)
                if method == self.command and place:
                    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                    named = {key: unquote(value) for key, value in place.groupdict().items()}
                    return route(heard, named, query, json.loads(content) if content else {})
            raise NoError(404, "Not Found")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


@contextmanager
def played(kind: ForgeKind) -> Iterator[Heard]:
    """A forge of this kind on a free port; its `address` is the base URL of the API."""
    heard = Heard()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(kind, heard))
    server.daemon_threads = True
    heard.address = f"http://127.0.0.1:{server.server_port}{BASES[kind]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
