"""What comes before the plan, with the real command: includes and their lock, triggers, what changed, explanations."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from environment.command import Command, Result
from environment.repository import Repository

FILES = {"ECLUSE_INCLUDE_PROTOCOLS": "https ssh file"}
HEAD = "version: 1\nname: shop\ndefaults: {image: busybox:1.36}\n"
LIBRARY = "stages:\n  lint: {needs: [], image: busybox:1.36, commands: echo linted}\n"


def run(ecluse: Command, repository: Repository, *words: str, **variables: str) -> Result:
    return ecluse("run", "--executor", "process", *words, cwd=repository.path, env={**FILES, **variables})


@pytest.fixture
def library(git_repo: Callable[..., Repository]) -> Repository:
    return git_repo({"python.yml": LIBRARY}, name="library")


@pytest.fixture
def shop(git_repo: Callable[..., Repository], library: Repository) -> Repository:
    include = f"include: [ci/own.yml, {{git: 'file://{library.path}', ref: main, file: python.yml}}]\n"
    own = "stages:\n  docs: {needs: [unit], commands: echo documented}\n"
    return git_repo(
        {"pipeline.yml": HEAD + include + "stages:\n  unit: {commands: echo tested}\n", "ci/own.yml": own}, name="shop"
    )


def test_included_files_are_pinned_run_and_watched(
    ecluse: Command, shop: Repository, library: Repository, tmp_path: Path
) -> None:
    refused = run(ecluse, shop)
    assert refused.code == 2
    assert "pipeline.yml:4:23 error: 'main' of file://" in refused.err
    assert "run `ecluse check --lock` and commit pipeline.lock" in refused.err

    locked = ecluse("check", "--lock", cwd=shop.path, env=FILES)
    assert locked.code == 0
    assert "is pinned at " + library.git("rev-parse", "HEAD")[:12] in locked.out
    assert "pipeline.yml is right: shop, 4 stages, 2 included files" in locked.out
    shop.commit()

    library.commit({"python.yml": LIBRARY.replace("linted", "moved")})
    library.path.rename(tmp_path / "away")
    ran = run(ecluse, shop)
    assert ran.code == 0
    assert "[lint] linted" in ran.out
    assert "[docs] documented" in ran.out
    assert "[lint] linted" in run(ecluse, shop, "--commit", "main").out

    # what was found clean before is looked at again when only an included file changes
    shop.write({"ci/own.yml": "stages:\n  docs: {needs: [unit], comands: echo x}\n"})
    broken = run(ecluse, shop)
    assert broken.code == 2
    assert "ci/own.yml:2:25 error: unknown key 'comands'" in broken.err
    assert "pipeline.yml:4:11 ci/own.yml is included here" in broken.err
    assert run(ecluse, shop, "--commit", "main").code == 0


def test_a_fork_includes_nothing_private(ecluse: Command, shop: Repository, tmp_path: Path) -> None:
    assert ecluse("check", "--lock", cwd=shop.path, env=FILES).code == 0
    shop.commit()
    payload = tmp_path / "event.json"
    fork = {"head": {"repo": {"full_name": "eve/shop"}}, "base": {"repo": {"full_name": "org/shop"}}, "number": 7}
    payload.write_text(json.dumps({"number": 7, "pull_request": fork}))
    job = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_REPOSITORY": "org/shop",
        "GITHUB_EVENT_PATH": str(payload),
        "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_REF_NAME": "7/merge",
        "GITHUB_HEAD_REF": "topic",
        "GITHUB_BASE_REF": "main",
        "GITHUB_SHA": shop.git("rev-parse", "HEAD"),
    }
    refused = ecluse("plan", cwd=shop.path, env={**FILES, **job})
    assert refused.code == 2
    assert "cannot be included for an untrusted run, which gets no private includes" in refused.err


@pytest.mark.parametrize("form", ["json", "sarif", "github", "gitlab"])
def test_every_format_says_the_same_with_the_same_exit_code(
    ecluse: Command, git_repo: Callable[..., Repository], form: str
) -> None:
    wrong = HEAD + "include: a%b,c.yml\nstages:\n  unit: {comands: x, image: 'busybox'}\n"
    repository = git_repo({"pipeline.yml": wrong, "a%b,c.yml": "stages:\n  docs: {needs: [], timeout: soon}\n"})
    told = ecluse("check", "--format", form, cwd=repository.path)
    assert (told.code, told.err) == (2, "")
    if form == "json":
        found = json.loads(told.out)
        assert [item["code"] for item in found["diagnostics"]] == ["unknown-key", "moving-image", "bad-duration"]
    elif form == "sarif":
        _assert_sarif(json.loads(told.out))
    elif form == "github":
        assert told.out.splitlines()[0] == (
            "::error file=pipeline.yml,line=6,endLine=6,col=10,endColumn=17,title=unknown-key"
            "::unknown key 'comands' in a stage of kind 'run' (did you mean 'commands'?)"
        )
        assert [line.partition(" ")[0] for line in told.out.splitlines()] == ["::error", "::warning", "::error"]
        assert "file=a%25b%2Cc.yml,line=2," in told.out
    else:
        issues = json.loads(told.out)
        assert {tuple(sorted(item)) for item in issues} == {
            ("check_name", "description", "fingerprint", "location", "severity")
        }
        assert issues[2]["location"] == {"path": "a%b,c.yml", "lines": {"begin": 2}}
        assert len({item["fingerprint"] for item in issues}) == 3
        repository.write({"pipeline.yml": "# a line above\n" + wrong})
        moved = json.loads(ecluse("check", "--format", form, cwd=repository.path).out)
        assert [item["fingerprint"] for item in moved] == [item["fingerprint"] for item in issues]
    repository.write({"pipeline.yml": HEAD + "stages:\n  unit: {commands: x}\n"})
    right = ecluse("check", "--format", form, cwd=repository.path)
    assert right.code == 0
    assert right.out == "" if form == "github" else json.loads(right.out) is not None


def _assert_sarif(log: dict[str, object]) -> None:
    """What the schema of SARIF 2.1.0 demands of the parts that are used."""
    assert log["version"] == "2.1.0"
    assert str(log["$schema"]).endswith("sarif-schema-2.1.0.json")
    [one] = log["runs"]  # type: ignore[misc]
    driver = one["tool"]["driver"]
    ids = [rule["id"] for rule in driver["rules"]]
    assert driver["name"] == "ecluse"
    assert len(set(ids)) == len(ids)
    assert one["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    levels = []
    for result in one["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["message"]["text"]
        levels.append(result["level"])
        for place in (*result["locations"], *result.get("relatedLocations", ())):
            region = place["physicalLocation"]["region"]
            assert region["startLine"] >= 1
            assert region["endColumn"] > region["startColumn"] >= 1
    assert levels == ["error", "warning", "error"]
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in one["results"]]
    assert uris == ["pipeline.yml", "pipeline.yml", "a%25b%2Cc.yml"]


TRIGGERED = HEAD + (
    "triggers:\n"
    "  push: {branches: [main, '!old'], paths: ['src/**']}\n"
    "  schedule: [{cron: '0 3 * * 1-5', timezone: Europe/Paris}]\n"
    "stages:\n  unit: {commands: echo tested}\n"
)


def test_an_event_that_no_trigger_wants_starts_nothing(ecluse: Command, git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"pipeline.yml": TRIGGERED, "src/a": "1"})
    repository.commit({"docs/d": "1"})
    before = repository.git("rev-parse", "--short=12", "HEAD^")
    told = run(ecluse, repository, "--event", "push")
    reason = f"triggers.push: paths is docs/d since {before} (the commit before), wants a changed path like 'src/**'"
    assert (told.code, told.out, told.err) == (0, f"○ nothing was run: {reason}\n", "")
    [event] = [json.loads(line) for line in run(ecluse, repository, "--event", "push", "--json").out.splitlines()]
    assert (event["event"], event["run"], event["trigger"], event["reason"]) == ("not_started", None, "push", reason)
    other = run(ecluse, repository, "--event", "push", "--branch", "topic")
    assert "branch is 'topic', wants 'main' but not 'old'" in other.out
    assert "triggers has no pull_request" in run(ecluse, repository, "--event", "pull_request").out
    assert json.loads(ecluse("runs", "--json", cwd=repository.path).out) == []

    planned = ecluse("plan", "--event", "push", cwd=repository.path)
    assert planned.code == 0
    assert f"starts nothing: {reason}" in planned.out
    assert "schedule '0 3 * * 1-5' Europe/Paris: " in planned.out
    facts = json.loads(ecluse("plan", "--event", "schedule", "--json", cwd=repository.path).out)
    assert facts["starts"] is True
    assert len(facts["schedules"][0]["times"]) == 3

    repository.commit({"src/a": "2"})
    assert run(ecluse, repository, "--event", "push").code == 0
    assert run(ecluse, repository).code == 0


CHANGED = (
    HEAD + "stages:\n  unit:\n    when: {changed: ['src/**', '!src/doc/**']}\n    commands: test ! -e src/broken\n"
)


def test_a_commit_of_documentation_cannot_hide_a_failed_one(
    ecluse: Command, git_repo: Callable[..., Repository]
) -> None:
    repository = git_repo({"pipeline.yml": CHANGED, "src/a": "1"})
    first = run(ecluse, repository)
    assert first.code == 0
    good = repository.git("rev-parse", "--short=12", "HEAD")
    repository.commit({"docs/d": "1", "src/doc/x": "1"})
    skipped = run(ecluse, repository)
    assert skipped.code == 0
    since = f"since {good} (last success of this stage)"
    assert f"when: changed is docs/d, src/doc/x {since}, wants a path like 'src/**' but not 'src/doc/**'" in skipped.out
    repository.commit({"src/broken": "1"})
    assert run(ecluse, repository).code == 1
    repository.commit({"docs/d": "2"})
    assert run(ecluse, repository).code == 1

    [found] = json.loads(ecluse("explain", "last", "unit", "--json", cwd=repository.path).out)
    [condition] = found["conditions"]
    assert condition["seen"] == f"src/broken {since}"
    assert condition["base"].startswith(good)
    told = ecluse("explain", "2", "unit", cwd=repository.path).out
    assert f"changed: wants a path like 'src/**' but not 'src/doc/**', saw docs/d, src/doc/x {since}: no" in told


def test_git_is_asked_only_for_what_a_stage_wants(
    ecluse: Command, git_repo: Callable[..., Repository], tmp_path: Path
) -> None:
    """A `git` in front of the real one notes what it is asked."""
    log, real = tmp_path / "asked", _which("git")
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    path = {"PATH": f"{wrapper.parent}:{os.environ['PATH']}"}
    repository = git_repo({"pipeline.yml": HEAD + "stages:\n  unit: {commands: echo}\n"})
    assert ecluse("plan", "--json", cwd=repository.path, env=path).code == 0
    plainly = log.read_text()
    assert not any(word in plainly for word in (" diff ", " ls-tree ", " merge-base ", " for-each-ref ", " ls-files "))
    log.unlink()
    repository.commit({"pipeline.yml": CHANGED})
    assert ecluse("plan", "--json", cwd=repository.path, env=path).code == 0
    assert " for-each-ref " in log.read_text()


def _which(name: str) -> str:
    return next(f"{folder}/{name}" for folder in os.environ["PATH"].split(":") if Path(folder, name).exists())


WHOLE = """\
version: 1
name: shop
include: ci/own.yml
variables: {IMAGE: mine}
x-base: &base {timeout: 5m, env: {A: "yes", N: 3.10}}
defaults: {image: "busybox:1.36", env: {LEVEL: debug, N: "7"}}
stages:
  unit:
    <<: *base
    matrix: {python: [3.10, 3.12], db: [sqlite, "it's"]}
    exclude: [{python: 3.10, db: "it's"}]
    env: {PY: "${{ matrix.python }}-${{ variables.IMAGE }}-${{ matrix.db + '!' }}"}
    when: {if: "matrix.db == 'sqlite' || branch == 'main'"}
    commands:
      - |
        for i in 1 2; do
          echo "$PY $LEVEL"   # no comment
        done
  cells: {matrix: {v: [a, b]}, outputs: [V], commands: 'echo "V=x" >> $ECLUSE_OUTPUT'}
  report:
    needs: [{stage: unit, matrix: {db: sqlite}}, {stage: docs, if: finished}, cells]
    env: {ALL: "${{ stages.cells.conclusion }}"}
    commands: "echo 'all: '$ALL"
