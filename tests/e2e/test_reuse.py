"""Results of earlier runs, served and kept by the real command on a real engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from environment.command import Command
from environment.repository import Repository

HEAD = "version: 1\nname: shop\ndefaults: {image: 'BUSYBOX'}\nstages:\n"
Make = Callable[..., Repository]


@pytest.fixture
def shop(git_repo: Callable[..., Repository], images: Any) -> Make:
    """A repository with these stages and files."""

    def make(stages: str, files: dict[str, str] | None = None, name: str = "shop") -> Repository:
        return git_repo(
            {"pipeline.yml": (HEAD + stages).replace("BUSYBOX", images.busybox), **(files or {})}, name=name
        )

    return make


def stages_of(ecluse: Command, repository: Repository, run: str = "last") -> dict[str, tuple[str, str]]:
    """Name → (conclusion, reason) of a recorded run."""
    shown = ecluse("show", run, "--json", cwd=repository.path)
    assert shown.code == 0, shown.err
    found = json.loads(shown.out)
    stages = found["run"]["stages"] if "run" in found else found["stages"]
    return {item["name"]: (item["outcome"]["conclusion"], item["outcome"]["reason"]) for item in stages}


def reused_of(ecluse: Command, repository: Repository) -> set[str]:
    """The stages of the last run that earlier results served."""
    stages = stages_of(ecluse, repository)
    return {name for name, (_, reason) in stages.items() if reason.startswith("reused from ")}


def ran(ecluse: Command, repository: Repository, *words: str, code: int = 0, **more: Any) -> str:
    """`ecluse run` in plain lines."""
    ended = ecluse("run", "--plain", *words, cwd=repository.path, **more)
    assert ended.code == code, ended.out + ended.err
    return ended.out


CHAIN = "".join(f"  s{index}: {{reuse: true, commands: ['echo {index} > f{index}', 'ls']}}\n" for index in range(1, 6))


def test_a_run_without_a_change_reuses_everything_and_imports_no_engine(
    ecluse: Command, shop: Make, engine: str, tmp_home: Path
) -> None:
    repository = shop(CHAIN)
    first = ran(ecluse, repository)
    assert reused_of(ecluse, repository) == set()
    code = (
        "import sys; from pipeline.cli.door import answer; status = answer(['run', '--plain']);"
        "print(*[name for name in ('docker', 'requests', 'sqlalchemy', 'jsonschema') if name in sys.modules],"
        " file=sys.stderr); sys.exit(status)"
    )
    again = subprocess.run(
        [sys.executable, "-c", code], cwd=repository.path, env=ecluse.environment(), capture_output=True, text=True
    )
    assert (again.returncode, again.stderr.strip()) == (0, ""), again.stdout
    assert reused_of(ecluse, repository) == {"checkout", "s1", "s2", "s3", "s4", "s5"}
    assert stages_of(ecluse, repository)["s3"] == ("succeeded", "reused from run 1")
    log = ecluse("logs", "last", "s5", cwd=repository.path)
    assert "f4" in log.out
    assert "[s5] f4" in first


def test_what_a_reused_stage_wrote_is_there_for_one_that_runs(ecluse: Command, shop: Make, engine: str) -> None:
    repository = shop(
        "  gen: {reuse: true, inputs: [pipeline.yml], commands: ['mkdir -p out; echo made > out/a; chmod 755 out/a']}\n"
        "  del: {reuse: true, inputs: [pipeline.yml], commands: ['rm -r out; echo b > b']}\n"
        "  use: {reuse: true, commands: ['ls; cat b; test ! -e out; cat README.md']}\n",
        {"README.md": "one\n"},
    )
    ran(ecluse, repository)
    repository.write({"README.md": "two\n"})
    out = ran(ecluse, repository)
    assert reused_of(ecluse, repository) == {"gen", "del"}
    assert "· brought back what gen wrote in run 1" in out
    assert [line for line in out.splitlines() if line.startswith("[use] ") and "·" not in line and "$" not in line] == [
        "[use] README.md",
        "[use] b",
        "[use] pipeline.yml",
        "[use] b",
        "[use] two",
    ]


def test_a_stage_with_inputs_sees_only_those_files(ecluse: Command, shop: Make, engine: str) -> None:
    repository = shop(
        "  unit: {inputs: ['src/**', '!src/*.md'], commands: ['find . -mindepth 1 | sort', 'cat src/run.sh']}\n",
        {"src/a.py": "a\n", "src/run.sh": "#!/bin/sh\n", "src/x.md": "x\n", "README.md": "one\n"},
    )
    out = ran(ecluse, repository)
    assert [line for line in out.splitlines() if line.startswith("[unit] .")] == [
        "[unit] ./src",
        "[unit] ./src/a.py",
        "[unit] ./src/run.sh",
    ]
    repository.commit({"README.md": "two\n", "src/x.md": "y\n"})
    ran(ecluse, repository)
    assert reused_of(ecluse, repository) == {"unit"}
    assert stages_of(ecluse, repository)["checkout"] == ("succeeded", "not needed: what sees it is reused")
    (repository.path / "src/run.sh").chmod(0o644)
    ran(ecluse, repository)
    assert reused_of(ecluse, repository) == set()


def test_the_plan_says_what_is_reused_and_which_input_differs(ecluse: Command, shop: Make, engine: str) -> None:
    repository = shop(
        "  gen: {commands: 'echo 1'}\n"
        "  unit: {reuse: true, env: {A: '1'}, commands: 'true'}\n"
        "  late: {reuse: true, needs: [v], env: {V: '${{ stages.v.outputs.V }}'}, commands: 'echo $V'}\n"
        "  v: {needs: [], outputs: [V], commands: 'echo V=1 >> $ECLUSE_OUTPUT'}\n",
        {"src/a.py": "a\n", "src/b.py": "b\n"},
    )

    def plan() -> dict[str, str]:
        shown = ecluse("plan", cwd=repository.path)
        assert shown.code == 0, shown.err
        return {line.split()[1]: " ".join(line.split()) for line in shown.out.splitlines()[1:] if line.startswith("r")}

    assert plan()["unit"].endswith("no earlier result")
    assert plan()["late"].endswith("decided after v")
    ran(ecluse, repository)
    assert plan()["unit"] == "reuse unit run from run 1"
    ran(ecluse, repository)
    assert reused_of(ecluse, repository) == {"unit", "late"}
    repository.write({"src/a.py": "changed\n", "src/c.py": "new\n"})
    (repository.path / "src/b.py").unlink()
    assert plan()["unit"].endswith("inputs differ from run 1: src/a.py, src/b.py, src/c.py")
    text = (repository.path / "pipeline.yml").read_text()
    repository.git("checkout", "--quiet", ".")
    repository.write({"pipeline.yml": text.replace("A: '1'", "A: '2'")})
    assert plan()["unit"].endswith("inputs differ from run 1: variables, pipeline.yml, src/c.py")


def test_fresh_runs_again_and_replaces(ecluse: Command, shop: Make, engine: str) -> None:
    repository = shop("  a: {reuse: true, commands: 'true'}\n  b: {reuse: true, commands: 'true'}\n")
    ran(ecluse, repository)
    ran(ecluse, repository, "--fresh", "b")
    assert reused_of(ecluse, repository) == {"a"}
    ran(ecluse, repository)
    assert stages_of(ecluse, repository)["b"][1] == "reused from run 2"
    ran(ecluse, repository, "--fresh")
    assert reused_of(ecluse, repository) == set()
    wrong = ecluse("run", "--fresh", "c", cwd=repository.path)
    assert (wrong.code, "there is no stage 'c'" in wrong.err) == (2, True)


def test_only_success_at_once_is_kept(ecluse: Command, shop: Make, engine: str) -> None:
    repository = shop(
        "  warned: {reuse: true, allow_failure: true, commands: 'exit 3'}\n"
        "  flaky: {reuse: true, needs: [], retry: {max: 1, on: ['exit 4'], backoff: 0s},"
        " commands: 'test -e seen || { touch seen; exit 4; }'}\n"
        "  behind: {reuse: true, needs: [warned], commands: 'true'}\n"
        "  plain: {needs: [], commands: 'true'}\n"
        "  good: {reuse: true, needs: [plain], commands: 'true'}\n"
    )
    for _ in range(2):
        ended = ecluse("run", "--plain", cwd=repository.path)
        assert ended.code in (0, 1), ended.err
    assert reused_of(ecluse, repository) == {"good"}


def test_a_damaged_log_and_a_damaged_layer_are_noticed_and_dropped(
    ecluse: Command, shop: Make, engine: str, tmp_home: Path
) -> None:
    repository = shop(
        "  gen: {reuse: true, inputs: [pipeline.yml], commands: 'echo made > a'}\n"
        "  use: {reuse: true, commands: 'cat a'}\n",
        {"README.md": "one\n"},
    )
    ran(ecluse, repository)
    entries = [
        path.read_text().partition("\n")[2] for path in (tmp_home / "reuse/entries").rglob("*") if path.is_file()
    ]
    gen = next(entry for entry in map(json.loads, entries) if entry["stage"] == "gen")

    def damage(digest: str) -> None:
        digits = digest.removeprefix("sha256:")
        path = tmp_home / "storage" / digits[:2] / digits[2:]
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"!")

    damage(gen["layer"])
    repository.write({"README.md": "two\n"})
    out = ran(ecluse, repository)
    assert "what was kept of gen is missing or damaged: it is dropped" in out
    assert "running gen again for what it writes" in out
    assert "[use] made" in out
    ran(ecluse, repository)
    entries = [
        path.read_text().partition("\n")[2] for path in (tmp_home / "reuse/entries").rglob("*") if path.is_file()
    ]
    use = [entry for entry in map(json.loads, entries) if entry["stage"] == "use"]
    for entry in use:
        damage(entry["log"])
    out = ran(ecluse, repository)
    assert "use: an earlier result is damaged" in out
    assert "use" not in reused_of(ecluse, repository)


def test_a_built_image_serves_while_the_engine_has_it(ecluse: Command, shop: Make, engine: str, images: Any) -> None:
    repository = shop(
        "  image: {kind: build, builder: classic}\n",
        {"Dockerfile": f"FROM {images.busybox}\nCOPY a /a\n", "a": "1"},
    )
    ran(ecluse, repository)
    ran(ecluse, repository)
    assert reused_of(ecluse, repository) == {"checkout", "image"}
    listed = subprocess.run(
        ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], capture_output=True, text=True, check=True
    )
    installation = (ecluse.home / "installation").read_text()[:8]
    (name,) = [line for line in listed.stdout.splitlines() if installation in line]
    subprocess.run(["docker", "image", "rm", name], check=True, capture_output=True)
    ran(ecluse, repository)
    assert reused_of(ecluse, repository) == set()
    ecluse("gc", "--abandon", "--yes", cwd=repository.path)
    subprocess.run(
        ["sh", "-c", f"docker image ls -q 'ecluse-local/{installation}/*' | xargs -r docker image rm -f"], check=True
    )


def test_machines_share_results_through_a_folder(
    ecluse: Command, shop: Make, engine: str, tmp_path: Path, tmp_home: Path
) -> None:
    repository = shop(
        "  gen: {reuse: true, inputs: [pipeline.yml], commands: 'echo made > a',"
        " artifacts: [{name: a, paths: [a]}]}\n"
        "  use: {reuse: true, commands: 'cat a'}\n",
        {"README.md": "one\n"},
    )
    store = {"ECLUSE_STORE": str(tmp_path / "shared")}
    ran(ecluse, repository, env=store)
    other = Command(tmp_path / "other home", tmp_path)
    other.home.mkdir(mode=0o700)
    (other.home / "installation").write_text((tmp_home / "installation").read_text())
    out = ran(other, repository, env=store)
    assert out.count("reused from run 1") == 3
    assert "gen" in reused_of(other, repository)
    repository.write({"README.md": "two\n"})
    out = ran(other, repository, env=store)
    assert "· brought back what gen wrote in run 1" in out
    assert "[use] made" in out
    (tmp_path / "shared").rename(tmp_path / "gone")
    (tmp_path / "shared").write_text("no folder")
    repository.write({"README.md": "three\n"})
    out = ran(other, repository, env=store)
    assert "the shared store was left alone: cannot " in out


def test_nothing_of_a_run_that_the_tree_left_behind_is_kept(ecluse: Command, shop: Make, engine: str) -> None:
    """Somebody writes into the working tree while the run goes on: what it checked out is not what its keys name."""
    repository = shop("  slow: {reuse: true, commands: 'until test -e go; do sleep 0.05; done'}\n", {"a": "1"})
    text = (repository.path / "pipeline.yml").read_text()
    repository.write({"pipeline.yml": text.replace("until test -e go; do sleep 0.05; done", "cat a")})
    repository.commit()
    with ecluse.started("run", "--plain", cwd=repository.path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("shop")
        repository.write({"a": "2"})
        out, err = process.communicate()
    assert process.returncode == 0, out + err
    repository.write({"a": "1"})
    ran(ecluse, repository)
    changed = "the working tree changed while the run began" in out
    assert changed or "[slow] 1" in out or "[slow] 2" in out
    if changed:
        assert reused_of(ecluse, repository) == set()


def test_what_a_fork_leaves_no_run_of_main_believes(ecluse: Command, shop: Make, engine: str, tmp_path: Path) -> None:
    repository = shop("  unit: {reuse: true, commands: 'echo tested'}\n")
    event = tmp_path / "event.json"
    head = {"ref": "main", "repo": {"full_name": "stranger/shop", "fork": True}}
    base = {"ref": "main", "repo": {"full_name": "house/shop", "fork": False}}
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": head, "base": base}}))
    job = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "house/shop", "GITHUB_ACTOR": "somebody"}
    fork = {
        **job,
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_REF_NAME": "7/merge",
        "GITHUB_HEAD_REF": "main",
        "GITHUB_BASE_REF": "main",
        "GITHUB_EVENT_PATH": str(event),
    }
    main = {
        **job,
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_REF_NAME": "main",
        "GITHUB_REF_TYPE": "branch",
        "GITHUB_REF_PROTECTED": "true",
    }
    ran(ecluse, repository, env=fork)
    ran(ecluse, repository, env=fork)
    assert stages_of(ecluse, repository)["unit"][1] == "reused from run 1"
    ran(ecluse, repository, env=main)
    assert reused_of(ecluse, repository) == set()
    ran(ecluse, repository, env=main)
    assert stages_of(ecluse, repository)["unit"][1] == "reused from run 3"
    other = {**fork, "GITHUB_EVENT_PATH": str(tmp_path / "other.json")}
    (tmp_path / "other.json").write_text(event.read_text().replace('"number": 7', '"number": 8'))
    ran(ecluse, repository, env=other)
    assert stages_of(ecluse, repository)["unit"][1] == "reused from run 3"
