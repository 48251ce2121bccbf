"""Every host's documented variables become the right event and level of trust."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import job_environments as jobs
import pytest

from pipeline.bootstrap import Application
from pipeline.errors import SettingsError
from pipeline.hosts import host_of, job_of
from pipeline.model.source import Commit, Event, Source
from pipeline.model.trust import Trust
from pipeline.operations.event import guess_event
from pipeline.settings import Settings, load_settings

GITLAB_PAGE = "https://gitlab.example.org/harbour/shop/-/jobs/50"
GITHUB_PAGE = "https://github.com/harbour/shop/actions/runs/1658821493"
JENKINS_PAGE = "https://jenkins.example.org/job/shop/job/main/25/"
WOODPECKER_PAGE = "https://ci.example.org/repos/7/pipeline/8/1"
BRANCH, PROTECTED, UNTRUSTED = Trust.BRANCH, Trust.PROTECTED, Trust.UNTRUSTED


def source(path: Path = Path("/nowhere"), *, sha: str = jobs.SHA, dirty: bool = False, revision: str = "") -> Source:
    """What the job has checked out."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    commit = Commit(sha=sha, message="Sell boats", author="Anna <anna@example.org>", time=now, dirty=dirty)
    return Source(path=str(path), origin="", commit=commit, revision=revision)


def gitlab(**facts: object) -> Event:
    return _event("gitlab", GITLAB_PAGE, facts)


def github(**facts: object) -> Event:
    return _event("github", GITHUB_PAGE, facts)


def jenkins(**facts: object) -> Event:
    return _event("jenkins", JENKINS_PAGE, facts)


def woodpecker(**facts: object) -> Event:
    return _event("woodpecker", WOODPECKER_PAGE, facts)


def _event(host: str, url: str, facts: Mapping[str, object]) -> Event:
    return replace(Event(kind="push", host=host, url=url, actor="anna"), **facts)  # type: ignore[arg-type]


