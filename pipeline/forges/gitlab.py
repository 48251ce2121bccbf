"""GitLab: webhooks with a shared token, or signed as Standard Webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.forges.body import Part, parsed
from pipeline.forges.message import place_of
from pipeline.forges.refs import moved
from pipeline.forges.signatures import body_key, first, same_token, standard_webhook
from pipeline.model.incoming import ForgeEvent, ForgeEventKind, HookDelivery
from pipeline.model.outgoing import OutboxItem
from pipeline.model.repository import Repository
from pipeline.settings import Settings

_KEPT = ("x-gitlab-event", "x-gitlab-event-uuid", "idempotency-key", "webhook-id", "x-gitlab-instance")
_ENDED = ("close", "merge")


class GitLab:
    """Implements `pipeline.ports.forge.Forge`.

    `X-Gitlab-Token` is the secret itself: whoever could send such a delivery again could write any other, so its id
    is taken at its word. With a signing token the id and the time are signed, and no bare token is accepted beside.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def verified(self, headers: Mapping[str, str], body: bytes, secret: bytes, *, now: datetime) -> bool:
        """The signature where there is one, else the token."""
        if headers.get("webhook-signature"):
            return standard_webhook(headers, body, secret, now)
        return same_token(headers.get("x-gitlab-token", ""), secret)

    def key(self, headers: Mapping[str, str], body: bytes) -> str:
        """The id that stays the same when GitLab tries again."""
        if headers.get("webhook-signature"):
            return headers.get("webhook-id", "")
        return first(headers, "idempotency-key", "x-gitlab-event-uuid") or body_key(body)

    def event_name(self, headers: Mapping[str, str], body: bytes) -> str:
        """`X-Gitlab-Event`."""
        return headers.get("x-gitlab-event", "")

    def kept(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The event's name and ids."""
        return {name: headers[name] for name in _KEPT if name in headers}

    def read(self, delivery: HookDelivery) -> Sequence[ForgeEvent]:
        """One event; system hooks say what they are in the body only."""
        body = parsed(delivery.body)
        match body.known.get("object_kind") or body.known.get("event_name"):
            case "push" | "tag_push":
                return (_push(body),)
            case "merge_request":
                return (_merge_request(body),)
            case _:
                why = f"nothing follows from '{delivery.event[:60]}'"
                return (ForgeEvent(kind=ForgeEventKind.OTHER, why=why),)

    def tell(self, repository: Repository, item: OutboxItem, *, token: bytes) -> None:
        """A commit status, or a note of a merge request."""
        from pipeline.forges.api import api_for
        from pipeline.forges.telling import GitLabTold, send

        api = api_for(repository, {"PRIVATE-TOKEN": token.decode()}, self._settings)
        send(GitLabTold(api, place_of(repository)), item)


def _push(body: Part) -> ForgeEvent:
    """`after` of an annotated tag is the tag's own id; `checkout_sha` is the commit."""
    last = _last_commit(body)
    gone = not body.sha("after").strip("0")
    return moved(
        body.ref("ref"),
        before=body.sha("before"),
        after=body.sha("after") if gone or body.known.get("checkout_sha") is None else body.sha("checkout_sha"),
        actor=body.text("user_username", optional=True) or body.text("user_name", optional=True),
        clone_url=body.part("project").text("git_http_url"),
        title=last.text("message", optional=True) if last else "",
        url=last.text("url", optional=True) if last else "",
    )


def _last_commit(body: Part) -> Part | None:
    commits = body.known.get("commits")
    last = commits[-1] if isinstance(commits, list) and commits else None
    return Part(last, "commits[-1]") if isinstance(last, dict) else None


def _merge_request(body: Part) -> ForgeEvent:
    request = body.part("object_attributes")
    action = request.text("action", optional=True)
    changes = body.known.get("changes")
    retargeted = isinstance(changes, dict) and "target_branch" in changes
    pushed = action == "update" and (request.known.get("oldrev") is not None or retargeted)
    if action not in ("open", "reopen", *_ENDED) and not pushed:
        return ForgeEvent(
            kind=ForgeEventKind.OTHER,
            why=f"nothing follows from a merge request's '{action or 'nothing'}' that changes no commit",
        )
    user = body.maybe("user")
    return ForgeEvent(
        kind=ForgeEventKind.CLOSED if action in _ENDED else ForgeEventKind.PULL_REQUEST,
        sha=request.part("last_commit").sha("id"),
        branch=request.ref("source_branch"),
        before=request.sha("oldrev") if request.known.get("oldrev") is not None else "",
        actor=user.text("username", optional=True) if user else "",
        proposal=request.number("iid"),
        target=request.ref("target_branch"),
        foreign=request.known.get("source_project_id") is None
        or request.number("source_project_id") != request.number("target_project_id"),
        clone_url=body.part("project").text("git_http_url"),
        title=request.text("title"),
        url=request.text("url", optional=True),
        details={"merged": "true"} if action == "merge" else {},
    )
