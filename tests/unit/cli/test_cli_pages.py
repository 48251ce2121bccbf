"""What `runs`, `show`, `plan`, `releases` and `history` print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from recorded import BEGIN, SHOP, ended, plan_of, products_of_failed_tests, run_of

from pipeline.cli.render.lines import Line, plain
from pipeline.cli.render.plan import graph_lines, plan_lines
from pipeline.cli.render.releases import history_lines, release_lines
from pipeline.cli.render.runs import run_lines
from pipeline.cli.render.show import run_tree, stage_page
from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.outcome import Outcome, failed, succeeded
from pipeline.model.plan import Condition, Plan
from pipeline.model.release import Measurement, Promotion, PromotionKind, Release
from pipeline.model.run import Artifact, Attempt, Products, PushedImage, StageRun
from pipeline.model.status import Conclusion, PromotionState, StageState
from pipeline.model.trust import Trust
from pipeline.operations.estimate import estimate
from pipeline.operations.history import History
from pipeline.operations.inspect import ReleaseFacts
from pipeline.ports.target import Instance, Observed

NOW = BEGIN + timedelta(minutes=5)
RELEASE = Release(
    repository="shop",
    commit="4f1c0de" + "0" * 33,
    images={"push": "registry.example.org/shop@sha256:" + "a" * 64},
    pipeline_digest="sha256:1",
    name="41-4f1c0de",
    run="r",
    dirty=False,
    created=BEGIN,
)


def text(lines: Sequence[Line]) -> str:
    """Lines as a pipe gets them."""
    return "\n".join(plain(entry).rstrip() for entry in lines)


def done(name: str, kind: str, outcome: Outcome, *products: Products) -> StageRun:
    """A stage that is over, with an attempt for each of the products."""
    attempts = tuple(
        Attempt(
            number=number,
            started=BEGIN,
            finished=BEGIN,
            outcome=outcome if number == len(products) else failed("exit 1"),
            products=made,
        )
        for number, made in enumerate(products, start=1)
    )
    finished = BEGIN + timedelta(seconds=2) if products else None
    return StageRun(
        name=name,
        kind=kind,
        state=StageState.DONE,
        outcome=outcome,
        started=BEGIN if products else None,
        finished=finished,
        attempts=attempts,
    )


def finding(severity: FindingSeverity, rule: str) -> Finding:
    """A finding in a package."""
    return Finding(
        check="vulnerabilities",
        tool="t",
        rule=rule,
        severity=severity,
        message="bad",
        package="zlib",
        version="1.2",
        fixed_in="1.3",
    )


def promotion(state: PromotionState, **more: object) -> Promotion:
    """A promotion of the release to dev."""
    known = Promotion(
        id="p1",
        release=RELEASE.id,
        environment="dev",
        kind=PromotionKind.PROMOTE,
        state=state,
        requested_by="anna",
        reason="",
        created=BEGIN,
        run="r",
        finished=BEGIN + timedelta(seconds=3),
    )
    return replace(known, **more)  # type: ignore[arg-type]


RUN = replace(
    ended(run_of(plan_of(SHOP), number=41), Conclusion.FAILED),
    stages=(
        done("checkout", "checkout", succeeded("4f1c0de"), Products()),
        done("unit", "test", failed("1 test failed"), products_of_failed_tests()),
        done(
            "scan",
            "scan",
            failed("1 high finding", hint="update zlib"),
            Products(findings=(finding(FindingSeverity.LOW, "CVE-1"), finding(FindingSeverity.HIGH, "CVE-2"))),
        ),
        done(
            "flaky",
            "run",
            succeeded(),
            Products(),
            Products(artifacts=(Artifact(name="wheel", path="dist/a.whl", digest="sha256:" + "b" * 64, size=2048),)),
        ),
        done(
            "push",
            "push",
            succeeded("pushed"),
            Products(
                pushed=PushedImage(repository="registry.example.org/shop", digest="sha256:" + "a" * 64, tags=("1", "x"))
            ),
        ),
        done("dev", "deploy", succeeded("deployed"), Products(release=RELEASE.id, promotion="p1")),
        done("smoke", "run", Outcome(conclusion=Conclusion.BLOCKED, reason="needs unit: failed")),
    ),
)


def test_a_run_as_a_tree() -> None:
    lines = run_tree(
        RUN, releases={RELEASE.id: RELEASE}, promotions={"p1": promotion(PromotionState.DEPLOYED)}, now=NOW, width=200
    )
    assert text(lines) == (
        "✕ shop #41 · main 4f1c0de00000 · push by anna failed\n"
        "  Sell boats (Anna <anna@example.org>)\n"
        "  2026-11-23 23:00:00 UTC, 5 min ago, took 14s · docker · https://git.example.org/shop.git\n"
        "  id 01jdexample0000000000000ab\n"
        "├─ ● checkout  checkout    2.0s  4f1c0de\n"
        "├─ ✕ unit      test        2.0s  failed: 1 test failed\n"
        "│    tests: 1 passed, 1 failed\n"
        "│    ✕ tests.test_till.test_change (tests/test_till.py:12)\n"
        "│      assert 3 == 4\n"
        "├─ ✕ scan      scan        2.0s  failed: 1 high finding\n"
        "│    update zlib\n"
        "│    findings: 1 high, 1 low\n"
        "│    ✕ high     CVE-2 zlib 1.2, fixed in 1.3: bad\n"
        "│    ▲ low      CVE-1 zlib 1.2, fixed in 1.3: bad\n"
        "├─ ● flaky     run         2.0s  exit 0 flaky\n"
        "│    attempt 1 ✕ exit 1\n"
        "│    attempt 2 ● exit 0\n"
        "│    artifact wheel: dist/a.whl 2.0 KiB\n"
        "├─ ● push      push        2.0s  pushed\n"
        f"│    pushed: registry.example.org/shop@sha256:{'a' * 64} as 1, x\n"
        "├─ ● dev       deploy      2.0s  deployed\n"
        "│    release: 41-4f1c0de → dev deployed\n"
        "└─ ○ smoke     run               blocked: needs unit: failed"
    )


def test_a_stage_in_full_has_its_conditions_and_all_of_a_tests_words() -> None:
    conditions = [{"key": "branch", "wanted": "main", "seen": "main", "holds": True}]
    lines = stage_page(RUN, RUN.stage("unit"), releases={}, promotions={}, conditions=conditions, now=NOW)
    assert text(lines[4:]) == (
        "\n"
        "✕ unit  test        2.0s  failed: 1 test failed\n"
        "  when branch: wants main, saw main: yes\n"
        "  tests: 1 passed, 1 failed\n"
        "  ✕ tests.test_till.test_change (tests/test_till.py:12)\n"
        "    assert 3 == 4\n"
        "     +  where 3 = change(7)\n"
        "  its log: ecluse logs 41 unit"
    )


@pytest.mark.parametrize(
    ("outcome", "rows"),
    [
        pytest.param(
            succeeded("9 findings"), ["findings: 1 high, 8 medium", "✕ high     CVE-9 zlib 1.2: bad"], id="succeeded"
        ),
        pytest.param(
            failed("9 findings"),
            [
                "findings: 1 high, 8 medium",
                "✕ high     CVE-9 zlib 1.2: bad",
                *(f"▲ medium   CVE-{number} zlib 1.2, fixed in 1.3: bad" for number in range(4)),
                "… and 4 more findings",
            ],
            id="failed",
        ),
    ],
)
def test_a_tree_shows_the_findings_that_matter(outcome: Outcome, rows: list[str]) -> None:
    found = [finding(FindingSeverity.MEDIUM, f"CVE-{number}") for number in range(8)]
    worst = replace(finding(FindingSeverity.HIGH, "CVE-9"), message="zlib 1.2: bad")
    run = replace(RUN, stages=(done("scan", "scan", outcome, Products(findings=(*found, worst))),))
    lines = text(run_tree(run, releases={}, promotions={}, now=NOW, width=200)).splitlines()
    assert [row.strip() for row in lines[5:]] == rows


def test_hostile_names_cannot_leave_their_line() -> None:
    hostile = replace(RUN, message="a\x1b[2Jb\nc", branch="x\x1b]0;t\x07\ny", stages=())
    lines = run_tree(hostile, releases={}, promotions={}, now=NOW, width=200)
    assert text(lines).splitlines()[0] == "✕ shop #41 · x y 4f1c0de00000 · push by anna failed"
    assert "\x1b" not in text(lines)


def test_runs_are_a_line_each() -> None:
    lines = run_lines(
        [RUN, replace(run_of(plan_of(SHOP), number=7), dirty=True)], now=NOW, width=80, repositories=False
    )
    assert text(lines) == (
        "✕  #41  failed   5 min ago     14s  main  4f1c0de00000   Sell boats\n"
        "◐   #7  running  5 min ago  5m 00s  main  4f1c0de00000+  Sell boats"
    )


def skipping(plan: Plan, name: str) -> Plan:
    """The plan, one stage of which a condition skips."""
    no = Condition(key="branch", wanted="'release'", seen="'main'", holds=False)
    stages = tuple(replace(item, conditions=(no,)) if item.stage.name == name else item for item in plan.stages)
    return replace(plan, stages=stages)


def test_a_plan_says_what_and_why_and_how_long() -> None:
    plan = skipping(plan_of(SHOP), "docs")
    known = {"checkout": 1.0, "unit": 30.0, "lint": 2.0, "docs": 500.0}
    assert text(plan_lines(plan, estimate(plan, known), width=200)) == (
        "shop · main 4f1c0de00000 · push · 5 stages\n"
        "run   checkout  checkout  ~1.0s  at once\n"
        "run   unit      test       ~30s  needs checkout\n"
        "run   lint      run       ~2.0s  needs checkout\n"
        "run   image     build            needs unit\n"
        "skip  docs      run              when: branch is 'main', wants 'release'\n"
        "critical path: checkout → unit → image, about 31s\n"
        f"plan {plan.digest[7:19]}; nothing was run"
    )


def test_a_plan_of_an_untrusted_run_says_what_it_will_not_do() -> None:
    plan = plan_of(SHOP)
    plan = replace(plan, event=replace(plan.event, trust=Trust.UNTRUSTED))
    stages = tuple(
        replace(item, stage=replace(item.stage, secrets=("TOKEN",))) if item.stage.name == "unit" else item
        for item in plan.stages
    )
    shown = text(plan_lines(replace(plan, stages=stages), None, width=200, effects={"build"})).splitlines()
    assert shown[0].endswith("· push · untrusted · 5 stages")
    assert [row.split()[0] for row in shown[1:6]] == ["run", "refuse", "run", "refuse", "run"]
    assert "the secret 'TOKEN' is not for an untrusted run" in shown[2]
    assert "kind build changes the world outside, and this run is untrusted" in shown[4]


def test_a_plan_without_earlier_runs_guesses_nothing() -> None:
    plan = plan_of(SHOP)
    assert estimate(plan, {}) is None
    assert "critical" not in text(plan_lines(plan, None, width=200))


def test_a_plan_as_a_drawing() -> None:
    stages = (*SHOP, ("ship", "push", ("image", "lint")), ("alone", "run", ()))
    assert text(graph_lines(skipping(plan_of(stages), "docs"))) == (
        "checkout checkout\n"
        "├─ unit test\n"
        "│  └─ image build\n"
        "│     └─ ship push (also needs lint)\n"
        "├─ lint run\n"
        "└─ docs run skipped\n"
        "alone run"
    )


def test_releases_say_where_they_are() -> None:
    live = ReleaseFacts(release=RELEASE, live_in=("dev",), promotions=(promotion(PromotionState.DEPLOYED),))
    lost = ReleaseFacts(release=replace(RELEASE, name="40-x", dirty=True, images={}), live_in=(), promotions=())
    past = [
        ReleaseFacts(release=replace(RELEASE, images={}), live_in=(), promotions=promotions)
        for promotions in (
            (promotion(PromotionState.DEPLOYED), promotion(PromotionState.ROLLED_BACK)),
            (promotion(PromotionState.ROLLED_BACK),),
            (promotion(PromotionState.DEPLOYED), promotion(PromotionState.FAILED, environment="prod")),
        )
    ]
    lines = text(release_lines([live, lost, *past], now=NOW, width=200)).splitlines()
    assert lines[0] == f"41-4f1c0de  {RELEASE.id[7:19]}  5 min ago  4f1c0de00000         live in dev"
    assert lines[1] == f"  push: registry.example.org/shop@sha256:{'a' * 64}"
    assert lines[2].endswith("4f1c0de00000+ dirty  nowhere")
    assert [line.rpartition("  ")[2] for line in lines[3:]] == [
        "was in dev",
        "tried in dev",
        "was in dev; tried in prod",
    ]


def history_of(observed: Observed | None, problem: str = "") -> History:
    """A release was deployed over nothing; a second one was rolled back."""
    live = promotion(PromotionState.DEPLOYED, gap=0.4)
    back = promotion(
        PromotionState.ROLLED_BACK,
        id="p2",
        release="sha256:" + "c" * 64,
        replaces=RELEASE.id,
        detail="health never came",
        measurements=(Measurement(check="http", passed=False, seen="500", wanted="200", time=BEGIN),),
    )
    return History(
        environment="dev",
        promotions=(back, live),
        releases={RELEASE.id: RELEASE},
        live=live,
        observed=observed,
        problem=problem,
    )


def test_the_history_draws_what_was_measured() -> None:
    samples = tuple(
        Measurement(
            check="errors", passed=value < 2, seen=str(value), wanted="below 2", time=BEGIN, query="e", value=value
        )
        for value in (0.0, 1.0, 2.0)
    )
    history = history_of(None, problem="no engine")
    drawn = replace(history, promotions=(replace(history.promotions[0], measurements=samples),))
    page = text(history_lines(drawn, now=NOW, width=200))
    assert page.rstrip("\n").endswith("  ✕ errors ▁▅█ 0 … 2, last 2, wants below 2")


def serving(release: str) -> Observed:
    """One instance that serves this release."""
    instance = Instance(
        name="shop-1",
        image="i",
        release=release,
        promotion="p1",
        serving=True,
        healthy=True,
        addresses=("127.0.0.1:80",),
    )
    return Observed(instances=(instance,))


@pytest.mark.parametrize(
    ("history", "first"),
    [
        pytest.param(
            history_of(serving(RELEASE.id)),
            "● dev runs 41-4f1c0de, as the ledger says\n  shop-1, healthy at 127.0.0.1:80: i",
            id="as-it-should",
        ),
        pytest.param(
            history_of(serving("sha256:" + "d" * 64)),
            "▲ dev runs dddddddddddd, but the ledger says 41-4f1c0de: drifted\n  shop-1, healthy at 127.0.0.1:80: i",
            id="drifted",
        ),
        pytest.param(
            history_of(Observed(instances=())),
            "▲ dev runs nothing, but the ledger says 41-4f1c0de: drifted",
            id="gone",
        ),
        pytest.param(
            history_of(None, "no engine"),
            "○ dev has 41-4f1c0de, says the ledger (its target cannot be asked: no engine)",
            id="unknown",
        ),
    ],
)
def test_history_begins_with_what_runs_now(history: History, first: str) -> None:
    assert text(history_lines(history, now=NOW, width=200)).partition("\n\n")[0] == first


def test_history_tells_each_promotion() -> None:
    rows = text(history_lines(history_of(serving(RELEASE.id)), now=NOW, width=200)).partition("\n\n")[2]
    assert rows == (
        "✕  rolled back  cccccccccccc  replaces 41-4f1c0de  2026-11-23 23:00:00 UTC (5 min ago)  3.0s  anna\n"
        "  health never came; 0 of 1 checks passed\n"
        "●  deployed     41-4f1c0de    first one            2026-11-23 23:00:00 UTC (5 min ago)  3.0s  anna  gap 0.4s"
    )
