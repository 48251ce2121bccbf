"""Asking the servers and commands of an environment's check gates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pipeline.model.check import HttpCheck, Verdict
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import CommandRule, HttpRule
from pipeline.model.gate_facts import CheckAnswer
from pipeline.model.policy import Policy
from pipeline.model.release import Release
from pipeline.ports.application import Application
from pipeline.settings import certificate_bundle


def ask_checks(
    app: Application, environment: EnvironmentDefinition, release: Release, *, policy: Policy, folder: Path | None
) -> Mapping[str, CheckAnswer]:
    """Gate name → its answer now. What stands in the way of asking is an answer, too."""
    now = app.clock.now()
    found: dict[str, CheckAnswer] = {}
    for gate in environment.gates:
        match gate.rule:
            case HttpRule():
                found[gate.name] = _http(app, gate.rule, now)
            case CommandRule():
                from pipeline.operations.gate_commands import ask_command

                found[gate.name] = ask_command(app, gate.rule, environment, release, policy=policy, folder=folder)
            case _:
                continue
    return found


def _http(app: Application, rule: HttpRule, now: datetime) -> CheckAnswer:
    from pipeline.verification.http import ask_http

    check = HttpCheck(name=rule.url, where=rule.url, status=rule.status, within=rule.timeout)
    answer = ask_http(check, rule.url, certificates=str(certificate_bundle(app.settings) or ""))
    return CheckAnswer(
        passed=answer.verdict is Verdict.PASS,
        detail=answer.sentence,
        time=now,
        error=answer.verdict is Verdict.ERROR,
    )
