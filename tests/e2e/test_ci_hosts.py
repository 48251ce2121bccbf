"""Écluse inside the jobs of CI hosts: public runners with the job files that it prints, a Jenkins agent's variables."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import junitparser
import pytest
import yaml
from environment import leftovers as traces
from environment.command import Command
from environment.repository import Repository
from environment.runners import Runners

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit/hosts"))
import job_environments as jobs

Repositories = Callable[..., Repository]
PIPELINE = """\
version: 1
name: shop
defaults: {{image: "{image}"}}
stages:
  look: {{commands: ["echo begin; env; echo end"]}}
  unit:
    kind: test
    commands: ["cp said.xml report.xml", "exit {code}"]
    reports: {{junit: [report.xml]}}
"""
SAID = """\
<testsuite name="boats"><testcase classname="tests.test_boats" name="test_sells" file="tests/test_boats.py" line="2">
<failure message="assert 1 == 2">100% of it</failure></testcase><testcase name="test_floats"/></testsuite>
"""
HOSTS_WORDS = (
    "CI_",
    "GITHUB_",
    "GITLAB_",
    "GITEA_",
    "FORGEJO_",
    "RUNNER_",
    "ACTIONS_",
    "JENKINS_",
    "BUILD_",
    "CHANGE_",
)


@pytest.fixture
def shop(git_repo: Repositories, images: object) -> Repository:
    """A repository whose pipeline fails for a test."""
    return shop_of(git_repo, images)


def shop_of(git_repo: Repositories, images: object, *, code: int = 1) -> Repository:
    pipeline = PIPELINE.format(image=images.busybox, code=code)  # type: ignore[attr-defined]
    said = SAID if code else SAID.replace("<failure", "<system-out").replace("</failure", "</system-out")
    files = {
        "pipeline.yml": pipeline,
        "said.xml": said,
        "tests/test_boats.py": "def test_sells():\n    assert 1 == 2\n",
    }
    repository = git_repo(files)
    repository.git("remote", "add", "origin", "git@git.example.org:harbour/shop.git")
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repository.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    return repository


def look_of(ecluse: Command, cwd: Path, home: Path) -> dict[str, str]:
    """The environment that the stage `look` printed."""
    printed = ecluse("logs", "last", "look", cwd=cwd, env={"ECLUSE_HOME": str(home)})
    assert printed.code == 0, printed.err
    rows = printed.out.splitlines()
    return dict(row.partition("=")[::2] for row in rows[rows.index("begin") + 1 : rows.index("end")])


def assert_nothing_leaks(seen: Mapping[str, str], given: Mapping[str, str]) -> None:
    """No variable of the host is in a stage."""
    assert seen
    assert not [name for name in seen if name.startswith(HOSTS_WORDS)]
    own = {"CI", "PATH", "HOME", "HOSTNAME", "PWD", "SHLVL", "LANG", "_"}
    assert {name for name in seen if seen[name] == given.get(name, "") and seen[name]} <= own


def junit_of(folder: Path) -> tuple[int, int]:
    """Tests and failures of the report of `unit`."""
    suite = next(iter(junitparser.JUnitXml.fromfile(str(folder / "junit/ecluse-unit.xml"))))
    return suite.tests, suite.failures


def last_run(ecluse: Command, cwd: Path, home: Path) -> dict[str, object]:
    """The last run as it is recorded."""
    shown = ecluse("show", "last", "--json", cwd=cwd, env={"ECLUSE_HOME": str(home)})
    assert shown.code == 0, shown.err
    return dict(json.loads(shown.out))


def homes(ecluse: Command, folder: Path) -> Path:
    """A home elsewhere, of the same installation, as a host's cache would bring it back."""
    shutil.copytree(ecluse.home, folder)
    (folder / ".gitignore").write_text("*\n")
    return folder