PROPOSAL = {"kind": "pull_request", "branch": "faster", "target": "main"}
TAGGED = {"CI_COMMIT_TAG": "v1.2", "CI_COMMIT_REF_NAME": "v1.2", "CI_COMMIT_BEFORE_SHA": jobs.ZERO}
GITHUB_TAG = {"GITHUB_REF": "refs/tags/v1.2", "GITHUB_REF_NAME": "v1.2", "GITHUB_REF_TYPE": "tag"}
WOODPECKER_PROPOSAL = {
    "CI_PIPELINE_EVENT": "pull_request",
    "CI_COMMIT_PULL_REQUEST": "12",
    "CI_COMMIT_REF": "refs/pull/12/head",
    "CI_COMMIT_REFSPEC": "faster:main",
    "CI_COMMIT_SOURCE_BRANCH": "faster",
    "CI_COMMIT_TARGET_BRANCH": "main",
}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param(
            jobs.gitlab(), gitlab(branch="main", before=jobs.BEFORE, trust=PROTECTED), id="gitlab-protected-branch"
        ),
        pytest.param(
            jobs.gitlab(CI_COMMIT_BRANCH="faster", CI_COMMIT_REF_PROTECTED="false", CI_COMMIT_BEFORE_SHA=jobs.ZERO),
            gitlab(branch="faster"),
            id="gitlab-new-branch",
        ),
        pytest.param(
            {k: v for k, v in jobs.gitlab(**TAGGED).items() if k != "CI_COMMIT_BRANCH"},
            gitlab(tag="v1.2", trust=PROTECTED),
            id="gitlab-protected-tag",
        ),
        pytest.param(
            jobs.gitlab(CI_PIPELINE_SOURCE="schedule"),
            gitlab(kind="schedule", branch="main", trust=PROTECTED),
            id="gitlab-schedule",
        ),
        pytest.param(
            jobs.gitlab(CI_PIPELINE_SOURCE="web"),
            gitlab(kind="manual", branch="main", trust=PROTECTED),
            id="gitlab-by-hand",
        ),
        pytest.param(jobs.gitlab_merge_request(), gitlab(**PROPOSAL, proposal="7"), id="gitlab-merge-request"),
        pytest.param(
            jobs.gitlab_merge_request(CI_PIPELINE_SOURCE="parent_pipeline"),
            gitlab(**PROPOSAL, proposal="7"),
            id="gitlab-child-of-merge-request",
        ),
        pytest.param(
            jobs.gitlab_merge_request(CI_COMMIT_REF_PROTECTED="true"),
            gitlab(**PROPOSAL, proposal="7"),
            id="gitlab-merge-request-of-protected-branch",
        ),
        pytest.param(
            jobs.gitlab_merge_request(CI_PROJECT_ID="99", CI_MERGE_REQUEST_SOURCE_PROJECT_ID="99"),
            gitlab(**PROPOSAL, proposal="7", trust=UNTRUSTED),
            id="gitlab-fork-in-its-own-project",
        ),
        pytest.param(
            jobs.gitlab_merge_request(CI_MERGE_REQUEST_SOURCE_PROJECT_ID="99"),
            gitlab(**PROPOSAL, proposal="7", trust=UNTRUSTED),
            id="gitlab-fork-in-the-parent",
        ),
        pytest.param(
            jobs.gitlab_merge_request(CI_MERGE_REQUEST_SOURCE_PROJECT_ID=""),
            gitlab(**PROPOSAL, proposal="7", trust=UNTRUSTED),
            id="gitlab-source-unknown",
        ),
        pytest.param(
            jobs.jenkins(CHANGE_AUTHOR="anna"),
            jenkins(branch="main", before=jobs.BEFORE, trust=PROTECTED),
            id="jenkins-multibranch",
        ),
        pytest.param(
            jobs.jenkins(BRANCH_NAME="v1.2", TAG_NAME="v1.2", GIT_PREVIOUS_COMMIT=""),
            jenkins(tag="v1.2", actor=""),
            id="jenkins-tag",
        ),
        pytest.param(jobs.jenkins_change(), jenkins(**PROPOSAL, proposal="12", actor="bert"), id="jenkins-change"),
        pytest.param(
            jobs.jenkins_change(CHANGE_FORK="bert/shop"),
            jenkins(**PROPOSAL, proposal="12", actor="bert", trust=UNTRUSTED),
            id="jenkins-fork",
        ),
        pytest.param(
            jobs.jenkins_plain(),
            jenkins(branch="release/2", before=jobs.BEFORE, actor=""),
            id="jenkins-plain",
        ),
        pytest.param(
            jobs.jenkins_plain(GIT_BRANCH="refs/tags/v1.2", JENKINS_URL="", GIT_PREVIOUS_COMMIT=""),
            jenkins(tag="v1.2", actor=""),
            id="jenkins-plain-tag-without-url",
        ),
        pytest.param(
            jobs.jenkins_plain(GIT_BRANCH="detached", GIT_LOCAL_BRANCH="main", BUILD_USER_ID="anna"),
            jenkins(branch="main", before=jobs.BEFORE, trust=PROTECTED),
            id="jenkins-plain-local-branch",
        ),
        pytest.param(
            jobs.woodpecker(CI_PIPELINE_AUTHOR="anna"),
            woodpecker(branch="main", before=jobs.BEFORE, trust=PROTECTED),
            id="woodpecker-push",
        ),
        pytest.param(
            jobs.woodpecker(CI_PIPELINE_EVENT="cron"),
            woodpecker(kind="schedule", branch="main", actor="bert", trust=PROTECTED),
            id="woodpecker-cron",
        ),
        pytest.param(
            jobs.woodpecker(CI_PIPELINE_EVENT="tag", CI_COMMIT_TAG="v1.2", CI_COMMIT_REF="refs/tags/v1.2"),
            woodpecker(tag="v1.2", actor="bert"),
            id="woodpecker-tag",
        ),
        pytest.param(
            jobs.woodpecker(**WOODPECKER_PROPOSAL),
            woodpecker(**PROPOSAL, proposal="12", actor="bert", trust=UNTRUSTED),
            id="woodpecker-pull-request-of-anybody",
        ),
    ],
)
def test_variables_become_an_event(variables: Mapping[str, str], expected: Event, tmp_path: Path) -> None:
    assert guess_event(source(), variables, Settings(home=tmp_path)) == expected


