"""`ecluse tests`, the quarantine, `logs --grep` and SARIF over runs that really happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from environment.command import Command
from environment.repository import Repository

PIPELINE = """\
version: 1
name: shop
stages:
  unit:
    kind: test
    image: busybox:1.36
    commands:
      - cp report.xml out.xml
      - "echo tested at $(date +%s)"
      - sh status.sh
    reports: {junit: out.xml, coverage: lcov.info, sarif: lint.sarif}
"""
GOOD = '<testcase classname="tests.test_till" name="test_change" time="0.5"/>'
BAD = '<testcase classname="tests.test_till" name="test_change" time="0.25"><failure message="3 != 4"/></testcase>'
SARIF = {
    "version": "2.1.0",
    "runs": [
        {
            "tool": {"driver": {"name": "linter", "rules": [{"id": "L1", "properties": {"security-severity": "9.1"}}]}},
            "results": [
                {
                    "ruleId": "L1",
                    "message": {"text": "no lock on the till"},
                    "locations": [
                        {
                            "physicalLocation": {
                                "artifactLocation": {"uri": "src/till.py"},
                                "region": {"startLine": 7},
                            }
                        }
                    ],
                },
                {"ruleId": "L2", "message": {"text": "accepted"}, "suppressions": [{"kind": "inSource"}]},
            ],
        }
    ],
}


def report(*cases: str) -> str:
    other = '<testcase classname="tests.test_till" name="test_sum" time="2"/>'
    return f"<testsuite>{other}{''.join(cases)}</testsuite>"


@pytest.fixture
def shop(git_repo: Callable[..., Repository]) -> Repository:
    """A repository whose test fails."""
    return git_repo(
        {
            "pipeline.yml": PIPELINE,
            "report.xml": report(BAD),
            "status.sh": "exit 1\n",
            "lcov.info": "SF:a.py\nDA:1,1\nDA:2,0\nend_of_record\nTN:second\nSF:a.py\nDA:2,3\nDA:3,0\nend_of_record\n",
            "lint.sarif": json.dumps(SARIF),
        }
    )


def go(ecluse: Command, shop: Repository) -> int:
    return ecluse("run", "--executor", "process", "--fresh", cwd=shop.path).code


def test_a_failed_test_in_quarantine_is_shown_and_fails_nothing_until_its_day(
    ecluse: Command, shop: Repository
) -> None:
    assert go(ecluse, shop) == 1
    refused = ecluse("tests", "quarantine", "tests.test_till::test_change", cwd=shop.path)
    assert (refused.code, "needs an end and a reason" in refused.err) == (2, True)
    words = ("tests", "quarantine", "tests.test_till::test_change", "--until", "14d", "--reason", "#7: races")
    held = ecluse(*words, cwd=shop.path)
    until = (datetime.now(UTC) + timedelta(days=14)).date().isoformat()
    assert held.out == (
        f"tests.test_till::test_change is in quarantine until {until} (tests/quarantine.yml:3); commit the file\n"
    )
    assert ecluse(*words, cwd=shop.path).code == 2
    assert "#7: races" in ecluse("tests", "quarantine", cwd=shop.path).out
    assert go(ecluse, shop) == 0
    shown = json.loads(ecluse("show", "last", "unit", "--json", cwd=shop.path).out)
    assert shown["outcome"]["conclusion"] == "warned"
    assert shown["outcome"]["reason"] == "1 passed, 1 failed, 1 of them in quarantine"
    assert f"quarantine: tests.test_till::test_change failed, which does not count until {until}: #7: races" in (
        ecluse("logs", "last", "unit", cwd=shop.path).out
    )
    place = shop.path / "tests" / "quarantine.yml"
    place.write_text(place.read_text().replace(until, "2026-01-31"))
    assert go(ecluse, shop) == 1
    over = ecluse("show", "last", "unit", cwd=shop.path).out
    assert "1 test failed" in over
    assert "the quarantine of tests.test_till::test_change ended on 2026-01-31 (tests/quarantine.yml:3)" in over
    place.write_text("quarantine: [{test: x}]\n")
    assert go(ecluse, shop) == 1
    assert "quarantine: tests/quarantine.yml:1: the quarantine has no `until`" in (
        ecluse("logs", "last", "unit", cwd=shop.path).out
    )


def test_trends_and_flaky_tests_over_runs(ecluse: Command, shop: Repository) -> None:
    assert go(ecluse, shop) == 1
    shop.commit({"status.sh": "exit 0\n", "report.xml": report(GOOD)})
    assert go(ecluse, shop) == 0
    trends = json.loads(ecluse("tests", "--json", cwd=shop.path).out)
    assert [(run["number"], run["passed"], run["failed"]) for run in trends["runs"]] == [(2, 2, 0), (1, 1, 1)]
    assert trends["runs"][0]["coverage"] == {"covered": 2, "total": 3}
    assert [item["name"] for item in trends["slowest"]] == ["test_sum", "test_change"]
    shown = ecluse("tests", cwd=shop.path).out
    assert "pass rate  ▁█" in shown
    assert "66.7%" in shown
    assert ecluse("tests", "flaky", cwd=shop.path).out == "no flaky test in the last 100 runs\n"

    mark = shop.path.parent / "mark"
    flip = f"if test -e {mark}; then exit 0; fi; touch {mark}; cp bad.xml out.xml; exit 1\n"
    shop.commit({"status.sh": flip, "bad.xml": report(BAD)})
    assert go(ecluse, shop) == 1
    assert go(ecluse, shop) == 0
    [flaky] = json.loads(ecluse("tests", "flaky", "--json", cwd=shop.path).out)
    assert (flaky["name"], flaky["flips"], flaky["failed"], flaky["runs"]) == ("test_change", 1, 2, 4)
    assert flaky["history"] == "x.x."
    text = ecluse("tests", "flaky", cwd=shop.path).out
    assert "tests.test_till::test_change in unit" in text
    assert "failed in 2 of 4 runs (50%), 1 time with no change, last in run 3" in text


def test_sarif_of_a_stage_becomes_findings(ecluse: Command, shop: Repository) -> None:
    go(ecluse, shop)
    [found] = json.loads(ecluse("show", "last", "unit", "--json", cwd=shop.path).out)["attempts"][0]["products"][
        "findings"
    ]
    assert (found["tool"], found["rule"], found["severity"], found["file"], found["line"]) == (
        "linter", "L1", "critical", "src/till.py", 7,
    )  # fmt: skip
    assert "src/till.py:7: no lock on the till" in ecluse("show", "last", cwd=shop.path).out


def test_parts_of_logs_and_a_search_over_runs(ecluse: Command, shop: Repository) -> None:
    for _ in range(2):
        go(ecluse, shop)

    def out(*words: str) -> str:
        ended = ecluse("logs", *words, cwd=shop.path)
        assert ended.code == 0, ended.err
        return ended.out

    whole = out("1", "unit").splitlines(keepends=True)
    assert len(whole) > 4
    assert out("1", "unit", "--lines", "2:3") == "".join(whole[1:3])
    assert out("1", "unit", "--tail", "2") == "".join(whole[-2:])
    assert out("1", "unit", "--since", "1h") == "".join(whole)
    assert out("1", "unit", "--since", "2036-01-01") == ""
    stamped = out("1", "unit", "--timestamps", "--lines", "1")
    assert stamped[10] == "T"
    hits = out("--grep", "tested at [0-9]+$").splitlines()
    assert [row.split()[0] for row in hits] == ["#2", "#1"]
    assert all("unit:" in row for row in hits)
    assert out("1", "--grep", "tested at [0-9]+$").startswith("unit:")
    assert len(out("1", "--grep", "tested at [0-9]+$", "--context", "1").splitlines()) == 3
    assert out("--grep", "tested", "--branch", "absent") == ""
    assert len(out("--grep", ".", "--most", "3").splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["1", "--attempt", "9"], "no stage of run 1 has an attempt 9", id="attempt of nothing"),
        pytest.param(["1", "unit", "--service", "db"], "run 1 has no log of a service 'db'", id="service"),
        pytest.param(["1", "--lines", "x"], "'x' is no range of lines", id="range"),
        pytest.param(["--grep", "("], "--grep: missing", id="expression"),
        pytest.param(["1", "--since", "soon"], "--since: 'soon' is no time", id="time"),
        pytest.param([], "which run?", id="no run"),
    ],
)
def test_what_cannot_be_shown_ends_with_2(ecluse: Command, shop: Repository, words: list[str], message: str) -> None:
    go(ecluse, shop)
    ended = ecluse("logs", *words, cwd=shop.path)
    assert ended.code == 2
    assert message in ended.err


def test_gc_forgets_runs_and_expired_artifacts(
    ecluse: Command, git_repo: Callable[..., Repository], tmp_path: Path
) -> None:
    pipeline = """\
version: 1
name: shop
stages:
  make:
    image: busybox:1.36
    commands: ["date +%s%N > a.txt"]
    artifacts: [{name: made, paths: [a.txt], keep: 1ms}, {name: more, paths: [a.txt]}]
"""
    repository = git_repo({"pipeline.yml": pipeline})
    for _ in range(12):
        assert ecluse("run", "--executor", "process", cwd=repository.path).code == 0
    env = {"ECLUSE_KEEP_RUNS_MOST": "1", "ECLUSE_EXECUTOR": "process", "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    assert "would remove 2 runs whose time is over" in ecluse("gc", "--dry-run", env=env, cwd=repository.path).out
    assert "removed 2 runs whose time is over" in ecluse("gc", env=env, cwd=repository.path).out
    assert len(json.loads(ecluse("runs", "--json", cwd=repository.path).out)) == 10
    listed = ecluse("artifacts", "last", cwd=repository.path).out
    assert listed.count("its time is over") == 1
    assert ecluse("artifacts", "last", "more", "-o", str(tmp_path / "out"), cwd=repository.path).code == 0
    assert ecluse("show", "1", cwd=repository.path).code == 2
