"""GitHub: webhooks signed with `X-Hub-Signature-256`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.forges.body import Part, parsed
from pipeline.forges.message import place_of
from pipeline.forges.refs import moved
from pipeline.forges.signatures import body_key, hex_hmac, same
from pipeline.model.incoming import ForgeEvent, ForgeEventKind, HookDelivery
from pipeline.model.outgoing import OutboxItem
from pipeline.model.repository import Repository
from pipeline.settings import Settings

_KEPT = ("x-github-event", "x-github-delivery", "x-github-hook-id")
_VERSION = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_OPENED = ("opened", "synchronize", "reopened")
_UNUSED: Mapping[str, str] = {
    "create": "a branch or tag was made; the push that made it comes by itself",
    "delete": "a branch or tag was removed; the push that removed it comes by itself",
    "merge_group": "a merge queue of the forge asks for checks; such runs are not made yet",
    "release": "a release was published; the push of its tag comes by itself",
}


class GitHub:
    """Implements `pipeline.ports.forge.Forge`.

    Nobody signs `X-GitHub-Delivery`, so a delivery's key is the digest of its body, which has the time of the push.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def verified(self, headers: Mapping[str, str], body: bytes, secret: bytes, *, now: datetime) -> bool:
        """`sha256=` and the HMAC of the body."""
        return same(headers.get("x-hub-signature-256", ""), "sha256=" + hex_hmac(secret, body))

    def key(self, headers: Mapping[str, str], body: bytes) -> str:
        """The digest of the body."""
        return body_key(body)

    def event_name(self, headers: Mapping[str, str], body: bytes) -> str:
        """`X-GitHub-Event`."""
        return headers.get("x-github-event", "")

    def kept(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The event's name, and the ids that GitHub's page of deliveries shows."""
        return {name: headers[name] for name in _KEPT if name in headers}

    def read(self, delivery: HookDelivery) -> Sequence[ForgeEvent]:
        """One event."""
        match delivery.event:
            case "push":
                return (push(parsed(delivery.body)),)
            case "pull_request":
                return (_pull_request(parsed(delivery.body)),)
            case "ping":
                return (ForgeEvent(kind=ForgeEventKind.PING, why="the hook works"),)
            case name:
                why = _UNUSED.get(name, f"nothing follows from '{name[:60]}'")
                return (ForgeEvent(kind=ForgeEventKind.OTHER, why=why),)

    def tell(self, repository: Repository, item: OutboxItem, *, token: bytes) -> None:
        """A commit status, or a comment of a pull request."""
        from pipeline.forges.api import api_for
        from pipeline.forges.telling import GitHubLike, bearer, send

        api = api_for(repository, {**_VERSION, **bearer(token)}, self._settings)
        send(GitHubLike(api, place_of(repository), paged=True), item)


def push(body: Part) -> ForgeEvent:
    """A push as GitHub and Gitea write it."""
    repository = body.part("repository")
    head = body.maybe("head_commit")
    return moved(
        body.ref("ref"),
        before=body.sha("before"),
        after=body.sha("after"),
        actor=sender(body),
        clone_url=repository.text("clone_url"),
        title=head.text("message", optional=True) if head else "",
        url=head.text("url", optional=True) if head else "",
    )


def _pull_request(body: Part) -> ForgeEvent:
    action = body.text("action")
    retargeted = action == "edited" and isinstance(body.known.get("changes"), dict) and "base" in body.known["changes"]
    if action in _OPENED or retargeted:
        return pull_request(body, ForgeEventKind.PULL_REQUEST)
    if action == "closed":
        return pull_request(body, ForgeEventKind.CLOSED)
    return ForgeEvent(kind=ForgeEventKind.OTHER, why=f"nothing follows from a pull request that was '{action[:60]}'")


def pull_request(body: Part, kind: ForgeEventKind) -> ForgeEvent:
    """A pull request as GitHub and Gitea write it. A head whose repository is gone is foreign."""
    request = body.part("pull_request")
    head, base = request.part("head"), request.part("base")
    origin, target = head.maybe("repo"), base.part("repo")
    return ForgeEvent(
        kind=kind,
        sha=head.sha("sha"),
        branch=head.ref("ref"),
        actor=sender(body),
        proposal=request.number("number"),
        target=base.ref("ref"),
        foreign=origin is None or origin.number("id") != target.number("id"),
        clone_url=body.part("repository").text("clone_url"),
        title=request.text("title"),
        url=request.text("html_url", optional=True),
        details={"merged": "true"} if request.flag("merged") else {},
    )


def sender(body: Part) -> str:
    """Who did it."""
    found = body.maybe("sender")
    return found.text("login", optional=True) if found else ""
