"""The variables of jobs as the hosts document them, complete enough for whatever reads them."""

from __future__ import annotations

from collections.abc import Mapping

SHA = "ce587453ced02b1526dfb4cb910479d431683101"
BEFORE = "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"
ZERO = "0" * 40


def gitlab(**more: str) -> dict[str, str]:
    """https://docs.gitlab.com/ci/variables/predefined_variables/: a push to a branch."""
    return {
        "CI": "true",
        "CI_API_V4_URL": "https://gitlab.example.org/api/v4",
        "CI_BUILDS_DIR": "/builds",
        "CI_COMMIT_AUTHOR": "Anna Lock <anna@example.org>",
        "CI_COMMIT_BEFORE_SHA": BEFORE,
        "CI_COMMIT_BRANCH": "main",
        "CI_COMMIT_MESSAGE": "Sell boats",
        "CI_COMMIT_REF_NAME": "main",
        "CI_COMMIT_REF_PROTECTED": "true",
        "CI_COMMIT_REF_SLUG": "main",
        "CI_COMMIT_SHA": SHA,
        "CI_COMMIT_SHORT_SHA": SHA[:8],
        "CI_CONFIG_PATH": ".gitlab-ci.yml",
        "CI_DEFAULT_BRANCH": "main",
        "CI_JOB_ID": "50",
        "CI_JOB_NAME": "ecluse",
        "CI_JOB_STAGE": "test",
        "CI_JOB_TOKEN": "glcbt-64_secret",
        "CI_JOB_URL": "https://gitlab.example.org/harbour/shop/-/jobs/50",
        "CI_PIPELINE_ID": "1000",
        "CI_PIPELINE_IID": "10",
        "CI_PIPELINE_SOURCE": "push",
        "CI_PIPELINE_URL": "https://gitlab.example.org/harbour/shop/-/pipelines/1000",
        "CI_PROJECT_DIR": "/builds/harbour/shop",
        "CI_PROJECT_ID": "34",
        "CI_PROJECT_PATH": "harbour/shop",
        "CI_PROJECT_URL": "https://gitlab.example.org/harbour/shop",
        "CI_REGISTRY_PASSWORD": "64-secret",
        "CI_REPOSITORY_URL": "https://gitlab-ci-token:64-secret@gitlab.example.org/harbour/shop.git",
        "CI_RUNNER_DESCRIPTION": "lock 7",
        "CI_SERVER": "yes",
        "CI_SERVER_URL": "https://gitlab.example.org",
        "CI_SERVER_VERSION": "17.5.0",
        "GITLAB_CI": "true",
        "GITLAB_USER_EMAIL": "anna@example.org",
        "GITLAB_USER_ID": "42",
        "GITLAB_USER_LOGIN": "anna",
        "GITLAB_USER_NAME": "Anna Lock",
        **more,
    }


def gitlab_merge_request(**more: str) -> dict[str, str]:
    """A merge request pipeline: HEAD is detached, CI_COMMIT_BRANCH and CI_COMMIT_TAG are absent."""
    variables = gitlab(
        CI_PIPELINE_SOURCE="merge_request_event",
        CI_COMMIT_BEFORE_SHA=ZERO,
        CI_COMMIT_REF_NAME="faster",
        CI_COMMIT_REF_PROTECTED="false",
        CI_MERGE_REQUEST_DIFF_BASE_SHA=BEFORE,
        CI_MERGE_REQUEST_EVENT_TYPE="detached",
        CI_MERGE_REQUEST_ID="9001",
        CI_MERGE_REQUEST_IID="7",
        CI_MERGE_REQUEST_PROJECT_ID="34",
        CI_MERGE_REQUEST_PROJECT_PATH="harbour/shop",
        CI_MERGE_REQUEST_REF_PATH="refs/merge-requests/7/head",
        CI_MERGE_REQUEST_SOURCE_BRANCH_NAME="faster",
        CI_MERGE_REQUEST_SOURCE_PROJECT_ID="34",
        CI_MERGE_REQUEST_SOURCE_PROJECT_PATH="harbour/shop",
        CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main",
        CI_MERGE_REQUEST_TITLE="Sell faster",
    )
    del variables["CI_COMMIT_BRANCH"]
    return {**variables, **more}


