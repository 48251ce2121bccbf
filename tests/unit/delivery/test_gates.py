"""The gates, each as a table; what is missing is said, and when it may open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gate_ground import HOUR, NOW, POLICY, RELEASE, approval, block, environment, facts, judge, live, only, run

from pipeline.delivery.gates import evaluate
from pipeline.model.decision import Answer, BlockKind
from pipeline.model.finding import FindingSeverity
from pipeline.model.gate import (
    ApprovalRule,
    CommandRule,
    DependencyRule,
    EvidenceRule,
    GateState,
    HttpRule,
    Override,
    SoakRule,
    WindowRule,
)
from pipeline.model.gate_facts import Author, CheckAnswer, LiveService, StageEvidence
from pipeline.model.policy import Policy, Right
from pipeline.model.release import PromotionKind
from pipeline.model.status import Conclusion

PASSED, WAITING, FAILED = GateState.PASSED, GateState.WAITING, GateState.FAILED
OK, WARNED = Conclusion.SUCCEEDED, Conclusion.WARNED
TESTS = EvidenceRule(tests=True)
SCAN = EvidenceRule(scan=FindingSeverity.MEDIUM)
IMAGE = next(iter(RELEASE.images.values()))


def unit(conclusion: Conclusion | None = OK, count: int | None = 3, **changes: Any) -> StageEvidence:
    return StageEvidence(stage="unit", kind="test", conclusion=conclusion, tests=count, **changes)


def scan(conclusion: Conclusion | None = OK, **findings: int) -> StageEvidence:
    found = {FindingSeverity(name): number for name, number in findings.items()}
    return StageEvidence(stage="scan", kind="scan", conclusion=conclusion, findings=found)


@pytest.mark.parametrize(
    ("rule", "evidence", "state", "said"),
    [
        pytest.param(TESTS, run(), PASSED, "run 41 shows it: tests passed", id="tests"),
        pytest.param(TESTS, run(scan()), FAILED, "no report of tests (run 41)", id="no-tests"),
        pytest.param(TESTS, run(unit(count=0)), FAILED, "no report of tests (run 41)", id="all-skipped"),
        pytest.param(
            TESTS, run(unit(WARNED)), FAILED, "unit is warned; no report of tests (run 41)", id="warned-shows-nothing"
        ),
        pytest.param(
            TESTS,
            run(unit(), replace(unit(Conclusion.SKIPPED, None), stage="slow")),
            FAILED,
            "slow is skipped (run 41)",
            id="one-of-two-skipped",
        ),
        pytest.param(
            TESTS,
            run(unit(), replace(unit(WARNED), stage="lint", kind="run")),
            FAILED,
            "lint is warned (run 41)",
            id="a-report-of-another-kind-counts",
        ),
        pytest.param(TESTS, run(unit(tests_failed=1)), FAILED, "tests failed in unit (run 41)", id="red-report"),
        pytest.param(
            TESTS,
            run(unit(None), done=False, conclusion=None, unfinished=("unit",)),
            WAITING,
            "unit is not done; no report of tests; run 41 is not done: unit",
            id="still-running",
        ),
        pytest.param(
            TESTS, None, FAILED, "the run of 41-4f1c0de is not recorded here, so it shows nothing", id="no-run"
        ),
        pytest.param(SCAN, run(scan(medium=4)), PASSED, "run 41 shows it: nothing above medium is open", id="scan"),
        pytest.param(
            SCAN,
            run(scan(high=2, critical=1)),
            FAILED,
            "1 critical, 2 high open, and medium is the worst that may be (run 41)",
            id="worse-is-open",
        ),
        pytest.param(SCAN, run(unit()), FAILED, "nothing was scanned (run 41)", id="no-scan"),
        pytest.param(SCAN, run(scan(Conclusion.ERRORED)), FAILED, "scan is errored (run 41)", id="scan-errored"),
        pytest.param(
            EvidenceRule(provenance=True),
            run(provenance=frozenset({IMAGE})),
            PASSED,
            "run 41 shows it: provenance",
            id="provenance",
        ),
        pytest.param(
            EvidenceRule(provenance=True), run(), FAILED, "no provenance is attached to image (run 41)", id="none"
        ),
        pytest.param(
            EvidenceRule(tests=True, scan=FindingSeverity.LOW, provenance=True),
            run(scan()),
            FAILED,
            "no report of tests; no provenance is attached to image (run 41)",
            id="all-that-is-missing",
        ),
    ],
)
def test_evidence(rule: EvidenceRule, evidence: Any, state: GateState, said: str) -> None:
    answer = only(judge(environment(rule, after=()), facts(evidence=evidence)))
    assert (answer.kind, answer.state, answer.reason) == ("evidence", state, said)


DAY = SoakRule(environment="staging", seconds=24 * 3600)


@pytest.mark.parametrize(
    ("intervals", "state", "opens", "said"),
    [
        pytest.param([live("staging", 24)], PASSED, None, "live in staging for 1d, 1d are asked for", id="exactly"),
        pytest.param(
            [live("staging", 20)],
            WAITING,
            4,
            "live in staging for 20h of 1d, until 2026-11-27 16:00 UTC",
            id="four-hours-short",
        ),
        pytest.param(
            [], WAITING, None, "41-4f1c0de has to be live in staging for 1d, and is not", id="a-newcomer-starts-anew"
        ),
        pytest.param([live("dev", 99)], WAITING, None, "41-4f1c0de has to be live in staging for 1d, and is not",
                     id="elsewhere"),
        pytest.param(
            [live("staging", 20, 10)],
            WAITING,
            None,
            "live in staging for 10h of 1d, and not live there any more",
            id="replaced-by-a-newer-one",
        ),
        pytest.param(
            [live("staging", 60, 44), live("staging", 9)],
            PASSED,
            None,
            "live in staging for 1d1h, 1d are asked for",
            id="times-count-together",
        ),
        pytest.param(
            [live("staging", 60, 10, rolled_back=True), live("staging", 9)],
            WAITING,
            15,
            "live in staging for 9h of 1d, until 2026-11-28 03:00 UTC",
            id="a-rollback-away-starts-it-again",
        ),
        pytest.param(
            [live("staging", 60, 10, rolled_back=True)],
            WAITING,
            None,
            "41-4f1c0de has to be live in staging for 1d, and is not",
            id="rolled-back",
        ),
        pytest.param([live("staging", -1)], WAITING, 24, "live in staging for 0ms of 1d, until 2026-11-28 12:00 UTC",
                     id="a-clock-that-was-put-back"),
    ],
)  # fmt: skip
def test_soaked(intervals: Any, state: GateState, opens: float | None, said: str) -> None:
    verdict = judge(environment(DAY, after=()), facts(intervals=tuple(intervals)))
    answer = only(verdict)
    at = None if opens is None else NOW + opens * HOUR
    assert (answer.kind, answer.state, answer.opens, answer.reason) == ("soaked", state, at, said)
    assert verdict.opens == at


TWO = ApprovalRule(group="release-managers", count=2)
STRICT = ApprovalRule(group="release-managers", count=2, excluded=frozenset({"requester", "authors"}))
SHORT = ApprovalRule(group="release-managers", count=1, expires=3600.0)
WROTE = Author(address="cy@example.org", person="cy", commit="0123456789abcdef")
STRANGER = Author(address="eve@example.net", person="")
ANNA, BOB, CY, DAN = approval("anna"), approval("bob"), approval("cy"), approval("dan")


@pytest.mark.parametrize(
    ("rule", "changes", "state", "said"),
    [
        pytest.param(TWO, {"approvals": (ANNA, BOB)}, PASSED, "approved by anna, bob", id="two"),
        pytest.param(
            TWO,
            {"approvals": (ANNA,)},
            WAITING,
            "1 of 2 approvals of release-managers (anna); waits for 1 of bob, cy",
            id="one-missing",
        ),
        pytest.param(
            TWO,
            {"approvals": (ANNA, approval("anna", ago=2))},
            WAITING,
            "1 of 2 approvals of release-managers (anna); waits for 1 of bob, cy",
            id="different-people",
        ),
        pytest.param(
            TWO,
            {"approvals": (ANNA, DAN)},
            WAITING,
            "1 of 2 approvals of release-managers (anna); waits for 1 of bob, cy",
            id="not-of-the-group",
        ),
        pytest.param(
            TWO,
            {"approvals": (ANNA, approval("bob", plan="before"))},
            WAITING,
            "1 of 2 approvals of release-managers (anna); waits for 1 of bob, cy; "
            "bob approved another plan than this one",
            id="a-changed-plan",
        ),
        pytest.param(
            TWO,
            {"approvals": (ANNA, approval("bob", answer=Answer.REJECT, reason="not on a Friday"))},
            FAILED,
            "bob rejected it: not on a Friday",
            id="rejected",
        ),
        pytest.param(
            TWO,
            {"approvals": (ANNA, CY, approval("bob", answer=Answer.REJECT, reason="no"))},
            FAILED,
            "bob rejected it: no",
            id="a-veto-counts-more-than-enough-approvals",
        ),
        pytest.param(
            TWO,
            {"approvals": (ANNA, BOB, approval("cy", answer=Answer.REJECT, plan="before"))},
            PASSED,
            "approved by anna, bob",
            id="another-plan-was-rejected",
        ),
        pytest.param(
            TWO,
            {"approvals": (ANNA, approval("bob", answer=Answer.REJECT, ago=3), BOB)},
            PASSED,
            "approved by bob, anna",
            id="a-mind-was-changed",
        ),
        pytest.param(
            TWO,
            {"approvals": (ANNA, BOB, approval("dan", answer=Answer.REJECT))},
            PASSED,
            "approved by anna, bob",
            id="no-veto-from-outside",
        ),
        pytest.param(
            TWO,
            {"approvals": (ANNA, approval("bob", proof=""))},
            WAITING,
            "1 of 2 approvals of release-managers (anna); waits for 1 of bob, cy; bob does not count: not signed",
            id="a-name-alone",
        ),
        pytest.param(
            STRICT,
            {"approvals": (ANNA, BOB), "requester": "bob", "authors": ()},
            WAITING,
            "1 of 2 approvals of release-managers (anna); waits for 1 of cy; bob does not count: asked for it",
            id="not-who-asked",
        ),
        pytest.param(
            STRICT,
            {"approvals": (ANNA, CY), "authors": (WROTE,)},
            WAITING,
            "1 of 2 approvals of release-managers (anna); waits for 1 of bob; cy does not count: wrote 0123456789ab",
            id="not-an-author",
        ),
        pytest.param(
            STRICT,
            {"approvals": (ANNA, BOB), "requester": "bob", "authors": (WROTE,)},
            FAILED,
            "needs 2 of release-managers, of whom only 1 may approve it: bob asked for it; cy wrote 0123456789ab",
            id="too-few-are-left",
        ),
        pytest.param(
            STRICT,
            {"approvals": (ANNA, BOB), "authors": (STRANGER,)},
            FAILED,
            "authors may not approve, and the policy does not know whose address is eve@example.net",
            id="an-author-who-is-nobody",
        ),
        pytest.param(
            STRICT,
            {"approvals": (ANNA, BOB), "authors": None},
            WAITING,
            "authors may not approve, and the commits are not here to tell who they are: fetch them",
            id="commits-that-are-not-here",
        ),
        pytest.param(TWO, {"approvals": (ANNA, BOB), "authors": (STRANGER,)}, PASSED, "approved by anna, bob",
                     id="authors-do-not-matter"),
        pytest.param(
            SHORT,
            {"approvals": (approval("anna", ago=1),)},
            WAITING,
            "0 of 1 approvals of release-managers; waits for 1 of anna, bob, cy; "
            "anna does not count: expired at 2026-11-27 12:00 UTC",
            id="expired",
        ),
        pytest.param(SHORT, {"approvals": (approval("anna", ago=0.9),)}, PASSED, "approved by anna", id="fresh"),
        pytest.param(
            ApprovalRule(group="nobody"),
            {"approvals": (ANNA,)},
            FAILED,
            "nobody is in the group 'nobody': the policy names its people",
            id="no-such-group",
        ),
        pytest.param(
            TWO,
            {"approvals": (ANNA, BOB), "policy": Policy()},
            FAILED,
            "nobody is in the group 'release-managers': the policy names its people",
            id="no-policy",
        ),
    ],
)  # fmt: skip
def test_approvals(rule: ApprovalRule, changes: dict[str, Any], state: GateState, said: str) -> None:
    answer = only(judge(environment(rule), facts(**changes)))
    assert (answer.kind, answer.state, answer.reason) == ("approvals", state, said)


def test_several_rules_of_approval_and_places_that_take_uncommitted_changes() -> None:
    place = environment(TWO, ApprovalRule(group="operators"))
    assert [item.state for item in judge(place, facts(approvals=(ANNA, BOB))).answers[-2:]] == [PASSED, WAITING]
    assert judge(place, facts(approvals=(ANNA, BOB, DAN))).allowed
    playground = environment(TWO, after=(), allow_dirty=True)
    unsigned = (approval("anna", proof=""), approval("root", proof=""))
    assert only(judge(playground, facts(approvals=unsigned, policy=Policy()))).reason == "approved by anna, root"
    assert only(judge(playground, facts(approvals=unsigned))).state is WAITING


OFFICE = WindowRule(timezone="Europe/Paris", allow=("Mon-Thu 09:00-17:00",), deny=("12-20..01-05",))


@pytest.mark.parametrize(
    ("rule", "state", "opens", "said"),
    [
        pytest.param(OFFICE, WAITING, datetime(2026, 11, 30, 8, tzinfo=UTC),
                     "closed until Mon 2026-11-30 09:00 Europe/Paris", id="closed"),
        pytest.param(replace(OFFICE, allow=("Fri",)), PASSED, None,
                     "open until Sat 2026-11-28 00:00 Europe/Paris", id="open"),
        pytest.param(WindowRule(timezone="UTC"), PASSED, None, "always open", id="always"),
        pytest.param(replace(OFFICE, allow=("2020-01-01",)), FAILED, None,
                     "closed, and not open again within four years (Europe/Paris)", id="never"),
    ],
)  # fmt: skip
def test_window(rule: WindowRule, state: GateState, opens: datetime | None, said: str) -> None:
    answer = only(judge(environment(rule), facts()))
    assert (answer.kind, answer.state, answer.opens, answer.reason) == ("window", state, opens, said)


COMMAND = CommandRule(image="curlimages/curl", command=("./gates/ticket.sh",))
HTTP = HttpRule(url="https://tickets.example.org/41")
YES = CheckAnswer(passed=True, detail="ticket 7 is approved", time=NOW - HOUR / 60, revision=POLICY.revision)


@pytest.mark.parametrize(
    ("rule", "answer", "state", "said"),
    [
        pytest.param(COMMAND, YES, PASSED, "ticket 7 is approved", id="yes"),
        pytest.param(HTTP, replace(YES, detail="", revision=""), PASSED, "it said yes", id="http"),
        pytest.param(COMMAND, None, WAITING, "it has not been asked yet", id="not-asked"),
        pytest.param(
            COMMAND, replace(YES, passed=False), WAITING,
            "it said no at 2026-11-27 11:59 UTC: ticket 7 is approved", id="no",
        ),
        pytest.param(
            COMMAND, replace(YES, error=True, detail="no such image"), WAITING,
            "it could not be asked at 2026-11-27 11:59 UTC: no such image", id="error",
        ),
        pytest.param(
            COMMAND, replace(YES, time=NOW - 2 * HOUR), WAITING,
            "its yes is 2h old: it has to be asked again", id="old",
        ),
        pytest.param(
            COMMAND, replace(YES, revision="sha256:before"), WAITING,
            "its script has changed since: it has to be asked again", id="another-revision",
        ),
    ],
)  # fmt: skip
def test_check(rule: Any, answer: CheckAnswer | None, state: GateState, said: str) -> None:
    found = only(judge(environment(rule), facts(checks={"g0": answer} if answer else {})))
    assert (found.kind, found.state, found.reason) == ("check", state, said)


SHOP = (LiveService(service="stock", environment="prod", release="12-abc"),)


@pytest.mark.parametrize(
    ("rule", "services", "state", "said"),
    [
        pytest.param(DependencyRule(service="stock"), SHOP, PASSED, "stock 12-abc is live in prod", id="live"),
        pytest.param(DependencyRule(service="stock", release="12-*"), SHOP, PASSED, "stock 12-abc is live in prod",
                     id="by-its-name"),
        pytest.param(DependencyRule(service="stock", release="13-*"), SHOP, WAITING,
                     "needs stock 13-* live in prod; it has 12-abc", id="another-release"),
        pytest.param(DependencyRule(service="stock", environment="staging"), SHOP, WAITING,
                     "needs stock live in staging; nothing of it is", id="another-place"),
        pytest.param(DependencyRule(service="till"), SHOP, WAITING, "needs till live in prod; nothing of it is",
                     id="another-service"),
    ],
)  # fmt: skip
def test_requires(rule: DependencyRule, services: Any, state: GateState, said: str) -> None:
    found = only(judge(environment(rule), facts(services=services)))
    assert (found.kind, found.state, found.reason) == ("requires", state, said)


@pytest.mark.parametrize(
    ("place", "changes", "dirty", "gate", "state", "said"),
    [
        pytest.param({}, {}, False, "run", PASSED, "run 41 succeeded", id="run"),
        pytest.param({}, {"evidence": run(conclusion=WARNED)}, False, "run", PASSED, "run 41 succeeded", id="warned"),
        pytest.param({}, {"evidence": run(conclusion=Conclusion.FAILED)}, False, "run", FAILED, "run 41 is failed",
                     id="run-failed"),
        pytest.param({}, {"evidence": run(done=False, conclusion=None, unfinished=("smoke",))}, False, "run", WAITING,
                     "run 41 is not done: smoke", id="run-under-way"),
        pytest.param({}, {"evidence": None}, False, "run", FAILED, "the run of 41-4f1c0de is not recorded here",
                     id="run-unknown"),
        pytest.param({}, {}, False, "after", PASSED, "41-4f1c0de was verified in staging", id="after"),
        pytest.param({}, {"intervals": (live("staging", 30, 2),)}, False, "after", PASSED,
                     "41-4f1c0de was verified in staging", id="replaced-since"),
        pytest.param({"after": ("dev", "staging")}, {}, False, "after", WAITING,
                     "41-4f1c0de comes to prod after dev, staging: dev has not verified it", id="all-of-them"),
        pytest.param({}, {"intervals": (live("staging", 30, 2, rolled_back=True),)}, False, "after", WAITING,
                     "41-4f1c0de comes to prod after staging: staging went back from it", id="gone-back-since"),
        pytest.param({}, {}, True, "clean", FAILED,
                     "prod takes no release with uncommitted changes, and 41-4f1c0de has some", id="dirty"),
        pytest.param({"allow_dirty": True}, {}, True, "clean", PASSED, "prod takes uncommitted changes", id="allowed"),
        pytest.param({"automatic": False}, {"automatic": True}, False, "asked", WAITING,
                     "nothing enters prod by itself: somebody has to ask for it", id="by-hand-only"),
        pytest.param({}, {"policy": replace(POLICY, rights={Right.PROMOTE: ("pair",)})}, False, "right", FAILED,
                     "dan may not promote: that is for pair", id="no-right"),
        pytest.param({}, {"policy": replace(POLICY, rights={Right.PROMOTE: ()})}, False, "right", FAILED,
                     "dan may not promote: the policy gives that right to nobody", id="nobodys-right"),
        pytest.param({}, {"policy": replace(POLICY, rights={Right.PROMOTE: ("operators",)})}, False, "right", PASSED,
                     "dan has the right to promote", id="right"),
        pytest.param({"ledger": "postgresql://db/ecluse"}, {"ledger": "sqlite:///r.db"}, False, "ledger", FAILED,
                     "prod keeps its history in postgresql://db/ecluse, and this machine writes to sqlite:///r.db",
                     id="history-elsewhere"),
        pytest.param({}, {"blocks": (block(BlockKind.HOLD),)}, False, "hold", WAITING,
                     "prod is held by anna: stock-taking", id="hold"),
        pytest.param({}, {"blocks": (block(BlockKind.FREEZE, environment="", until=NOW + HOUR),)}, False, "freeze",
                     WAITING, "every environment is frozen by anna: stock-taking (until 2026-11-27 13:00 UTC)",
                     id="freeze"),
        pytest.param({}, {"blocks": (block(BlockKind.BAR, release=RELEASE.id),)}, False, "bar", FAILED,
                     "this release is barred from prod by anna: stock-taking", id="bar"),
        pytest.param({}, {"blocks": (block(BlockKind.BAR, release=RELEASE.id, until=NOW + HOUR),)}, False, "bar",
                     WAITING, "this release is barred from prod by anna: stock-taking (until 2026-11-27 13:00 UTC)",
                     id="bar-with-an-end"),
    ],
)  # fmt: skip
def test_what_nobody_writes(
    place: dict[str, Any], changes: dict[str, Any], dirty: bool, gate: str, state: GateState, said: str
) -> None:
    verdict = judge(environment(**place), facts(**changes), replace(RELEASE, dirty=dirty))
    answer = only(verdict, gate)
    assert (answer.state, answer.reason) == (state, said)
    assert verdict.allowed is (state is PASSED)
    assert verdict.refused is (state is FAILED)


@pytest.mark.parametrize(
    "harmless",
    [
        pytest.param(block(BlockKind.HOLD, environment="staging"), id="elsewhere"),
        pytest.param(block(BlockKind.HOLD, lifted=NOW - HOUR / 2), id="lifted"),
        pytest.param(block(BlockKind.FREEZE, until=NOW), id="over"),
        pytest.param(block(BlockKind.BAR, release="sha256:other"), id="another-release"),
    ],
)
def test_blocks_that_do_no_harm(harmless: Any) -> None:
    assert judge(environment(), facts(blocks=(harmless,))).allowed


def test_the_first_environment_asks_for_nothing() -> None:
    verdict = judge(environment(after=()), facts(evidence=None, intervals=(), automatic=True))
    assert (verdict.answers, verdict.allowed, verdict.policy, verdict.opens) == ((), True, POLICY.revision, None)


@pytest.mark.parametrize(
    ("changes", "allowed", "said"),
    [
        pytest.param({"requester": "dan"}, True, [], id="by-somebody-with-the-right"),
        pytest.param({"requester": "anna"}, False, ["anna may not rollback: that is for operators"], id="without"),
        pytest.param({"requester": "", "automatic": True}, True, [], id="automatic"),
        pytest.param({"blocks": (block(BlockKind.HOLD), block(BlockKind.FREEZE))}, True, [], id="held-and-frozen"),
        pytest.param(
            {"blocks": (block(BlockKind.BAR, release=RELEASE.id),)},
            False,
            ["this release is barred from prod by anna: stock-taking"],
            id="not-to-a-barred-one",
        ),
        pytest.param(
            {"intervals": (live("staging", 30),)},
            False,
            ["41-4f1c0de was never deployed to prod and verified there"],
            id="only-where-it-was-verified",
        ),
    ],
)
def test_rollback_meets_no_gate_but_the_right(changes: dict[str, Any], allowed: bool, said: list[str]) -> None:
    place = environment(EvidenceRule(tests=True), DAY, OFFICE, TWO)
    known = facts(kind=PromotionKind.ROLLBACK, evidence=None, **{"intervals": (live("prod", 90, 60),), **changes})
    verdict = judge(place, known)
    assert (verdict.allowed, [item.reason for item in verdict.missing]) == (allowed, said)


def override(person: str = "dan", reason: str = "the shop is down") -> Override:
    return Override(person=person, reason=reason, time=NOW)


@pytest.mark.parametrize(
    ("given", "dirty", "allowed", "said"),
    [
        pytest.param(override(), False, True, [], id="with-the-right"),
        pytest.param(override("anna"), False, False, ["anna may not open gates by force: that is for operators"],
                     id="without-it"),
        pytest.param(override(reason=" "), False, False, ["opening gates by force needs a reason"], id="no-reason"),
        pytest.param(override(), True, False,
                     ["uncommitted changes are let in by nobody: nobody could say what was deployed"], id="dirty"),
    ],
)  # fmt: skip
def test_override(given: Override, dirty: bool, allowed: bool, said: list[str]) -> None:
    known = facts(override=given, blocks=(block(BlockKind.HOLD), block(BlockKind.BAR, release=RELEASE.id)))
    verdict = judge(environment(OFFICE), known, replace(RELEASE, dirty=dirty))
    assert verdict.allowed is allowed
    assert (verdict.override == given) is allowed
    assert [item.reason for item in verdict.answers if item.gate == "override"] == said
    assert {"hold", "bar", "g0"} <= {item.gate for item in verdict.missing}, "what was opened by force is still named"


def test_an_override_that_nobody_needs_leaves_no_trace() -> None:
    assert judge(environment(), facts(override=override())).override is None


@pytest.mark.parametrize(
    ("rules", "changes", "opens"),
    [
        pytest.param([OFFICE], {}, "2026-11-30T08:00", id="window"),
        pytest.param([DAY, OFFICE], {"intervals": (live("staging", 20),)}, "2026-11-30T08:00", id="soak-then-window"),
        pytest.param(
            [SoakRule(environment="staging", seconds=99 * 3600), OFFICE],
            {"intervals": (live("staging", 20),)},
            "2026-12-01T08:00",
            id="a-soak-that-ends-in-the-evening-waits-for-the-morning",
        ),
        pytest.param(
            [SoakRule(environment="staging", seconds=32 * 3600), WindowRule(timezone="UTC", allow=("08:00-13:00",))],
            {"intervals": (live("staging", 20),)},
            "2026-11-28T08:00",
            id="a-window-that-is-open-now-has-closed-by-then",
        ),
        pytest.param(
            [OFFICE, WindowRule(timezone="UTC", allow=("Tue", "Fri"))],
            {},
            "2026-12-01T08:00",
            id="two-windows",
        ),
        pytest.param(
            [OFFICE],
            {"blocks": (block(BlockKind.HOLD, until=datetime(2026, 12, 1, 12, 30, tzinfo=UTC)),)},
            "2026-12-01T12:30",
            id="a-hold-with-an-end",
        ),
        pytest.param([OFFICE, TWO], {}, None, id="people-keep-no-hours"),
        pytest.param(
            [WindowRule(timezone="UTC", allow=("Mon",)), WindowRule(timezone="UTC", allow=("Tue",))],
            {},
            None,
            id="windows-that-never-meet",
        ),
    ],
)
def test_the_earliest_opening_of_all_together(rules: list[Any], changes: dict[str, Any], opens: str | None) -> None:
    verdict = judge(environment(*rules), facts(**changes))
    assert verdict.opens == (None if opens is None else datetime.fromisoformat(opens).replace(tzinfo=UTC))
    if verdict.opens is not None:
        later = facts(**changes)
        assert evaluate(RELEASE, environment(*rules), later, verdict.opens).allowed
        assert not evaluate(RELEASE, environment(*rules), later, verdict.opens - timedelta(seconds=1)).allowed
