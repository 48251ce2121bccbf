"""Bitbucket Cloud: webhooks signed with `X-Hub-Signature`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.forges.body import Part, parsed
from pipeline.forges.message import place_of
from pipeline.forges.refs import BRANCHES, TAGS, moved
from pipeline.forges.signatures import body_key, hex_hmac, same
from pipeline.model.incoming import ForgeEvent, ForgeEventKind, HookDelivery
from pipeline.model.outgoing import OutboxItem
from pipeline.model.repository import Repository
from pipeline.settings import Settings

_KEPT = ("x-event-key", "x-request-uuid", "x-hook-uuid", "x-attempt-number")
_PROPOSALS: Mapping[str, ForgeEventKind] = {
    "pullrequest:created": ForgeEventKind.PULL_REQUEST,
    "pullrequest:updated": ForgeEventKind.PULL_REQUEST,
    "pullrequest:fulfilled": ForgeEventKind.CLOSED,
    "pullrequest:rejected": ForgeEventKind.CLOSED,
}


class Bitbucket:
    """Implements `pipeline.ports.forge.Forge`. A push may be about several branches and tags."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def verified(self, headers: Mapping[str, str], body: bytes, secret: bytes, *, now: datetime) -> bool:
        """`sha256=` and the HMAC of the body."""
        return same(headers.get("x-hub-signature", ""), "sha256=" + hex_hmac(secret, body))

    def key(self, headers: Mapping[str, str], body: bytes) -> str:
        """The digest of the body: the ids in the headers are not signed."""
        return body_key(body)

    def event_name(self, headers: Mapping[str, str], body: bytes) -> str:
        """`X-Event-Key`."""
        return headers.get("x-event-key", "")

    def kept(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The event's name and Bitbucket's ids."""
        return {name: headers[name] for name in _KEPT if name in headers}

    def read(self, delivery: HookDelivery) -> Sequence[ForgeEvent]:
        """An event for each ref that moved, or the one of a pull request."""
        name = delivery.event
        if name == "repo:push":
            body = parsed(delivery.body)
            events = tuple(_change(change, body) for change in body.part("push").parts("changes"))
            return events or (ForgeEvent(kind=ForgeEventKind.OTHER, why="a push that moved nothing"),)
        if name in _PROPOSALS:
            return (_pull_request(parsed(delivery.body), _PROPOSALS[name]),)
        return (ForgeEvent(kind=ForgeEventKind.OTHER, why=f"nothing follows from '{name[:60]}'"),)

    def tell(self, repository: Repository, item: OutboxItem, *, token: bytes) -> None:
        """A build status, or a comment of a pull request."""
        from pipeline.forges.api import api_for
        from pipeline.forges.telling import BitbucketTold, bearer, send

        api = api_for(repository, bearer(token), self._settings)
        send(BitbucketTold(api, place_of(repository)), item)


def _change(change: Part, body: Part) -> ForgeEvent:
    old, new = change.maybe("old"), change.maybe("new")
    ref = new or old or change.part("new")
    kind = ref.text("type")
    target = new.part("target") if new else None
    prefix = {"branch": BRANCHES, "tag": TAGS}.get(kind, f"{kind}/")
    return moved(
        prefix + ref.ref("name"),
        before=old.part("target").sha("hash") if old else "",
        after=target.sha("hash") if target else "",
        actor=_actor(body),
        clone_url=_clone_url(body),
        title=target.text("message", optional=True) if target else "",
        url=_page(target) if target else "",
    )


def _pull_request(body: Part, kind: ForgeEventKind) -> ForgeEvent:
    """Its commits are shortened. A source whose repository is gone is foreign."""
    request = body.part("pullrequest")
    source, target = request.part("source"), request.part("destination")
    origin = source.maybe("repository")
    return ForgeEvent(
        kind=kind,
        sha=source.part("commit").sha("hash"),
        branch=source.part("branch").ref("name"),
        actor=_actor(body),
        proposal=request.number("id"),
        target=target.part("branch").ref("name"),
        foreign=origin is None or origin.text("uuid") != target.part("repository").text("uuid"),
        clone_url=_clone_url(body),
        title=request.text("title"),
        url=_page(request),
        details={"merged": "true"} if request.text("state", optional=True) == "MERGED" else {},
    )


def _actor(body: Part) -> str:
    """People who keep their name to themselves have none."""
    actor = body.maybe("actor")
    names = (actor.text(name, optional=True) for name in ("nickname", "username", "display_name")) if actor else ()
    return next((name for name in names if name), "")


def _clone_url(body: Part) -> str:
    return _page(body.part("repository")) + ".git"


def _page(part: Part) -> str:
    links = part.maybe("links")
    html = links.maybe("html") if links else None
    return html.text("href", optional=True) if html else ""