def github(**more: str) -> dict[str, str]:
    """https://docs.github.com/en/actions/reference/workflows-and-actions/variables: a push to a branch."""
    return {
        "CI": "true",
        "GITHUB_ACTION": "__run_2",
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": "anna",
        "GITHUB_ACTOR_ID": "1234567",
        "GITHUB_API_URL": "https://api.github.com",
        "GITHUB_BASE_REF": "",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_GRAPHQL_URL": "https://api.github.com/graphql",
        "GITHUB_HEAD_REF": "",
        "GITHUB_JOB": "ecluse",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_REF_NAME": "main",
        "GITHUB_REF_PROTECTED": "true",
        "GITHUB_REF_TYPE": "branch",
        "GITHUB_REPOSITORY": "harbour/shop",
        "GITHUB_REPOSITORY_OWNER": "harbour",
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_RUN_ID": "1658821493",
        "GITHUB_RUN_NUMBER": "3",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": SHA,
        "GITHUB_TRIGGERING_ACTOR": "anna",
        "GITHUB_WORKFLOW": "ecluse",
        "RUNNER_ARCH": "X64",
        "RUNNER_ENVIRONMENT": "github-hosted",
        "RUNNER_NAME": "GitHub Actions 2",
        "RUNNER_OS": "Linux",
        "RUNNER_TEMP": "/home/runner/work/_temp",
        "ACTIONS_RUNTIME_TOKEN": "eyJ-secret",
        **more,
    }


def github_pull_request(**more: str) -> dict[str, str]:
    """A pull request: HEAD is detached at GitHub's merge commit, which GITHUB_SHA names."""
    return github(
        GITHUB_EVENT_NAME="pull_request",
        GITHUB_REF="refs/pull/12/merge",
        GITHUB_REF_NAME="12/merge",
        GITHUB_REF_PROTECTED="false",
        GITHUB_HEAD_REF="faster",
        GITHUB_BASE_REF="main",
    ) | dict(more)


def pull_request_payload(*, head: str | None = "harbour/shop") -> Mapping[str, object]:
    """The payload of a pull request; `head` None is a fork that is gone."""
    return {
        "action": "synchronize",
        "number": 12,
        "before": BEFORE,
        "pull_request": {
            "number": 12,
            "head": {"ref": "faster", "sha": BEFORE, "repo": {"full_name": head} if head else None},
            "base": {"ref": "main", "sha": SHA, "repo": {"full_name": "harbour/shop"}},
        },
    }


def gitea(**more: str) -> dict[str, str]:
    """https://docs.gitea.com/usage/actions/comparison: GitHub's names on a server of one's own."""
    variables = github(GITEA_ACTIONS="true", GITEA_ACTIONS_RUNNER_VERSION="v0.2.11")
    del variables["GITHUB_REF_PROTECTED"]
    return variables | {"GITHUB_SERVER_URL": "https://gitea.example.org", **more}


def forgejo(**more: str) -> dict[str, str]:
    """https://forgejo.org/docs/latest/user/actions/reference/: it sets the marks of Gitea and GitHub too."""
    own = {"FORGEJO_ACTIONS": "true", "FORGEJO_SHA": SHA, "FORGEJO_REF_NAME": "main"}
    return gitea() | {"GITHUB_SERVER_URL": "https://forgejo.example.org", **own, **more}