@pytest.mark.parametrize("code", [pytest.param(1, id="failed"), pytest.param(0, id="succeeded")])
def test_in_a_job_of_gitlab_ci_local(
    ecluse: Command, git_repo: Repositories, images: object, engine: str, installation: str, runners: Runners, code: int
) -> None:
    shop = shop_of(git_repo, images, code=code)
    job = yaml.safe_load(ecluse("host", "gitlab").out)
    # What its head says of a shell runner: this machine is one.
    for name in ("image", "services"):
        del job["ecluse"][name]
    job["ecluse"]["variables"] = {
        name: value for name, value in job["ecluse"]["variables"].items() if not name.startswith("DOCKER_")
    }
    shop.commit({".gitlab-ci.yml": yaml.safe_dump(job), ".gitignore": ".gitlab-ci-local/\n"})
    home = homes(ecluse, shop.path / ".ecluse/home")
    variables = runners.environment()
    variables["PATH"] = f"{Path(sys.executable).parent}:{variables['PATH']}"
    ended = subprocess.run(
        [runners.gitlab_ci_local, "--force-shell-executor", "--no-color"],
        cwd=shop.path,
        env={**variables, "DOCKER_HOST": engine},
        capture_output=True,
        text=True,
        timeout=300,
    )
    out = ended.stdout + ended.stderr
    assert ended.returncode == code, out
    assert "json schema validated" in out
    recorded = last_run(ecluse, shop.path, home)
    assert (recorded["host"], recorded["branch"], recorded["dirty"]) == ("gitlab", "main", False)
    assert recorded["conclusion"] == ("failed" if code else "succeeded")
    assert junit_of(shop.path / ".ecluse/reports") == (2, code)
    assert "ECLUSE_CONCLUSION=" in (shop.path / ".ecluse/reports/run.env").read_text()
    assert json.loads((shop.path / ".ecluse/reports/gl-code-quality-report.json").read_text()) == []
    # gitlab-ci-local reads the section markers and says how long each took.
    assert "ecluse ecluse_unit_started" in out
    assert re.search(r"^ecluse ecluse_unit took \d+ ?ms$", out, re.MULTILINE)
    assert shop.git("status", "--porcelain") == ""
    assert_nothing_leaks(look_of(ecluse, shop.path, home), variables)
    assert traces.objects(engine, installation) == {}


KEEP = """\
name: keep
inputs: {name: {required: true}, path: {required: true}, include-hidden-files: {}, if-no-files-found: {}}
runs:
  using: composite
  steps: [{shell: sh, run: 'mkdir -p "$KEPT" && cp -r "${{ inputs.path }}/." "$KEPT"'}]
"""
NOTHING = """\
name: nothing
inputs: {path: {}, key: {}, restore-keys: {}, sarif_file: {}, category: {}}
runs: {using: composite, steps: [{shell: sh, run: "true"}]}
"""


