"""How GitHub, Gitea, GitLab and Bitbucket are told of a commit's status and of a proposal's summary."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from pipeline.errors import ForgeRefusedError
from pipeline.forges.api import Api
from pipeline.forges.message import KnownComment, cut, ours, read_message, whoami, write_comment
from pipeline.model.outgoing import CommitStatus, OutboxItem, ProposalComment, StatusState

_PAGES = 20
"""Pages of comments that are looked through."""

_GITHUB: Mapping[StatusState, str] = {
    StatusState.PENDING: "pending",
    StatusState.RUNNING: "pending",
    StatusState.SUCCEEDED: "success",
    StatusState.FAILED: "failure",
    StatusState.ERRORED: "error",
    StatusState.CANCELLED: "error",
}
_GITLAB: Mapping[StatusState, str] = {
    StatusState.PENDING: "pending",
    StatusState.RUNNING: "running",
    StatusState.SUCCEEDED: "success",
    StatusState.FAILED: "failed",
    StatusState.ERRORED: "failed",
    StatusState.CANCELLED: "canceled",
}
_BITBUCKET: Mapping[StatusState, str] = {
    StatusState.PENDING: "INPROGRESS",
    StatusState.RUNNING: "INPROGRESS",
    StatusState.SUCCEEDED: "SUCCESSFUL",
    StatusState.FAILED: "FAILED",
    StatusState.ERRORED: "FAILED",
    StatusState.CANCELLED: "STOPPED",
}


class Told(Protocol):
    """A forge's API for one repository."""

    def status(self, status: CommitStatus) -> None:
        """Say how a commit stands."""

    def comment(self, comment: ProposalComment) -> None:
        """Say it below a proposal, once."""


def send(forge: Told, item: OutboxItem) -> None:
    """A message of the outbox. ForgeError, ForgeRefusedError."""
    match read_message(item):
        case CommitStatus() as status:
            forge.status(status)
        case ProposalComment() as comment:
            forge.comment(comment)


def owner_and_name(path: str) -> str:
    """`/owner/name` for an API's path. ForgeRefusedError where an address has more or fewer parts."""
    parts = path.split("/")
    if len(parts) != 2 or not all(parts):
        raise ForgeRefusedError(
            f"'{path}' is not owner/name of a repository", hint="check its address: `ecluse repository show`"
        )
    return "/" + "/".join(quote(part, safe="") for part in parts)


class GitHubLike:
    """GitHub's API, which Gitea's follows."""

    def __init__(self, api: Api, path: str, *, paged: bool) -> None:
        self._api = api
        self._place = f"/repos{owner_and_name(path)}"
        self._paged = paged

    def status(self, status: CommitStatus) -> None:
        """A commit status."""
        body = {
            "state": _GITHUB[status.state],
            "target_url": status.url,
            "description": cut(status.description, 140),
            "context": status.context,
        }
        self._api.ask("POST", f"{self._place}/statuses/{quote(status.sha, safe='')}", body)

    def comment(self, comment: ProposalComment) -> None:
        """One comment of the pull request's conversation."""
        place = f"{self._place}/issues/{quote(comment.proposal, safe='')}/comments"
        me = whoami(lambda: _text(self._api.ask("GET", "/user"), "login"))
        write_comment(
            comment,
            known=ours(self._comments(place), comment.mark, me),
            post=lambda text: self._api.ask("POST", place, {"body": text}),
            edit=lambda name, text: self._api.ask(
                "PATCH", f"{self._place}/issues/comments/{quote(name, safe='')}", {"body": text}
            ),
        )

    def _comments(self, place: str) -> Iterator[KnownComment]:
        for page in range(1, (_PAGES if self._paged else 1) + 1):
            options = {"per_page": 100, "page": page} if self._paged else {}
            found = _list(self._api.ask("GET", place, **options))
            for item in found:
                yield KnownComment(
                    id=_id(item), author=_text(_mapping(item, "user"), "login"), text=_text(item, "body")
                )
            if len(found) < 100:
                return


