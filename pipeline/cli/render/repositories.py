"""Repositories of a server, their webhooks, and what their forges were told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, Piece, columns, fitted, line
from pipeline.cli.render.words import ago
from pipeline.model.incoming import DeliveryNote
from pipeline.model.outgoing import OutboxItem
from pipeline.model.repository import Repository
from pipeline.operations.registering import RepositoryFacts
from pipeline.ports.vault import SecretNote


def repository_lines(found: Sequence[Repository]) -> list[Line]:
    """A line a repository."""
    if not found:
        return [line("the server looks after no repository; `ecluse repository add` begins with one")]
    return columns(
        [
            [
                (item.name, "bold"),
                item.forge.value,
                (one_line(item.url), "dim"),
                ("" if item.active else "inactive", "warned"),
            ]
            for item in found
        ]
    )


def facts_lines(facts: RepositoryFacts, messages: Sequence[OutboxItem]) -> list[Line]:
    """All about one."""
    known = facts.repository
    rows: list[list[str | Piece]] = [
        [("address", "dim"), one_line(known.url)],
        [("forge", "dim"), known.forge.value + (f" at {one_line(facts.api)}" if facts.api else "")],
        [("file", "dim"), f"{one_line(known.file)}, default branch {one_line(known.default_branch)}"],
        [("events", "dim"), "start runs" if known.active else ("start nothing: it is inactive", "warned")],
        [("forks", "dim"), "run without secrets" if known.forks else "wait for a person's word"],
        [("webhook", "dim"), facts.hook_url],
        [("secret", "dim"), _secret(facts.secret, "no webhook is accepted without one")],
        [("token", "dim"), _secret(facts.token, "the forge is told nothing without one")],
    ]
    return [line((known.name, "bold")), *columns(rows), *(_message(item) for item in messages)]


def _secret(note: SecretNote | None, missing: str) -> Piece:
    if note is None:
        return (f"none: {missing}", "warned")
    return (f"version {note.version}, set {note.updated:%Y-%m-%d} by {one_line(note.updated_by)}", "")


def _message(item: OutboxItem) -> Line:
    what = f"{item.kind} {one_line(str(item.body.get('state', '')))}".strip()
    if item.given_up is not None:
        return line(
            ("told: ", "dim"), (f"{what} was given up after {item.tries} tries: {one_line(item.error)}", "failed")
        )
    if item.sent is not None:
        return line(("told: ", "dim"), (what, "succeeded"))
    waits = f"{what} waits" + (f" after {item.tries} tries: {one_line(item.error)}" if item.tries else "")
    return line(("told: ", "dim"), (waits, "waiting"))


def secret_lines(facts: RepositoryFacts, secret: str) -> list[Line]:
    """What has to be set in the forge; shown once."""
    return [
        line((facts.repository.name, "bold"), " is looked after; set this webhook in its forge:"),
        *columns([[("address", "dim"), facts.hook_url], [("secret", "dim"), (secret, "accent")]]),
        line(("the secret is not shown again; the content type is application/json", "dim")),
    ]


def delivery_lines(found: Sequence[DeliveryNote], *, now: datetime, width: int) -> list[Line]:
    """A line a delivery."""
    if not found:
        return [line("no webhooks yet")]
    rows: list[list[str | Piece]] = [
        [
            (item.id, "dim"),
            ago(item.received, now),
            (item.repository, "bold"),
            one_line(item.event),
            _decision(item),
        ]
        for item in found
    ]
    return [fitted(row, width) for row in columns(rows)]


def _decision(item: DeliveryNote) -> Piece:
    if not item.decision:
        return ("not looked at yet", "waiting")
    return (one_line(item.decision), "failed" if item.decision.startswith("unreadable") else "")
