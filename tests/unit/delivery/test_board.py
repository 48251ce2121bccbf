"""The board: levels in their order, what is on its way, and what may come next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cli.render.board import board_lines
from pipeline.cli.render.lines import plain
from pipeline.delivery.board import Level, levels
from pipeline.diagnostic import Position
from pipeline.model.decision import Block, BlockKind
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import GateAnswer, GateState, Verdict
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.status import PromotionState as State

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AT = Position(file="pipeline.yml", line=1, column=1)
ENVIRONMENTS = [
    EnvironmentDefinition(name="prod", position=AT, after=("staging", "load")),
    EnvironmentDefinition(name="dev", position=AT),
    EnvironmentDefinition(name="staging", position=AT, after=("dev",)),
    EnvironmentDefinition(name="load", position=AT, after=("dev",)),
]


def release(name: str) -> Release:
    return Release(
        repository="shop",
        commit=name,
        images={},
        pipeline_digest="sha256:1",
        name=name,
        run="r",
        dirty=False,
        created=NOW,
    )


A, B = release("41-aaaa"), release("42-bbbb")
RELEASES = {item.id: item for item in (A, B)}


def promotion(
    what: Release, where: str, hours: float, state: State = State.DEPLOYED, kind: PromotionKind = PromotionKind.PROMOTE
) -> Promotion:
    """One that began so many hours ago, and ended at once if its state is an end."""
    time = NOW - timedelta(hours=hours)
    return Promotion(
        id=f"{where}-{hours}",
        release=what.id,
        environment=where,
        kind=kind,
        state=state,
        requested_by="anna",
        reason="",
        created=time,
        finished=None if state in (State.WAITING, State.ROLLING_OUT) else time,
        detail="why",
    )


def found(
    *promotions: Promotion, blocks: tuple[Block, ...] = (), missing: dict[str, dict[str, str]] | None = None
) -> dict[str, Level]:
    newest_first = sorted(promotions, key=lambda item: item.created, reverse=True)
    live: dict[str, Promotion] = {}
    for item in newest_first:
        if item.state is State.DEPLOYED:
            live.setdefault(item.environment, item)
    board = levels(ENVIRONMENTS, newest_first, RELEASES, blocks, live=live, missing=missing or {}, now=NOW)
    return {level.environment: level for level in board}


def test_levels_stand_in_the_order_of_promotion() -> None:
    assert [(name, level.depth) for name, level in found().items()] == [
        ("dev", 0),
        ("staging", 1),
        ("load", 1),
        ("prod", 2),
    ]


def test_what_waits_says_what_is_missing() -> None:
    waiting = promotion(B, "prod", 1, State.WAITING)
    board = found(waiting, missing={waiting.id: {"approvals": "1 of 2 of release-managers"}})
    lines = board_lines(list(board.values()), RELEASES, now=NOW, width=60, hint="")
    assert "approvals: 1 of 2 of release-managers" in "\n".join(map(plain, lines))


def test_a_circle_of_environments_ends() -> None:
    circle = [
        EnvironmentDefinition(name="a", position=AT, after=("b",)),
        EnvironmentDefinition(name="b", position=AT, after=("a",)),
    ]
    assert {level.environment for level in levels(circle, (), {}, (), live={}, missing={}, now=NOW)} == {"a", "b"}


@pytest.mark.parametrize(
    ("promotions", "candidates"),
    [
        pytest.param([promotion(B, "dev", 2)], {"staging": B, "load": B}, id="next to dev"),
        pytest.param([promotion(B, "dev", 2), promotion(B, "staging", 1)], {"load": B}, id="prod wants both"),
        pytest.param(
            [promotion(B, "dev", 3), promotion(B, "staging", 2), promotion(B, "load", 1)],
            {"prod": B},
            id="both have it",
        ),
        pytest.param(
            [
                promotion(B, "dev", 3),
                promotion(B, "staging", 2),
                promotion(B, "load", 1.5),
                promotion(B, "prod", 1, State.WAITING),
            ],
            {},
            id="on its way already",
        ),
        pytest.param([promotion(B, "dev", 2, State.ROLLED_BACK)], {}, id="never held in dev"),
        pytest.param([promotion(A, "dev", 3, kind=PromotionKind.ROLLBACK)], {}, id="a rollback there opens no way"),
    ],
)
def test_what_may_come_next(promotions: list[Promotion], candidates: dict[str, Release]) -> None:
    board = found(*promotions)
    assert {name: level.candidate.release for name, level in board.items() if level.candidate} == candidates


def test_the_last_failure_shows_until_something_newer_is_live() -> None:
    failed = promotion(B, "dev", 1, State.ROLLED_BACK)
    assert found(promotion(A, "dev", 2), failed)["dev"].last == failed
    assert found(failed, promotion(A, "dev", 0.5))["dev"].last is None


def block(kind: BlockKind, environment: str, *, release: str = "", until: float | None = None) -> Block:
    return Block(
        id=f"{kind}",
        kind=kind,
        repository="shop",
        environment=environment,
        owner="ops",
        reason="the till is counted",
        created=NOW - timedelta(hours=1),
        until=None if until is None else NOW + timedelta(hours=until),
        release=release,
    )


def test_blocks_stand_where_they_keep_something_out() -> None:
    freeze, bar = block(BlockKind.FREEZE, ""), block(BlockKind.BAR, "dev", release=A.id)
    over = block(BlockKind.HOLD, "dev", until=-0.1)
    board = found(blocks=(freeze, bar, over))
    assert [len(level.blocks) for level in board.values()] == [2, 1, 1, 1]


VERDICT = Verdict(
    answers=(
        GateAnswer(gate="evidence", kind="evidence", state=GateState.PASSED, reason="42 tests passed"),
        GateAnswer(gate="approvals", kind="approvals", state=GateState.WAITING, reason="1 of 2 of release-managers"),
    ),
    time=NOW,
)


@pytest.mark.parametrize("width", [pytest.param(200, id="side by side"), pytest.param(60, id="below each other")])
def test_the_page_says_what_is_where_and_what_waits_for_what(width: int) -> None:
    board = found(
        promotion(A, "dev", 48),
        promotion(B, "dev", 3),
        promotion(A, "staging", 30),
        promotion(A, "prod", 1, State.ROLLING_OUT),
        blocks=(block(BlockKind.HOLD, "load"),),
    )
    staging = board["staging"]
    assert staging.candidate is not None
    board["staging"] = replace(staging, candidate=replace(staging.candidate, verdict=VERDICT))
    lines = [plain(entry) for entry in board_lines(list(board.values()), RELEASES, now=NOW, width=width, hint="next")]
    assert all(len(text.rstrip()) <= width for text in lines)
    page = "\n".join(lines)
    for words in (
        "42-bbbb since 3 h ago",
        "41-aaaa since yesterday",
        "41-aaaa rolling out",
        "42-bbbb waits",
        "approvals: 1 of 2",
        "held by ops",
        "next",
    ):
        assert words in page
    assert "42 tests passed" not in page, "what has passed is not missing"
