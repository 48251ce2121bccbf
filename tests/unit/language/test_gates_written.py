"""Gates and strategies as they are written: what they become, and the exact words about what cannot be meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from language_file import HEAD, load, said

from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.finding import FindingSeverity
from pipeline.model.gate import (
    ApprovalRule,
    CommandRule,
    DependencyRule,
    EvidenceRule,
    GateRule,
    HttpRule,
    SoakRule,
    WindowRule,
)
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.model.value import from_value, to_value

STAGES = HEAD + "stages: {a: {image: 'a:1'}}\n"


def written(rest: str) -> str:
    """A file whose environment `prod` comes after `dev` and has these further keys."""
    return STAGES + f"environments:\n  dev: {{target: {{docker: {{}}}}}}\n  prod:\n    target: {{docker: {{}}}}\n{rest}"


def prod(rest: str) -> EnvironmentDefinition:
    return load(written(rest)).environment("prod")


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        pytest.param(
            "evidence: {tests: passed, scan: {max: high}, provenance: required}",
            {"evidence": EvidenceRule(tests=True, scan=FindingSeverity.HIGH, provenance=True)},
            id="evidence",
        ),
        pytest.param("evidence: {tests: passed}", {"evidence": EvidenceRule(tests=True)}, id="tests-alone"),
        pytest.param(
            "soaked: {in: dev, for: 1d12h}", {"soaked": SoakRule(environment="dev", seconds=129600.0)}, id="soaked"
        ),
        pytest.param("approvals: {from: ops}", {"approvals": ApprovalRule(group="ops")}, id="one-approval"),
        pytest.param(
            "approvals: [{from: ops, count: 2, not: authors, expires: 3d}, {from: qa}]",
            {
                "approvals": ApprovalRule(
                    group="ops", count=2, excluded=frozenset({"authors"}), expires=259200.0
                ),
                "approvals-2": ApprovalRule(group="qa"),
            },
            id="approvals-are-gates-of-their-own",
        ),
        pytest.param(
            "window: {timezone: Europe/Paris, allow: Mon-Thu 09:00-17:00, deny: [12-20..01-05, Fri]}",
            {
                "window": WindowRule(
                    timezone="Europe/Paris", allow=("Mon-Thu 09:00-17:00",), deny=("12-20..01-05", "Fri")
                )
            },
            id="window",
        ),
        pytest.param(
            "check: {image: 'a:1', command: [./gate.sh, x], timeout: 5s, secrets: TOKEN}",
            {"check": CommandRule(image="a:1", command=("./gate.sh", "x"), timeout=5.0, secrets=("TOKEN",))},
            id="command",
        ),
        pytest.param(
            "check: {image: 'a:1', command: test -f x}",
            {"check": CommandRule(image="a:1", command=("sh", "-c", "test -f x"))},
            id="a-line",
        ),
        pytest.param(
            "check: {http: 'https://a.example/b', status: [200, 204]}",
            {"check": HttpRule(url="https://a.example/b", status=(200, 204))},
            id="http",
        ),
        pytest.param(
            "requires: {service: stock}", {"requires": DependencyRule(service="stock")}, id="requires"
        ),
        pytest.param(
            "{name: calm, requires: {service: stock, environment: prod, release: '12-*'}}",
            {"calm": DependencyRule(service="stock", environment="prod", release="12-*")},
            id="with-a-name",
        ),
    ],
)  # fmt: skip
def test_what_gates_become(text: str, rules: dict[str, GateRule]) -> None:
    found = prod(f"    gates:\n      - {text}\n")
    assert {gate.name: gate.rule for gate in found.gates} == rules
    assert found.gates[0].position.line == 9
    again = from_value(EnvironmentDefinition, json.loads(json.dumps(to_value(found))))
    assert again == found, "a run that is taken up again knows them from its stored plan"


def test_gates_of_one_kind_are_numbered() -> None:
    gates = [{"check": {"http": "https://a.example/"}}, {"soaked": {"in": "dev", "for": "1h"}}]
    found = prod(f"    gates: {json.dumps(gates + gates)}\n")
    assert [gate.name for gate in found.gates] == ["check", "soaked", "check-2", "soaked-2"]


@pytest.mark.parametrize(
    ("text", "strategy"),
    [
        pytest.param("recreate", Strategy(kind=StrategyKind.RECREATE), id="recreate"),
        pytest.param("rolling", Strategy(kind=StrategyKind.ROLLING), id="rolling"),
        pytest.param("blue_green", Strategy(kind=StrategyKind.BLUE_GREEN), id="blue-green"),
        pytest.param(
            "{rolling: {batch: 2, pause: 5s}}", Strategy(kind=StrategyKind.ROLLING, batch=2, pause=5.0), id="batches"
        ),
        pytest.param(
            "{canary: {steps: [10%, 50%, 100%], pause: 5m}}",
            Strategy(kind=StrategyKind.CANARY, steps=(10, 50, 100), pause=300.0),
            id="canary",
        ),
    ],
)
def test_what_strategies_become(text: str, strategy: Strategy) -> None:
    assert prod(f"    strategy: {text}\n").strategy == strategy


def test_the_other_keys_and_what_holds_without_them() -> None:
    bare = prod("")
    assert (bare.automatic, bare.queue, bare.ledger, bare.strategy, bare.gates) == (True, True, "", None, ())
    full = prod(
        "    automatic: false\n    queue: supersede\n    ledger: postgresql://db/ecluse\n    on_failure: hold\n"
    )
    assert (full.automatic, full.queue, full.ledger, full.on_failure) == (
        False, False, "postgresql://db/ecluse", "hold",
    )  # fmt: skip


def shown(line: str, message: str, mark: str, note: str = "") -> str:
    """What the command prints about one place of the ninth line."""
    column = line.rindex(mark) + 1
    arrow = f"{' ' * (column - 1)}{'^' * len(mark)}" + (f" {note}" if note else "")
    return f"pipeline.yml:9:{column} error: {message}\n    9 | {line}\n      | {arrow}\n1 error. Nothing was run.\n"


@pytest.mark.parametrize(
    ("gate", "message", "mark", "note"),
    [
        pytest.param("soaked: {in: deev, for: 1h}",
                     "environment 'prod' names the environment 'deev', which does not exist", "deev",
                     "did you mean 'dev'?", id="unknown-environment"),
        pytest.param("soaked: {in: prod, for: 1h}", "environment 'prod' cannot wait for a release to soak in itself",
                     "prod", "name one that comes before it", id="soaks-in-itself"),
        pytest.param("soaked: {in: dev, for: soon}",
                     "'soon' is not a duration ('gates[1].soaked.for' of environment 'prod')", "soon",
                     "write it like 500ms, 30s, 20m, 1h30m or 30d", id="bad-duration"),
        pytest.param("window: {timezone: Europe/Pariss, allow: Mon}",
                     "'Europe/Pariss' is not a time zone ('gates[1].window.timezone' of environment 'prod')",
                     "Europe/Pariss", "did you mean 'Europe/Paris'?", id="bad-zone"),
        pytest.param("window: {timezone: UTC, allow: Mon-Tuu 09:00-17:00}",
                     "'Mon-Tuu 09:00-17:00' is not a window ('gates[1].window.allow[1]' of environment 'prod')",
                     "Mon-Tuu 09:00-17:00",
                     "'Mon-Tuu' is neither a date, days such as Mon-Fri, nor a time such as 09:00-17:00",
                     id="bad-window"),
        pytest.param("window: {timezone: UTC, deny: [12-20..13-05]}",
                     "'12-20..13-05' is not a window ('gates[1].window.deny[1]' of environment 'prod')",
                     "12-20..13-05", "there is no day 13-05", id="bad-date"),
        pytest.param("approvals: {from: ops, not: [author]}",
                     "'gates[1].approvals[1].not[1]' of environment 'prod' cannot be 'author'", "author",
                     "did you mean 'authors'?", id="bad-exclusion"),
        pytest.param("approvals: {from: ops, count: 0}",
                     "'gates[1].approvals[1].count' of environment 'prod' must be at least 1, not 0", "0", "",
                     id="no-approvals"),
        pytest.param("check: {image: 'a:1'}", "the check of environment 'prod' has an image and no command",
                     "{image: 'a:1'}", "write 'command'", id="no-command"),
        pytest.param("check: {http: 'https://a.example', command: x}",
                     "the check of environment 'prod' asks an address: 'command' belongs to an image", "x",
                     "make it a gate of its own", id="two-checks-in-one"),
        pytest.param("check: {http: 'ftp://a.example'}",
                     "'ftp://a.example' is not an address ('gates[1].check.http' of environment 'prod')",
                     "'ftp://a.example'", "write one that begins with https:// or http://", id="bad-address"),
        pytest.param("approval: {from: ops}", "unknown key 'approval' in 'gates[1]' of environment 'prod'", "approval",
                     "did you mean 'approvals'?", id="unknown-gate"),
        pytest.param("evidence: {tests: '${{ branch }}'}", "", "", "", id="expression"),
    ],
)  # fmt: skip
def test_words_about_gates(gate: str, message: str, mark: str, note: str) -> None:
    line = f"      - {gate}"
    words = said(written(f"    gates:\n{line}\n"))
    if message:
        assert shown(line, message, mark, note).splitlines()[:3] == words.splitlines()[:3]
    else:
        assert "expression" in words


@pytest.mark.parametrize(
    ("steps", "message", "mark", "note"),
    [
        pytest.param("[50%, 10%, 100%]", "step 10% of environment 'prod' does not rise above 50%", "10%",
                     "shares rise, such as 10%, 50%, 100%", id="falls"),
        pytest.param("[10%, 10%]", "step 10% of environment 'prod' does not rise above 10%", "10%",
                     "shares rise, such as 10%, 50%, 100%", id="stays"),
        pytest.param("[10%, 50%]", "the steps of environment 'prod' end at 50%", "50%", "the last one is 100%",
                     id="ends-early"),
        pytest.param("[10]", "'10' is not a share ('strategy.canary.steps[1]' of environment 'prod')", "10",
                     "write it like 10%", id="no-percent"),
    ],
)  # fmt: skip
def test_words_about_steps(steps: str, message: str, mark: str, note: str) -> None:
    text = written(f"    strategy: {{canary: {{steps: {steps}}}}}\n")
    (head, _, arrow) = said(text).splitlines()[:3]
    assert head.endswith(f"error: {message}")
    assert arrow.endswith(f"{'^' * len(mark)} {note}")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        pytest.param("    strategy: canary\n",
                     "'canary' is not a strategy ('strategy' of environment 'prod')", id="canary"),
        pytest.param("    gates: [{name: a, soaked: {in: dev, for: 1h}}, {name: a, check: {http: 'http://a'}}]\n",
                     "environment 'prod' has two gates 'a'", id="twice"),
        pytest.param("    queue: first\n", "'queue' of environment 'prod' cannot be 'first'", id="queue"),
        pytest.param("    on_failure: retry\n",
                     "'on_failure' of environment 'prod' cannot be 'retry'", id="on-failure"),
    ],
)  # fmt: skip
def test_words_about_the_rest(rest: str, message: str) -> None:
    assert f"error: {message}\n" in said(written(rest))


def test_all_problems_at_once() -> None:
    rest: dict[str, Any] = {
        "strategy": {"canary": {"steps": ["100%", "50%"]}},
        "gates": [
            {"soaked": {"in": "nowhere", "for": "1h"}},
            {"window": {"timezone": "Mars/Olympus", "allow": "always"}},
        ],
    }
    words = said(written("".join(f"    {key}: {json.dumps(value)}\n" for key, value in rest.items())))
    assert "4 errors" in words


def test_a_review_environment_and_what_cannot_come_after_it() -> None:
    found = prod("    review: {from: branch, lasting: 3d}\n").review
    assert found is not None
    assert (found.source, found.lasting) == ("branch", 259200.0)
    late = "    review: {from: pull_request, lasting: 1h}\n  late: {target: {docker: {}}, after: prod}\n"
    words = "environment 'late' cannot wait for 'prod', which is one for each pull request or branch"
    assert f"error: {words}\n" in said(written(late))
    assert "'review' of environment 'prod' has no 'lasting'" in said(written("    review: {from: branch}\n"))
