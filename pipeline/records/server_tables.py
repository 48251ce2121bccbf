"""The tables of a server: repositories, what comes in, the queue, people, secrets and messages to forges."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.model.account import Role
from pipeline.model.incoming import HookState
from pipeline.model.repository import ForgeKind
from pipeline.model.work import WorkerState, WorkKind, WorkState
from pipeline.records.columns import Choice, Document, Instant, Words
from pipeline.records.tables import metadata, needed

repositories = sa.Table(
    "repositories",
    metadata,
    sa.Column("name", Words, primary_key=True),
    sa.Column("url", Words, nullable=False, unique=True),
    needed("forge", Choice(ForgeKind)),
    needed("api", Words()),
    needed("default_branch", Words()),
    needed("file", Words()),
    needed("active", sa.Boolean()),
    needed("forks", sa.Boolean()),
    needed("created", Instant()),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    needed("repository", Words()),
    needed("key", Words()),
    needed("event", Words()),
    needed("headers", Document()),
    needed("body", sa.LargeBinary()),
    needed("received", Instant()),
    needed("state", Choice(HookState)),
    needed("decision", Words()),
    sa.UniqueConstraint("repository", "key", name="uq_deliveries_key"),
    sa.Index("ix_deliveries_state", "state", "id"),
    comment="webhooks, kept before they are answered; one that comes twice is kept once",
)

schedule_marks = sa.Table(
    "schedule_marks",
    metadata,
    sa.Column("repository", Words, primary_key=True),
    sa.Column("schedule", Words, primary_key=True),
    needed("time", Instant()),
    comment="up to when each schedule was looked after",
)

work = sa.Table(
    "work",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("key", Words, nullable=False, unique=True),
    needed("kind", Choice(WorkKind)),
    needed("priority", sa.Integer()),
    needed("repository", Words()),
    needed("request", Document()),
    needed("created", Instant()),
    needed("labels", Document()),
    needed("state", Choice(WorkState)),
    needed("worker", Words()),
    needed("token", sa.BigInteger()),
    sa.Column("expires", Instant),
    needed("cancel", Words()),
    needed("detail", Words()),
    sa.Column("finished", Instant),
    needed("told", Words()),
    sa.Index("ix_work_untold", "id", sqlite_where=sa.text("told <> state"), postgresql_where=sa.text("told <> state")),
    sa.Index("ix_work_turn", "state", "priority", "id"),
    sa.Index("ix_work_line", "state", "priority", "repository", "labels", "id"),
    sa.Index("ix_work_repository", "repository", "state"),
    comment="runs that were asked for; an item's id is its run's",
)

turns = sa.Table(
    "turns",
    metadata,
    sa.Column("line", Words, primary_key=True),
    needed("passed", sa.Integer()),
    needed("served", Instant()),
    comment="when each kind was served last, also of each repository; how often it was passed over",
)

places = sa.Table(
    "places",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("group", sa.String(64), nullable=False),
    needed("number", sa.BigInteger()),
    needed("holder", Words()),
    needed("expires", Instant()),
    needed("cancel", Words()),
    sa.Index("ix_places_group", "group", "number"),
    comment="who is in a concurrency group, and who waits for it",
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("name", Words, primary_key=True),
    needed("host", Words()),
    needed("version", Words()),
    needed("labels", Document()),
    needed("slots", sa.Integer()),
    needed("state", Choice(WorkerState)),
    needed("started", Instant()),
    needed("seen", Instant()),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("login", Words, primary_key=True),
    needed("name", Words()),
    needed("email", Words()),
    needed("password", Words()),
    needed("issuer", Words()),
    needed("subject", Words()),
    needed("disabled", sa.Boolean()),
    needed("created", Instant()),
    sa.Index("ix_users_subject", "issuer", "subject"),
)

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("login", sa.ForeignKey("users.login", ondelete="CASCADE"), nullable=False, index=True),
    needed("role", Choice(Role)),
    needed("repository", Words()),
    needed("environment", Words()),
    needed("created", Instant()),
    needed("created_by", Words()),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("login", sa.ForeignKey("users.login", ondelete="CASCADE"), nullable=False, index=True),
    needed("name", Words()),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    needed("role", Choice(Role)),
    needed("repository", Words()),
    needed("environment", Words()),
    needed("created", Instant()),
    sa.Column("expires", Instant),
    sa.Column("used", Instant),
    sa.Column("revoked", Instant),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("login", sa.ForeignKey("users.login", ondelete="CASCADE"), nullable=False, index=True),
    needed("csrf", sa.Text()),
    needed("created", Instant()),
    needed("expires", Instant()),
    needed("address", Words()),
    needed("agent", Words()),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    needed("time", Instant()),
    needed("login", Words()),
    needed("action", Words()),
    needed("subject", Words()),
    needed("allowed", sa.Boolean()),
    needed("detail", Words()),
    needed("address", Words()),
    sa.Index("ix_audit_login", "login", "seq"),
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("scope", Words, primary_key=True),
    sa.Column("name", Words, primary_key=True),
    needed("value", sa.LargeBinary()),
    needed("version", sa.Integer()),
    needed("updated", Instant()),
    needed("updated_by", Words()),
    comment="values are encrypted with a key that is not in the database",
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    needed("repository", Words()),
    needed("kind", Words()),
    needed("key", Words()),
    needed("body", Document()),
    needed("created", Instant()),
    needed("due", Instant()),
    needed("tries", sa.Integer()),
    sa.Column("sent", Instant),
    sa.Column("given_up", Instant),
    needed("error", Words()),
    sa.Index("ix_outbox_due", "due", sqlite_where=sa.text("sent IS NULL AND given_up IS NULL")),
    sa.Index("ix_outbox_key", "key"),
)