@pytest.mark.parametrize(
    ("variables", "payload", "expected"),
    [
        pytest.param(
            jobs.github(),
            {"before": jobs.BEFORE, "after": jobs.SHA},
            github(branch="main", before=jobs.BEFORE, trust=PROTECTED),
            id="github-protected-branch",
        ),
        pytest.param(
            jobs.github(GITHUB_REF_PROTECTED="false"),
            {"before": jobs.ZERO},
            github(branch="main"),
            id="github-new-branch",
        ),
        pytest.param(jobs.github(**GITHUB_TAG), {"before": jobs.ZERO}, github(tag="v1.2", trust=PROTECTED), id="tag"),
        pytest.param(
            jobs.github(GITHUB_EVENT_NAME="schedule"),
            {"schedule": "0 3 * * *"},
            github(kind="schedule", branch="main", trust=PROTECTED),
            id="github-schedule",
        ),
        pytest.param(
            jobs.github(GITHUB_EVENT_NAME="workflow_dispatch"),
            {},
            github(kind="manual", branch="main", trust=PROTECTED),
            id="github-by-hand",
        ),
        pytest.param(
            jobs.github_pull_request(),
            jobs.pull_request_payload(),
            github(**PROPOSAL, proposal="12"),
            id="github-pull-request",
        ),
        pytest.param(
            jobs.github_pull_request(),
            jobs.pull_request_payload(head="bert/shop"),
            github(**PROPOSAL, proposal="12", trust=UNTRUSTED),
            id="github-fork",
        ),
        pytest.param(
            jobs.github_pull_request(),
            jobs.pull_request_payload(head=None),
            github(**PROPOSAL, proposal="12", trust=UNTRUSTED),
            id="github-fork-that-is-gone",
        ),
        pytest.param(
            jobs.github_pull_request(),
            None,
            github(**PROPOSAL, proposal="12", trust=UNTRUSTED),
            id="github-without-payload",
        ),
        pytest.param(
            jobs.github_pull_request(GITHUB_EVENT_NAME="pull_request_target", GITHUB_REF="refs/heads/main"),
            jobs.pull_request_payload(head="bert/shop"),
            github(**PROPOSAL, proposal="12", trust=UNTRUSTED),
            id="github-fork-on-the-target",
        ),
        pytest.param(
            jobs.gitea(),
            {"before": jobs.BEFORE},
            _event(
                "gitea",
                "https://gitea.example.org/harbour/shop/actions/runs/3",
                {"branch": "main", "before": jobs.BEFORE, "trust": PROTECTED},
            ),
            id="gitea-by-the-setting",
        ),
        pytest.param(
            jobs.gitea(GITHUB_REF_NAME="faster"),
            {"before": jobs.BEFORE},
            _event(
                "gitea",
                "https://gitea.example.org/harbour/shop/actions/runs/3",
                {"branch": "faster", "before": jobs.BEFORE},
            ),
            id="gitea-other-branch",
        ),
        pytest.param(
            jobs.forgejo() | jobs.github_pull_request(GITHUB_SERVER_URL="https://forgejo.example.org"),
            jobs.pull_request_payload(head="bert/shop"),
            _event(
                "forgejo",
                "https://forgejo.example.org/harbour/shop/actions/runs/3",
                {**PROPOSAL, "proposal": "12", "trust": UNTRUSTED},
            ),
            id="forgejo-fork",
        ),
    ],
)
def test_variables_and_payload_become_an_event(
    variables: Mapping[str, str], payload: object, expected: Event, tmp_path: Path
) -> None:
    file = tmp_path / "event.json"
    if payload is not None:
        file.write_text(json.dumps(payload))
    event = guess_event(source(), {**variables, "GITHUB_EVENT_PATH": str(file)}, Settings(home=tmp_path))
    assert event == expected


