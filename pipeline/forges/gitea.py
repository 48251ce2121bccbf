"""Gitea and Forgejo: webhooks signed with `X-Gitea-Signature` or `X-Forgejo-Signature`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.forges.body import Part, parsed
from pipeline.forges.github import pull_request, push, sender
from pipeline.forges.message import place_of
from pipeline.forges.refs import BRANCHES, TAGS
from pipeline.forges.signatures import body_key, first, hex_hmac, same
from pipeline.model.incoming import ForgeEvent, ForgeEventKind, HookDelivery
from pipeline.model.outgoing import OutboxItem
from pipeline.model.repository import Repository
from pipeline.settings import Settings

_SIGNATURES = ("x-forgejo-signature", "x-gitea-signature")
_EVENTS = ("x-forgejo-event", "x-gitea-event")
_KEPT = (*_EVENTS, "x-forgejo-delivery", "x-gitea-delivery", "x-gitea-event-type")
_OPENED = ("opened", "synchronized", "reopened")


class Gitea:
    """Implements `pipeline.ports.forge.Forge`. As with GitHub, a delivery's key is the digest of its body."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def verified(self, headers: Mapping[str, str], body: bytes, secret: bytes, *, now: datetime) -> bool:
        """The HMAC of the body; the first of the two headers that is there counts."""
        return same(first(headers, *_SIGNATURES), hex_hmac(secret, body))

    def key(self, headers: Mapping[str, str], body: bytes) -> str:
        """The digest of the body."""
        return body_key(body)

    def event_name(self, headers: Mapping[str, str], body: bytes) -> str:
        """`X-Gitea-Event`."""
        return first(headers, *_EVENTS)

    def kept(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The event's name and the forge's ids."""
        return {name: headers[name] for name in _KEPT if name in headers}

    def read(self, delivery: HookDelivery) -> Sequence[ForgeEvent]:
        """One event."""
        match delivery.event:
            case "push":
                return (push(parsed(delivery.body)),)
            case "create" | "delete" as name:
                return (_ref_made_or_gone(parsed(delivery.body), gone=name == "delete"),)
            case "pull_request" | "pull_request_sync":
                return (_pull_request(parsed(delivery.body)),)
            case name:
                return (ForgeEvent(kind=ForgeEventKind.OTHER, why=f"nothing follows from '{name[:60]}'"),)

    def tell(self, repository: Repository, item: OutboxItem, *, token: bytes) -> None:
        """A commit status, or a comment of a pull request."""
        from pipeline.forges.api import api_for
        from pipeline.forges.telling import GitHubLike, send

        api = api_for(repository, {"Authorization": f"token {token.decode()}"}, self._settings)
        send(GitHubLike(api, place_of(repository), paged=False), item)


def _ref_made_or_gone(body: Part, *, gone: bool) -> ForgeEvent:
    """A new ref comes as a push as well, which starts its run; one that is gone comes only so."""
    name = body.ref("ref")
    is_tag = body.text("ref_type") == "tag"
    return ForgeEvent(
        kind=ForgeEventKind.DELETED if gone else ForgeEventKind.OTHER,
        sha="" if gone or body.known.get("sha") is None else body.sha("sha"),
        branch="" if is_tag else name.removeprefix(BRANCHES),
        tag=name.removeprefix(TAGS) if is_tag else "",
        actor=sender(body),
        clone_url=body.part("repository").text("clone_url"),
        why="" if gone else "a branch or tag was made; the push that made it comes by itself",
    )


def _pull_request(body: Part) -> ForgeEvent:
    action = body.text("action")
    changes = body.known.get("changes")
    if action in _OPENED or (action == "edited" and isinstance(changes, dict) and "ref" in changes):
        return pull_request(body, ForgeEventKind.PULL_REQUEST)
    if action == "closed":
        return pull_request(body, ForgeEventKind.CLOSED)
    return ForgeEvent(kind=ForgeEventKind.OTHER, why=f"nothing follows from a pull request that was '{action[:60]}'")
