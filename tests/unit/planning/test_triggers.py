"""What starts a run: each kind of event against what `triggers` says, and the words that tell why not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.model.definition import PullRequestTrigger, PushTrigger, ScheduleTrigger, Triggers
from pipeline.model.source import Changes, Event
from pipeline.planning.triggers import judge_triggers

PUSH = Event(kind="push", branch="main")
TAG = Event(kind="push", tag="v1.2")
PULL = Event(kind="pull_request", branch="topic", target="main")
CLOCK = Event(kind="schedule", branch="main")
CHANGES = Changes(paths=("docs/a.md", "src/b.py"), base="4f1c0de1a2b3c4", reason="the branch before this push")


def never() -> Changes:
    raise AssertionError("paths were asked for, and no trigger names any")


def push(*, branches: tuple[str, ...] = (), tags: tuple[str, ...] = (), paths: tuple[str, ...] = ()) -> Triggers:
    return Triggers(push=PushTrigger(branches=branches, tags=tags, paths=paths))


@pytest.mark.parametrize(
    ("triggers", "event", "why_not"),
    [
        pytest.param(None, PUSH, "", id="no triggers at all"),
        pytest.param(Triggers(), replace(PUSH, kind="manual"), "", id="manual always"),
        pytest.param(Triggers(), PUSH, "triggers has no push", id="push not written"),
        pytest.param(Triggers(), PULL, "triggers has no pull_request", id="pull request not written"),
        pytest.param(push(), CLOCK, "triggers has no schedule", id="schedule not written"),
        pytest.param(push(), PUSH, "", id="every branch"),
        pytest.param(push(), TAG, "", id="every tag"),
        pytest.param(push(branches=("main",)), PUSH, "", id="branch"),
        pytest.param(push(branches=("release/*",)), replace(PUSH, branch="release/1"), "", id="branch glob"),
        pytest.param(
            push(branches=("release/*",)),
            PUSH,
            "triggers.push: branch is 'main', wants 'release/*'",
            id="other branch",
        ),
        pytest.param(
            push(branches=("**", "!release/old")),
            replace(PUSH, branch="release/old"),
            "triggers.push: branch is 'release/old', wants '**' but not 'release/old'",
            id="branch taken out",
        ),
        pytest.param(push(branches=("!old",)), PUSH, "", id="only taken out: others start"),
        pytest.param(push(branches=("!main", "main")), PUSH, "triggers.push: branch is 'main', wants", id="! wins"),
        pytest.param(push(branches=("main",)), TAG, "triggers.push: tag is 'v1.2', wants a branch", id="tag, branches"),
        pytest.param(push(tags=("v*",)), TAG, "", id="tag"),
        pytest.param(push(tags=("v2*",)), TAG, "triggers.push: tag is 'v1.2', wants 'v2*'", id="other tag"),
        pytest.param(
            push(tags=("v*",)), PUSH, "triggers.push: branch is 'main', wants a tag 'v*'", id="branch, only tags"
        ),
        pytest.param(push(branches=("main",), tags=("v*",)), TAG, "", id="tag of both"),
        pytest.param(push(tags=("v*",), paths=("src/**",)), TAG, "", id="paths do not judge tags"),
        pytest.param(push(branches=("main",)), replace(PUSH, branch=""), "triggers.push: branch is none", id="none"),
        pytest.param(Triggers(pull_request=PullRequestTrigger()), PULL, "", id="every pull request"),
        pytest.param(Triggers(pull_request=PullRequestTrigger(branches=("main",))), PULL, "", id="target"),
        pytest.param(
            Triggers(pull_request=PullRequestTrigger(branches=("next",))),
            PULL,
            "triggers.pull_request: target branch is 'main', wants 'next'",
            id="other target",
        ),
        pytest.param(
            Triggers(pull_request=PullRequestTrigger(branches=("next",))),
            replace(PULL, target=""),
            "",
            id="unknown target",
        ),
        pytest.param(Triggers(schedule=(ScheduleTrigger(cron="0 3 * * *"),)), CLOCK, "", id="schedule"),
        pytest.param(
            Triggers(schedule=(ScheduleTrigger(cron="0 3 * * *", branch="next"),)),
            CLOCK,
            "triggers.schedule: branch is 'main', wants 'next'",
            id="schedule of another branch",
        ),
    ],
)
def test_who_starts(triggers: Triggers | None, event: Event, why_not: str) -> None:
    found = judge_triggers(triggers, event, never)
    assert found.starts is (why_not == "")
    assert found.sentence.startswith(why_not)


@pytest.mark.parametrize(
    ("paths", "changes", "starts", "seen"),
    [
        pytest.param(("src/**",), CHANGES, True, "src/b.py since 4f1c0de1a2b3 (the branch before this push)", id="hit"),
        pytest.param(("lib/**",), CHANGES, False, "docs/a.md, src/b.py since 4f1c0de1a2b3 (", id="no hit"),
        pytest.param(("**", "!docs/**"), CHANGES, True, "src/b.py since", id="others are left"),
        pytest.param(("!docs/**",), replace(CHANGES, paths=("docs/a.md",)), False, "docs/a.md since", id="only those"),
        pytest.param(("src/**",), replace(CHANGES, paths=()), False, "nothing since", id="nothing"),
        pytest.param(
            ("src/**",), Changes(paths=None, reason="shallow clone"), True, "unknown: shallow clone", id="unknown"
        ),
    ],
)
@pytest.mark.parametrize("event", [pytest.param(PUSH, id="push"), pytest.param(PULL, id="pull request")])
def test_paths(event: Event, paths: tuple[str, ...], changes: Changes, seen: str, *, starts: bool) -> None:
    triggers = Triggers(push=PushTrigger(paths=paths), pull_request=PullRequestTrigger(paths=paths))
    found = judge_triggers(triggers, event, lambda: changes)
    assert found.starts is starts
    [condition] = found.conditions
    assert condition.seen.startswith(seen)
    assert (condition.base, condition.base_reason) == (changes.base, changes.reason)
