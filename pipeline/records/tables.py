"""The tables. Columns are named as the fields of the nouns in `pipeline.model`; migrations bring a database here."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pipeline.model.decision import Answer, BlockKind
from pipeline.model.finding import FindingSeverity
from pipeline.model.outcome import Effect
from pipeline.model.release import PromotionKind
from pipeline.model.report import TestStatus
from pipeline.model.status import Conclusion, PromotionState, RunState, StageState
from pipeline.model.trust import Trust
from pipeline.records.columns import Choice, Document, Instant, Spelled, Words

metadata = sa.MetaData()


def needed(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    """A column that every row fills."""
    return sa.Column(name, kind, nullable=False)


def _added(name: str, kind: sa.types.TypeEngine[Any], stored: str) -> sa.Column[Any]:
    """A column of a later revision; rows of earlier ones have `stored`."""
    return sa.Column(name, kind, nullable=False, server_default=stored)


def _outcome() -> tuple[sa.Column[Any], ...]:
    """The fields of an Outcome; all null while there is none."""
    return (
        sa.Column("conclusion", Choice(Conclusion)),
        sa.Column("reason", Words),
        sa.Column("hint", Words),
        sa.Column("effect", Choice(Effect)),
        sa.Column("transient", sa.Boolean),
    )


def _of_attempt() -> tuple[sa.Column[Any] | sa.ForeignKeyConstraint, ...]:
    """A row that belongs to an attempt and goes with it; `position` keeps the order."""
    return (
        sa.Column("run", sa.String(26), primary_key=True),
        sa.Column("stage", sa.Text, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.ForeignKeyConstraint(
            ["run", "stage", "attempt"],
            ["attempts.run", "attempts.stage", "attempts.number"],
            ondelete="CASCADE",
        ),
    )


counters = sa.Table(
    "counters",
    metadata,
    sa.Column("repository", sa.Text, primary_key=True),
    needed("last", sa.Integer()),
    comment="the last run number given in each repository",
)

spool = sa.Table(
    "spool",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run", sa.String(26), nullable=False, index=True),
    needed("body", sa.Text()),
    _added("error", sa.Text(), ""),
    comment="what runs wrote without SQLAlchemy, until it is folded into the other tables",
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    needed("number", sa.Integer()),
    needed("repository", Words()),
    needed("pipeline", Words()),
    needed("commit", Words()),
    needed("message", Words()),
    needed("author", Words()),
    needed("branch", Words()),
    needed("tag", Words()),
    needed("event", Words()),
    needed("actor", Words()),
    needed("dirty", sa.Boolean()),
    needed("plan_digest", Words()),
    needed("state", Choice(RunState)),
    sa.Column("conclusion", Choice(Conclusion)),
    needed("created", Instant()),
    sa.Column("finished", Instant),
    needed("executor", Words()),
    sa.Column("runner", Document),
    _added("trust", Choice(Trust), Trust.BRANCH.value),
    _added("proposal", Words(), ""),
    _added("host", Words(), ""),
    _added("url", Words(), ""),
    _added("tree", Words(), ""),
    sa.UniqueConstraint("repository", "number", name="uq_runs_number"),
    sa.Index("ix_runs_created", "created"),
    sa.Index("ix_runs_repository", "repository", "created"),
    sa.Index("ix_runs_branch", "repository", "branch", "created"),
    sa.Index("ix_runs_state", "state"),
)

plans = sa.Table(
    "plans",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    needed("body", Document()),
    comment="apart from `runs`, so that listing runs does not read them",
)

stage_runs = sa.Table(
    "stage_runs",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    needed("position", sa.Integer()),
    needed("kind", Words()),
    needed("state", Choice(StageState)),
    *_outcome(),
    sa.Column("started", Instant),
    sa.Column("finished", Instant),
    _added("group", Words(), ""),
    _added("cell", Document(), "{}"),
    _added("reused", Words(), ""),
    _added("parked", Words(), ""),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("run", sa.String(26), primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    needed("started", Instant()),
    sa.Column("finished", Instant),
    *_outcome(),
    needed("log", Words()),
    needed("log_lines", sa.Integer()),
    sa.Column("image", Document),
    sa.Column("pushed", Document),
    needed("release", Words()),
    needed("promotion", Words()),
    needed("outputs", Document()),
    _added("service_logs", Document(), "{}"),
    _added("layer", Words(), ""),
    sa.ForeignKeyConstraint(["run", "stage"], ["stage_runs.run", "stage_runs.name"], ondelete="CASCADE"),
)

artifacts = sa.Table(
    "artifacts",
    metadata,
    *_of_attempt(),
    needed("name", Words()),
    needed("path", Words()),
    needed("digest", Words()),
    needed("size", sa.BigInteger()),
    needed("kind", Words()),
    sa.Column("keep", sa.Float),
)

reports = sa.Table(
    "reports",
    metadata,
    *_of_attempt(),
    needed("type", Words()),
    sa.Column("passed", sa.Integer),
    sa.Column("failed", sa.Integer),
    sa.Column("errored", sa.Integer),
    sa.Column("skipped", sa.Integer),
    sa.Column("covered", sa.Integer),
    sa.Column("total", sa.Integer),
    comment="type `tests` counts its cases, type `coverage` has covered and total lines",
)

test_cases = sa.Table(
    "test_cases",
    metadata,
    *_of_attempt(),
    needed("suite", Words()),
    needed("classname", Words()),
    needed("name", Words()),
    needed("status", Choice(TestStatus)),
    needed("seconds", sa.Float()),
    needed("message", Words()),
    needed("details", Words()),
    needed("file", Words()),
    needed("line", sa.Integer()),
    _added("quarantined", Words(), ""),
    sa.Index(
        "ix_test_cases_failures",
        "run",
        sqlite_where=sa.text("status IN ('failed', 'errored')"),
        postgresql_where=sa.text("status IN ('failed', 'errored')"),
    ),
)

findings = sa.Table(
    "findings",
    metadata,
    *_of_attempt(),
    needed("fingerprint", Words()),
    needed("check", Words()),
    needed("tool", Words()),
    needed("rule", Words()),
    needed("severity", Choice(FindingSeverity)),
    needed("message", Words()),
    needed("file", Words()),
    needed("line", sa.Integer()),
    needed("package", Words()),
    needed("version", Words()),
    needed("fixed_in", Words()),
    needed("url", Words()),
    sa.Index("ix_findings_fingerprint", "fingerprint"),
)

measurements = sa.Table(
    "measurements",
    metadata,
    *_of_attempt(),
    needed("check", Words()),
    needed("passed", sa.Boolean()),
    needed("seen", Words()),
    needed("wanted", Words()),
    needed("time", Instant()),
    needed("seconds", sa.Float()),
    _added("verdict", Words(), ""),
    _added("query", Words(), ""),
    sa.Column("value", sa.Float),
    sa.Column("baseline", sa.Float),
    comment="what the checks of a smoke stage saw",
)

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("id", sa.String(71), primary_key=True),
    needed("repository", Words()),
    needed("commit", Words()),
    needed("images", Document()),
    needed("pipeline_digest", Words()),
    needed("name", Words()),
    needed("run", Words()),
    needed("dirty", sa.Boolean()),
    needed("created", Instant()),
    sa.Index("ix_releases_name", "name"),
    sa.Index("ix_releases_repository", "repository", "created"),
)

promotions = sa.Table(
    "promotions",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("release", sa.ForeignKey("releases.id"), nullable=False),
    needed("environment", Words()),
    needed("kind", Choice(PromotionKind)),
    needed("state", Choice(PromotionState)),
    needed("requested_by", Words()),
    needed("reason", Words()),
    needed("created", Instant()),
    needed("replaces", Words()),
    needed("run", Words()),
    sa.Column("finished", Instant),
    needed("detail", Words()),
    sa.Column("gap", sa.Float),
    needed("measurements", Document()),
    _added("plan", Words(), ""),
    _added("policy", Words(), ""),
    _added("configuration", Words(), ""),
    _added("override", Words(), ""),
    sa.Index("ix_promotions_environment", "environment", "created"),
    sa.Index("ix_promotions_release", "release"),
    sa.Index("ix_promotions_created", "created"),
    comment="a projection of the ledger; the measurements are those of its verification",
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    needed("promotion", Words()),
    needed("plan", Words()),
    needed("person", Words()),
    needed("answer", Choice(Answer)),
    needed("reason", Words()),
    needed("time", Instant()),
    needed("proof", Words()),
    sa.UniqueConstraint("promotion", "plan", "person", name="uq_approvals_person"),
    comment="a projection of the ledger: the last answer of each person to each plan",
)

blocks = sa.Table(
    "blocks",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    needed("kind", Choice(BlockKind)),
    needed("repository", Words()),
    needed("environment", Words()),
    needed("owner", Words()),
    needed("reason", Words()),
    needed("created", Instant()),
    sa.Column("until", Instant),
    needed("release", Words()),
    sa.Column("lifted", Instant),
    needed("lifted_by", Words()),
    sa.Index("ix_blocks_repository", "repository", "environment"),
    comment="a projection of the ledger: holds, bars and freezes, lifted ones too",
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", Words, primary_key=True),
    needed("holder", Words()),
    needed("token", sa.BigInteger()),
    needed("expires", Instant()),
    comment="working state; a lease that was given up has no holder and keeps its token",
)

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    needed("time", Instant()),
    needed("actor", Words()),
    needed("action", Words()),
    needed("subject", Words()),
    needed("reason", Words()),
    needed("data", Spelled()),
    needed("previous", sa.String(64)),
    needed("hash", sa.String(64)),
    sa.Index("ix_ledger_action", "action", "seq"),
    sa.Index("ix_ledger_subject", "subject", "action", "seq"),
    comment="append-only: triggers refuse to change or remove a row, and to add one out of order",
)