def act(
    runners: Runners,
    event: str,
    *,
    shop: Repository,
    folder: Path,
    variables: Mapping[str, str],
    payload: object = None,
) -> subprocess.CompletedProcess[str]:
    """`act EVENT` on this machine itself, with actions that stand in for those of a server that is not reached."""
    actions = {"cache@v4": NOTHING, "upload-artifact@v4": KEEP}
    words = [str(runners.act), event, "-P", "ubuntu-latest=-self-hosted"]
    for name, text in actions.items():
        place = folder / "actions" / name.partition("@")[0]
        place.mkdir(parents=True)
        (place / "action.yml").write_text(text)
        words.append(f"--local-repository=actions/{name}={place}")
    scanning = folder / "actions/codeql-action/upload-sarif"
    scanning.mkdir(parents=True)
    (scanning / "action.yml").write_text(NOTHING)
    words.append(f"--local-repository=github/codeql-action@v3={scanning.parent}")
    for name, value in variables.items():
        words += ["--env", f"{name}={value}"]
    if payload is not None:
        (folder / "event.json").write_text(json.dumps(payload))
        words += ["--eventpath", str(folder / "event.json")]
    environment = runners.environment()
    environment |= {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
    }
    return subprocess.run(words, cwd=shop.path, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("event", "payload", "facts"),
    [
        pytest.param("push", None, {"branch": "main", "event": "push", "trust": "branch"}, id="push"),
        pytest.param(
            "pull_request",
            jobs.pull_request_payload(head="bert/shop"),
            {"branch": "faster", "event": "pull_request", "trust": "untrusted", "proposal": "12"},
            id="fork",
        ),
    ],
)
def test_in_a_job_of_act(
    ecluse: Command,
    shop: Repository,
    engine: str,
    installation: str,
    runners: Runners,
    tmp_path: Path,
    event: str,
    payload: object,
    facts: Mapping[str, str],
) -> None:
    shop.commit({".github/workflows/ecluse.yml": ecluse("host", "github").out})
    home, kept = homes(ecluse, tmp_path / "elsewhere"), tmp_path / "kept"
    variables = {"ECLUSE_HOME": str(home), "KEPT": str(kept), "DOCKER_HOST": engine}
    ended = act(runners, event, shop=shop, folder=tmp_path / "act", variables=variables, payload=payload)
    out = ended.stdout + ended.stderr
    assert ended.returncode == 1, out
    assert "Failure - Main Run" in out
    assert "exit status 1" in out or "exitcode '1'" in out, out
    assert "::group::" in out
    assert "::error file=tests/test_boats.py,line=2,title=unit%3A tests.test_boats.test_sells::assert 1 == 2" in out
    recorded = last_run(ecluse, shop.path, home)
    assert {name: recorded[name] for name in facts} == dict(facts)
    assert recorded["host"] == "github"
    assert "Success - Main Keep the reports" in out
    assert junit_of(kept) == (2, 1)
    assert_nothing_leaks(look_of(ecluse, shop.path, home), variables)
    assert traces.objects(engine, installation) == {}


def agent(shop: Repository, **more: str) -> dict[str, str]:
    """The variables of a build on a Jenkins agent that has checked out this repository."""
    return jobs.jenkins(WORKSPACE=str(shop.path), GIT_COMMIT=shop.git("rev-parse", "HEAD"), **more)


def test_on_a_jenkins_agent(ecluse: Command, shop: Repository, engine: str, installation: str, images: object) -> None:
    shop.git("checkout", "--quiet", "--detach")
    variables = agent(shop)
    ended = ecluse("run", cwd=shop.path, env=variables)
    assert ended.code == 1, ended.out + ended.err
    assert "\x1b" not in ended.out
    assert "::error" not in ended.out
    assert "section_start" not in ended.out
    recorded = last_run(ecluse, shop.path, ecluse.home)
    assert {name: recorded[name] for name in ("host", "branch", "trust", "url")} == {
        "host": "jenkins",
        "branch": "main",
        "trust": "protected",
        "url": variables["BUILD_URL"],
    }
    assert junit_of(shop.path / ".ecluse/reports") == (2, 1)
    assert shop.git("status", "--porcelain") == ""
    assert_nothing_leaks(look_of(ecluse, shop.path, ecluse.home), variables)
    # The workspace is used again by the next build: nothing of this one may be taken for its own.
    shop.commit({"pipeline.yml": (shop.path / "pipeline.yml").read_text().partition("  unit:")[0]})
    again = ecluse("run", cwd=shop.path, env=agent(shop))
    assert again.code == 0, again.out + again.err
    assert list((shop.path / ".ecluse/reports/junit").iterdir()) == []
    assert traces.objects(engine, installation) == {}


def test_a_job_file_of_github_writes_summary_and_outputs(ecluse: Command, shop: Repository, tmp_path: Path) -> None:
    files = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_OUTPUT": str(tmp_path / "output")}
    Path(files["GITHUB_OUTPUT"]).write_text("before=1\n")
    ended = ecluse("run", "--executor", "process", "--json", cwd=shop.path, env=jobs.github(**files))
    assert ended.code == 1
    assert all(json.loads(row) for row in ended.out.splitlines()), "annotations would break the events"
    assert "| unit | ✕ failed |" in Path(files["GITHUB_STEP_SUMMARY"]).read_text()
    written = Path(files["GITHUB_OUTPUT"]).read_text().splitlines()
    assert written[0] == "before=1"
    assert dict(row.split("=") for row in written)["conclusion"] == "failed"