"""
PY_OF_A_CELL = (
    "      PY: \"3.12-${{ variables.IMAGE }}-${{ 'it\\\\'s' + '!' }}\"  # cell unit:3.12,it's in pipeline.yml:12:15"
)
OWN = """\
variables: {IMAGE: theirs, MORE: "${1}"}
defaults: {env: {OTHER: "#x"}}
stages: {docs: {needs: [], commands: "exit 3", allow_failure: true}}
"""


def test_what_expand_prints_is_the_same_pipeline(ecluse: Command, git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"pipeline.yml": WHOLE, "ci/own.yml": OWN})
    expanded = ecluse("expand", cwd=repository.path)
    assert (expanded.code, expanded.err) == (0, "")
    for line in (
        "  unit_3_12_it_s:  # cell unit:3.12,it's in pipeline.yml:8:3",
        "    timeout: 5m  # pipeline.yml:5:25",
        '    image: "busybox:1.36"  # defaults in pipeline.yml:6:19',
        '      OTHER: "#x"  # defaults in ci/own.yml:2:25',
        PY_OF_A_CELL,
        "    kind: run  # default of the format",
        "  docs:  # ci/own.yml:3:10",
        "  cells:  # pipeline.yml:19:3",
        "      - checkout  # default of the format: the stage above",
        "      - unit_3_10_sqlite  # pipeline.yml:21:21",
    ):
        assert line in expanded.out.splitlines()
    first = run(ecluse, repository)
    assert first.code == 0
    repository.commit({"expanded.yml": expanded.out})
    second = run(ecluse, repository, "--file", "expanded.yml")
    assert second.code == 0
    assert _outcomes(ecluse, repository, "1") == _outcomes(ecluse, repository, "2")
    for text in ("3.12-mine-it's! debug", "3.10-mine-sqlite! debug", "all: succeeded"):
        assert text in first.out
        assert text in second.out

    facts = json.loads(ecluse("expand", "--json", cwd=repository.path).out)
    assert facts["pipeline"]["stages"]["unit_3_10_sqlite"]["env"]["PY"].startswith("3.10-")
    origin = {"how": "defaults", "file": "pipeline.yml", "line": 6, "column": 19}
    assert facts["origins"]["/stages/docs/image"] == origin


def _outcomes(ecluse: Command, repository: Repository, reference: str) -> list[str]:
    stages = json.loads(ecluse("show", reference, "--json", cwd=repository.path).out)["stages"]
    return sorted(f"{stage['kind']} {stage['outcome']['conclusion']} {stage['outcome']['reason']}" for stage in stages
                  if stage["kind"] != "checkout")  # fmt: skip


EXPLAINED = (
    HEAD
    + """\
