"""Commands of gates on a real engine: their scripts, what they know of the release, secrets, and what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from environment.repository import Repository

from pipeline.bootstrap import Application
from pipeline.diagnostic import Position
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import CommandRule
from pipeline.model.gate_facts import CheckAnswer
from pipeline.model.policy import Policy
from pipeline.model.release import Release
from pipeline.operations.gate_commands import ask_command

PROD = EnvironmentDefinition(name="prod", position=Position(file="policy.yml", line=1, column=1))
RELEASE = Release(
    repository="shop", commit="4f1c0de", images={}, pipeline_digest="", name="41-4f1c0de", run="", dirty=False,
    created=datetime(2026, 11, 27, tzinfo=UTC),
)  # fmt: skip
TICKET = b"""\
#!/bin/sh
. ./gates/words.sh
[ "$ECLUSE_RELEASE_NAME" = 41-4f1c0de ] && [ "$ECLUSE_ENVIRONMENT" = prod ] && say yes
[ "$1" = --now ] && exit 0
say no
exit 3
"""
POLICY = Policy(
    revision="sha256:policy",
    scripts={"gates/ticket.sh": TICKET, "gates/words.sh": b'say() { echo "ticket says $1"; echo; }\n'},
)


@pytest.fixture
def app(engine: str, tmp_home: Path) -> Application:
    return Application({**os.environ, "ECLUSE_HOME": str(tmp_home), "ECLUSE_SECRET_TOKEN": "a-s3cret-of-the-house"})


@pytest.fixture
def ask(app: Application, images: object) -> Callable[..., CheckAnswer]:
    def asked(*command: str, policy: Policy = POLICY, folder: Path | None = None, **changes: object) -> CheckAnswer:
        image = images.busybox  # type: ignore[attr-defined]
        rule = replace(CommandRule(image=image, command=command), **changes)  # type: ignore[arg-type]
        answer = ask_command(app, rule, PROD, RELEASE, policy=policy, folder=folder)
        assert answer.revision == policy.revision
        return answer

    return asked


def test_yes_and_no(ask: Callable[..., CheckAnswer]) -> None:
    scripts = ("./gates/ticket.sh", "./gates/words.sh")
    yes, no = ask(scripts[0], "--now", scripts[1]), ask("sh", "-c", "./gates/ticket.sh ./gates/words.sh")
    assert (yes.passed, yes.error, yes.detail) == (True, False, "ticket says yes")
    assert (no.passed, no.error, no.detail) == (False, False, "exit code 3: ticket says no")


def test_a_secret_is_given_and_not_told(ask: Callable[..., CheckAnswer]) -> None:
    answer = ask("sh", "-c", 'echo "${#TOKEN} $TOKEN"', secrets=("TOKEN",))
    assert (answer.passed, answer.detail) == (True, "21 ***")


@pytest.mark.parametrize(
    ("command", "changes", "said"),
    [
        pytest.param(("sleep", "60"), {"timeout": 0.5}, "it took longer than 0.5s", id="too-long"),
        pytest.param(("true",), {"secrets": ("NONE",)}, "nobody provides the secret 'NONE'", id="no-secret"),
        pytest.param(("./gates/other.sh",), {}, "gates/other.sh is not here", id="no-script"),
        pytest.param(("true",), {"image": "registry.invalid/none:1"}, "", id="no-image"),
        pytest.param(("/no/such/program",), {}, "", id="no-program"),
    ],
)
def test_what_keeps_it_from_running_is_no_yes(
    ask: Callable[..., CheckAnswer], command: tuple[str, ...], changes: dict[str, object], said: str
) -> None:
    answer = ask(*command, **changes)
    assert not answer.passed
    assert said in answer.detail
    assert answer.detail


def test_without_a_policy_scripts_come_from_the_default_branch(
    ask: Callable[..., CheckAnswer], git_repo: Callable[..., Repository]
) -> None:
    repository = git_repo({"gate.sh": "#!/bin/sh\necho from main; exit 1\n"})
    repository.git("checkout", "--quiet", "-b", "loose")
    repository.commit({"gate.sh": "#!/bin/sh\necho loosened\n"})
    answer = ask("./gate.sh", policy=Policy(), folder=repository.path)
    assert (answer.passed, answer.detail) == (False, "exit code 1: from main")
    assert ask("./other.sh", policy=Policy(), folder=repository.path).detail == "the default branch has no other.sh"
