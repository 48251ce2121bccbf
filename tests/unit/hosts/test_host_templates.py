"""The job files that `ecluse host` prints are what their hosts understand."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
import yaml
from click.testing import CliRunner

from pipeline.cli.commands import ecluse
from pipeline.hosts import HOSTS, job_file
from pipeline.operations.job_reports import PLACE

ACTIONS = ("github", "gitea", "forgejo")


def parsed(name: str) -> Mapping[str, object]:
    """The YAML of a job file; `on` is a word to its hosts."""
    return dict(yaml.load(job_file(HOSTS[name]), yaml.BaseLoader))  # noqa: S506 - texts only


@pytest.mark.parametrize("name", HOSTS)
def test_the_command_prints_the_file(name: str) -> None:
    printed = CliRunner().invoke(ecluse, ["host", name])
    assert printed.exit_code == 0
    assert printed.output == job_file(HOSTS[name])
    assert len(max(printed.output.splitlines(), key=len)) <= 160
    assert re.search(r"\becluse run\b", printed.output)


@pytest.mark.parametrize("name", [name for name in HOSTS if name != "woodpecker"])
def test_the_reports_are_handed_over_whatever_the_run_says(name: str) -> None:
    text = job_file(HOSTS[name])
    assert PLACE in text
    assert "a failed run has reports too" in text


@pytest.mark.parametrize("name", ACTIONS)
def test_a_workflow_clones_everything_and_receives_the_signals(name: str) -> None:
    workflow = parsed(name)
    job = workflow["jobs"]["ecluse"]  # type: ignore[index]
    steps = job["steps"]
    assert set(workflow) == {"name", "on", "permissions", "jobs"}
    assert steps[0]["with"] == {"fetch-depth": "0", "persist-credentials": "false"}
    assert [step["run"] for step in steps if step.get("id") == "ecluse"] == ["exec ecluse run"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    assert next(step["if"].split()[0] for step in steps if "upload" in step.get("uses", "")) == "always()"


def test_the_gitlab_job_names_the_reports_that_are_written() -> None:
    job = parsed("gitlab")["ecluse"]
    assert job["artifacts"]["reports"] == {  # type: ignore[index]
        "junit": f"{PLACE}/junit/*.xml",
        "codequality": f"{PLACE}/gl-code-quality-report.json",
        "dotenv": f"{PLACE}/run.env",
    }
    assert job["variables"]["GIT_DEPTH"] == "0"  # type: ignore[index]


def test_the_woodpecker_clone_is_whole() -> None:
    workflow = parsed("woodpecker")
    assert workflow["clone"]["git"]["settings"] == {"partial": "false"}  # type: ignore[index]
    assert workflow["steps"][0]["commands"][-1] == "exec ecluse run"  # type: ignore[index]


def test_the_jenkinsfile_is_balanced() -> None:
    text = re.sub(r"//.*|'[^'\n]*'|\"[^\"\n]*\"", "", job_file(HOSTS["jenkins"]))
    opened: list[str] = []
    for letter in text:
        if letter in "({[":
            opened.append(letter)
        elif letter in ")}]":
            assert opened.pop() == {")": "(", "}": "{", "]": "["}[letter]
    assert not opened


def test_an_unknown_host_is_said() -> None:
    printed = CliRunner().invoke(ecluse, ["host", "teamcity"])
    assert printed.exit_code == 2
    assert "'gitlab', 'jenkins', 'forgejo', 'gitea', 'github', 'woodpecker'" in printed.output