def test_reports_can_go_elsewhere_and_their_trouble_does_not_fail_the_run(
    ecluse: Command, git_repo: Repositories, images: object, tmp_path: Path
) -> None:
    shop = shop_of(git_repo, images, code=0)
    ended = ecluse("run", "--executor", "process", "--reports", str(tmp_path / "kept"), cwd=shop.path)
    assert (ended.code, junit_of(tmp_path / "kept")) == (0, (2, 0)), ended.out
    (tmp_path / "file").write_text("")
    ended = ecluse("run", "--executor", "process", "--reports", str(tmp_path / "file/below"), cwd=shop.path)
    assert ended.code == 0
    assert "no reports: cannot write" in ended.out


def test_a_secret_that_a_test_quotes_reaches_no_report(ecluse: Command, git_repo: Repositories, tmp_path: Path) -> None:
    pipeline = PIPELINE.format(image="busybox:1", code=1).replace("kind: test", "kind: test\n    secrets: [TOKEN]")
    said = SAID.replace("assert 1 == 2", "got open&amp;sesame").replace("100% of it", "open&amp;sesame")
    shop = git_repo({"pipeline.yml": pipeline, "said.xml": said})
    summary = tmp_path / "summary"
    variables = jobs.github(GITHUB_STEP_SUMMARY=str(summary), ECLUSE_SECRET_TOKEN="open&sesame")
    ended = ecluse("run", "--executor", "process", cwd=shop.path, env=variables)
    assert "::error title=unit%3A tests.test_boats.test_sells::got ***" in ended.out, ended.out + ended.err
    shown = ecluse("show", "last", "--json", cwd=shop.path)
    written = [path.read_text() for path in (shop.path / ".ecluse/reports").rglob("*") if path.is_file()]
    assert not [text for text in (ended.out, shown.out, summary.read_text(), *written) if "sesame" in text]


STUBBORN = """\
version: 1
name: stubborn
defaults: {{image: "{image}", source: false}}
stages:
  sleeping: {{commands: ["trap '' TERM INT; echo awake; sleep 300 & wait; sleep 300"]}}
"""
GITHUB_CANCEL = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5))
"""What the runner sends, and how long it waits for the end; then it kills."""
TERM_AND_KILL = ((signal.SIGTERM, 10.0),)


@pytest.mark.parametrize(
    ("variables", "course"),
    [
        pytest.param(jobs.github(), GITHUB_CANCEL, id="github"),
        pytest.param(jobs.gitea(), GITHUB_CANCEL, id="gitea"),
        pytest.param(jobs.gitlab(), TERM_AND_KILL, id="gitlab"),
        pytest.param(jobs.jenkins(), TERM_AND_KILL, id="jenkins"),
    ],
)
def test_a_cancelled_job_leaves_nothing_although_its_command_ignores_signals(
    ecluse: Command,
    git_repo: Repositories,
    images: object,
    engine: str,
    installation: str,
    variables: Mapping[str, str],
    course: tuple[tuple[signal.Signals, float], ...],
) -> None:
    shop = git_repo({"pipeline.yml": STUBBORN.format(image=images.busybox)})  # type: ignore[attr-defined]
    with ecluse.started("run", cwd=shop.path, env=variables) as process:
        assert process.stdout is not None
        while "awake" not in (row := process.stdout.readline()) or "trap" in row:
            assert row, process.stderr and process.stderr.read()
        for number, seconds in course:
            process.send_signal(number)
            try:
                process.communicate(timeout=seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        assert process.poll() is not None, "the host would kill it now"
    assert process.returncode == 130
    assert traces.objects(engine, installation) == {}
    assert last_run(ecluse, shop.path, ecluse.home)["conclusion"] == "cancelled"