@pytest.mark.parametrize(
    ("variables", "checked_out", "expected"),
    [
        pytest.param(jobs.gitlab(), source(dirty=True), BRANCH, id="changes"),
        pytest.param(jobs.gitlab(), source(sha="1" * 40), BRANCH, id="another-commit"),
        pytest.param(jobs.gitlab(), source(revision="main"), PROTECTED, id="its-own-commit-by-name"),
        pytest.param(jobs.jenkins(GIT_COMMIT=""), source(), PROTECTED, id="commit-not-said"),
        pytest.param(jobs.jenkins(GIT_COMMIT=""), source(revision="faster"), BRANCH, id="revision-not-comparable"),
        pytest.param(
            jobs.github(GITHUB_EVENT_NAME="issue_comment"),
            source(sha="1" * 40),
            UNTRUSTED,
            id="comment-and-checkout",
        ),
        pytest.param(jobs.github(GITHUB_EVENT_NAME="issue_comment"), source(), PROTECTED, id="comment"),
        pytest.param(
            jobs.github(GITHUB_EVENT_NAME="workflow_run"), source(sha="1" * 40), UNTRUSTED, id="run-behind-a-run"
        ),
        pytest.param(
            {k: v for k, v in jobs.github().items() if k != "GITHUB_REF_PROTECTED"}, source(), BRANCH, id="not-said"
        ),
        pytest.param(jobs.woodpecker(CI_COMMIT_BRANCH="main/evil"), source(), BRANCH, id="below-a-protected-name"),
        pytest.param(jobs.woodpecker(CI_COMMIT_BRANCH="release/2/x"), source(), PROTECTED, id="glob-crosses-folders"),
    ],
)
def test_trust_follows_the_commit(
    variables: Mapping[str, str], checked_out: Source, expected: Trust, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, protected_branches=("main", "release/*"))
    assert guess_event(checked_out, variables, settings).trust is expected


def test_a_laptop_is_nobodys_host(tmp_path: Path) -> None:
    event = guess_event(source(), {"CI": "true", "ECLUSE_ACTOR": "anna"}, Settings(home=tmp_path))
    assert (event.kind, event.actor, event.host, event.trust) == ("manual", "anna", "", BRANCH)
    assert host_of({"CI": "true"}) is None
    assert job_of({}) is None


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        pytest.param(jobs.gitlab(), "gitlab", id="gitlab"),
        pytest.param(jobs.github(), "github", id="github"),
        pytest.param(jobs.gitea(), "gitea", id="gitea"),
        pytest.param(jobs.forgejo(), "forgejo", id="forgejo"),
        pytest.param(jobs.jenkins(), "jenkins", id="jenkins"),
        pytest.param(jobs.woodpecker(), "woodpecker", id="woodpecker"),
    ],
)
def test_each_host_is_known_by_its_mark(variables: Mapping[str, str], name: str) -> None:
    host = host_of(variables)
    assert host is not None
    assert host.name == name


@pytest.mark.parametrize(
    ("variables", "grace"),
    [
        pytest.param({}, 10.0, id="laptop"),
        pytest.param(jobs.github(), 5.0, id="host"),
        pytest.param(jobs.github(ECLUSE_GRACE="30"), 30.0, id="asked-for"),
    ],
)
def test_a_host_gets_a_shorter_grace_period(variables: Mapping[str, str], grace: float, tmp_path: Path) -> None:
    assert Application({**variables, "ECLUSE_HOME": str(tmp_path)}).settings.grace == grace


def test_protected_names_come_from_the_file_or_a_variable(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('protected_branches = ["main", "release/*"]\n')
    settings = load_settings({"ECLUSE_HOME": str(tmp_path), "ECLUSE_PROTECTED_TAGS": "v*, release-*"})
    assert (settings.protected_branches, settings.protected_tags) == (("main", "release/*"), ("v*", "release-*"))
    (tmp_path / "config.toml").write_text("protected_tags = [1]\n")
    with pytest.raises(SettingsError, match="'protected_tags'"):
        load_settings({"ECLUSE_HOME": str(tmp_path)})