def jenkins(**more: str) -> dict[str, str]:
    """JENKINS_URL/env-vars.html and the git plugin's page: a branch of a multibranch job."""
    return {
        "BRANCH_IS_PRIMARY": "true",
        "BRANCH_NAME": "main",
        "BUILD_DISPLAY_NAME": "#25",
        "BUILD_ID": "25",
        "BUILD_NUMBER": "25",
        "BUILD_TAG": "jenkins-shop-main-25",
        "BUILD_URL": "https://jenkins.example.org/job/shop/job/main/25/",
        "CI": "true",
        "EXECUTOR_NUMBER": "1",
        "GIT_BRANCH": "main",
        "GIT_COMMIT": SHA,
        "GIT_PREVIOUS_COMMIT": BEFORE,
        "GIT_PREVIOUS_SUCCESSFUL_COMMIT": BEFORE,
        "GIT_URL": "https://git.example.org/harbour/shop.git",
        "HUDSON_URL": "https://jenkins.example.org/",
        "JENKINS_HOME": "/var/lib/jenkins",
        "JENKINS_URL": "https://jenkins.example.org/",
        "JOB_BASE_NAME": "main",
        "JOB_NAME": "shop/main",
        "JOB_URL": "https://jenkins.example.org/job/shop/job/main/",
        "NODE_LABELS": "docker linux",
        "NODE_NAME": "lock-7",
        "STAGE_NAME": "Run",
        "WORKSPACE": "/home/jenkins/workspace/shop_main",
        "WORKSPACE_TMP": "/home/jenkins/workspace/shop_main@tmp",
        **more,
    }


def jenkins_change(**more: str) -> dict[str, str]:
    """A change request of a multibranch job."""
    return jenkins(
        BRANCH_NAME="PR-12",
        GIT_BRANCH="PR-12",
        BRANCH_IS_PRIMARY="false",
        CHANGE_AUTHOR="bert",
        CHANGE_AUTHOR_EMAIL="bert@example.org",
        CHANGE_BRANCH="faster",
        CHANGE_ID="12",
        CHANGE_TARGET="main",
        CHANGE_TITLE="Sell faster",
        CHANGE_URL="https://git.example.org/harbour/shop/pulls/12",
        **more,
    )


def jenkins_plain(**more: str) -> dict[str, str]:
    """A plain job, which knows its branch from the git plugin alone."""
    variables = jenkins(GIT_BRANCH="origin/release/2")
    for name in ("BRANCH_NAME", "BRANCH_IS_PRIMARY"):
        del variables[name]
    return variables | more


def woodpecker(**more: str) -> dict[str, str]:
    """https://woodpecker-ci.org/docs/usage/environment: a push to a branch."""
    return {
        "CI": "woodpecker",
        "CI_COMMIT_AUTHOR": "anna",
        "CI_COMMIT_AUTHOR_EMAIL": "anna@example.org",
        "CI_COMMIT_BRANCH": "main",
        "CI_COMMIT_MESSAGE": "Sell boats",
        "CI_COMMIT_PULL_REQUEST": "",
        "CI_COMMIT_REF": "refs/heads/main",
        "CI_COMMIT_REFSPEC": "",
        "CI_COMMIT_SHA": SHA,
        "CI_COMMIT_SOURCE_BRANCH": "",
        "CI_COMMIT_TAG": "",
        "CI_COMMIT_TARGET_BRANCH": "",
        "CI_FORGE_TYPE": "forgejo",
        "CI_FORGE_URL": "https://git.example.org",
        "CI_PIPELINE_AUTHOR": "bert",
        "CI_PIPELINE_EVENT": "push",
        "CI_PIPELINE_NUMBER": "8",
        "CI_PIPELINE_URL": "https://ci.example.org/repos/7/pipeline/8",
        "CI_PREV_COMMIT_SHA": BEFORE,
        "CI_REPO": "harbour/shop",
        "CI_REPO_DEFAULT_BRANCH": "main",
        "CI_REPO_PRIVATE": "true",
        "CI_STEP_NAME": "ecluse",
        "CI_STEP_URL": "https://ci.example.org/repos/7/pipeline/8/1",
        "CI_SYSTEM_NAME": "woodpecker",
        "CI_WORKSPACE": "/woodpecker/src/git.example.org/harbour/shop",
        **more,
    }