class GitLabTold:
    """GitLab's API, version 4."""

    def __init__(self, api: Api, path: str) -> None:
        self._api = api
        self._place = f"/projects/{quote(path, safe='')}"

    def status(self, status: CommitStatus) -> None:
        """A commit status; one that stands already is refused by GitLab, and well so."""
        body = {
            "state": _GITLAB[status.state],
            "name": status.context,
            "target_url": status.url,
            "description": cut(status.description, 255),
        }
        if status.ref:
            body["ref"] = status.ref
        try:
            self._api.ask("POST", f"{self._place}/statuses/{quote(status.sha, safe='')}", body)
        except ForgeRefusedError as error:
            if "Cannot transition status" not in error.message:
                raise

    def comment(self, comment: ProposalComment) -> None:
        """One note of the merge request."""
        place = f"{self._place}/merge_requests/{quote(comment.proposal, safe='')}/notes"
        me = whoami(lambda: _text(self._api.ask("GET", "/user"), "username"))
        write_comment(
            comment,
            known=ours(self._notes(place), comment.mark, me),
            post=lambda text: self._api.ask("POST", place, {"body": text}),
            edit=lambda name, text: self._api.ask("PUT", f"{place}/{quote(name, safe='')}", {"body": text}),
        )

    def _notes(self, place: str) -> Iterator[KnownComment]:
        for page in range(1, _PAGES + 1):
            found = _list(self._api.ask("GET", place, sort="asc", order_by="created_at", per_page=100, page=page))
            for item in found:
                author = _text(_mapping(item, "author"), "username")
                yield KnownComment(id=_id(item), author=author, text=_text(item, "body"))
            if len(found) < 100:
                return


class BitbucketTold:
    """Bitbucket Cloud's API, version 2.0."""

    def __init__(self, api: Api, path: str) -> None:
        self._api = api
        self._place = f"/repositories{owner_and_name(path)}"

    def status(self, status: CommitStatus) -> None:
        """A build status; its key has at most 40 characters."""
        key = status.context
        body = {
            "key": key if len(key) <= 40 else hashlib.sha256(key.encode()).hexdigest()[:40],
            "state": _BITBUCKET[status.state],
            "name": cut(status.context, 255),
            "url": status.url,
            "description": cut(status.description, 255),
        }
        if status.ref:
            body["refname"] = status.ref
        self._api.ask("POST", f"{self._place}/commit/{quote(status.sha, safe='')}/statuses/build", body)

    def comment(self, comment: ProposalComment) -> None:
        """One comment of the pull request."""
        place = f"{self._place}/pullrequests/{quote(comment.proposal, safe='')}/comments"
        me = whoami(lambda: _text(self._api.ask("GET", "/user"), "uuid"))
        write_comment(
            comment,
            known=ours(self._comments(place), comment.mark, me),
            post=lambda text: self._api.ask("POST", place, {"content": {"raw": text}}),
            edit=lambda name, text: self._api.ask("PUT", f"{place}/{quote(name, safe='')}", {"content": {"raw": text}}),
        )

    def _comments(self, place: str) -> Iterator[KnownComment]:
        for page in range(1, _PAGES + 1):
            answer = self._api.ask("GET", place, pagelen=100, page=page)
            for item in _list(answer.get("values") if isinstance(answer, dict) else None):
                if item.get("deleted") is not True:
                    author = _text(_mapping(item, "user"), "uuid")
                    yield KnownComment(id=_id(item), author=author, text=_text(_mapping(item, "content"), "raw"))
            if not answer.get("next"):
                return


def bearer(token: bytes) -> Mapping[str, str]:
    """An access token; `user:password` as a basic login."""
    word = token.decode("ascii", "replace")
    if ":" in word:
        return {"Authorization": "Basic " + base64.b64encode(token).decode()}
    return {"Authorization": f"Bearer {word}"}


def _list(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ForgeRefusedError("the forge's list of comments is no list", hint="check the address of its API")
    return value


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def _id(value: Mapping[str, Any]) -> str:
    return str(value.get("id", ""))