stages:
  unit: {commands: exit 75, retry: {max: 1, on: [exit 75], backoff: 10ms}, timeout: 30s}
  report: {when: {run: always}, commands: echo done}
  deploy: {commands: echo never}
  cleanup: {needs: [{stage: unit, if: failed}], commands: echo cleaned}
  nightly: {needs: [], when: {event: schedule, branch: next}, commands: echo night}
  late: {needs: [report], when: {if: "stages.report.conclusion == 'failed'", run: always}, commands: echo late}
"""
)


def test_explain_says_what_decided(ecluse: Command, git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"pipeline.yml": EXPLAINED})
    assert run(ecluse, repository).code == 1

    def told(stage: str) -> str:
        return ecluse("explain", "last", stage, cwd=repository.path).out

    unit = told("unit")
    assert unit.startswith("✕ unit run of run #1 failed: exit 75\n├─ when: no condition is written\n")
    assert "tried again: retry: on 'exit 75', at most 1 more" in unit
    assert "✕ 2 failed after" in unit
    assert "└─ timeout: 30s" in unit
    deploy = told("deploy")
    assert "○ deploy run of run #1 blocked: needs unit: failed" in deploy
    assert "├─ blocked by\n│  └─ deploy → report → unit\n" in deploy
    assert "├─ attempts: none\n" in deploy
    assert "run: always  instead of the rule" in told("report")
    assert "✕ unit (if failed) failed: exit 75\n" in told("cleanup")
    nightly = told("nightly")
    assert "event: wants 'schedule', saw 'manual': no" in nightly
    assert "branch: wants 'next', saw 'main': no" in nightly
    assert "saw false: no" in told("late")
    assert "timeout: 1h 00m, the machine's default" in deploy
    [facts] = json.loads(ecluse("explain", "1", "deploy", "--json", cwd=repository.path).out)
    assert facts["blockers"] == [["deploy", "report", "unit"]]
    assert [need["satisfied"] for need in facts["needs"]] == [True]
    missing = ecluse("explain", "1", "nothing", cwd=repository.path)
    assert (missing.code, "has no stage 'nothing'" in missing.err) == (2, True)


def test_names_of_runs_and_stages_are_completed(ecluse: Command, git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"pipeline.yml": EXPLAINED})
    assert run(ecluse, repository).code == 1

    def completed(words: str, at: int) -> list[str]:
        variables = {"_ECLUSE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        out = ecluse(cwd=repository.path, env=variables).out
        return [line.removeprefix("plain,") for line in out.split()]

    assert completed("ecluse explain ", 2) == ["last", "1"]
    assert completed("ecluse explain 1 ", 3) == ["checkout", "unit", "report", "deploy", "cleanup", "nightly", "late"]
    assert completed("ecluse logs last un", 3) == ["unit"]
    assert completed("ecluse explain 99 ", 3) == []
    outside = ecluse(
        cwd=repository.path.parent,
        env={"_ECLUSE_COMPLETE": "bash_complete", "COMP_WORDS": "ecluse show ", "COMP_CWORD": "2"},
    )
    assert outside.err == ""
