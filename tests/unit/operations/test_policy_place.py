"""Where the policy is read from: a file of this machine or of a repository of operations; how the command shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from environment.repository import Repository

from pipeline.cli.commands import ecluse
from pipeline.errors import DefinitionError, EcluseError, UsageError
from pipeline.model.policy import Policy
from pipeline.operations.policy import policy_of, read_policy
from pipeline.settings import Settings, load_settings

GATE = "environments: {prod: {target: {docker: {}}, gates: {check: {image: 'a:1', command: ./gates/x.sh}}}}\n"
FILES = {"policy.yml": "version: 1\npeople: {anna: {}}\n" + GATE, "gates/x.sh": "exit 0\n"}


def written(folder: Path) -> Path:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "policy.yml"


def test_a_file_with_the_scripts_beside_it(tmp_path: Path) -> None:
    path = written(tmp_path / "ops")
    settings = load_settings({"ECLUSE_HOME": str(tmp_path / "home"), "ECLUSE_POLICY": str(path)})
    found = policy_of(settings)
    assert (found.file, found.scripts, list(found.people)) == ("policy.yml", {"gates/x.sh": b"exit 0\n"}, ["anna"])
    (tmp_path / "ops" / "gates" / "x.sh").write_text("exit 1\n")
    assert policy_of(settings).revision != found.revision


def test_no_setting_is_a_policy_that_binds_nothing(tmp_path: Path) -> None:
    assert policy_of(Settings(home=tmp_path)) == Policy()


@pytest.mark.parametrize("folder", ["", "ops"])
def test_a_file_of_a_repository(git_repo: Callable[..., Repository], tmp_path: Path, folder: str) -> None:
    start = f"{folder}/" if folder else ""
    ops = git_repo({start + name: text for name, text in FILES.items()}, name="ops")
    first = ops.commit()
    settings = Settings(home=tmp_path / "home", include_protocols=("file",))
    place = f"git+file://{ops.path}#{start}policy.yml@"
    found = read_policy(settings, place + "main")
    assert found.name == f"policy.yml@{first[:12]}"
    assert found.policy.scripts == {"gates/x.sh": b"exit 0\n"}
    (ops.path / start / "gates" / "x.sh").write_text("exit 1\n")
    ops.commit()
    assert read_policy(settings, place + "main").policy.revision != found.policy.revision
    assert read_policy(settings, place + first).policy.revision == found.policy.revision


@pytest.mark.parametrize(
    ("place", "said"),
    [
        pytest.param("nowhere.yml", "the policy file {}/nowhere.yml does not exist", id="no file"),
        pytest.param("", "the policy file {} is not a file", id="a folder"),
        pytest.param("git+https://example.org/ops.git",
                     "'git+https://example.org/ops.git' names no file of a repository",
                     id="no file of a repository"),
        pytest.param("git+ext::sh -c id#policy.yml@main",
                     "'ext::sh -c id' cannot be included: allowed are addresses of "
                     "https, ssh", id="an address that runs something"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(tmp_path: Path, place: str, said: str) -> None:
    wanted = place if place.startswith("git+") else str(tmp_path / place)
    with pytest.raises(EcluseError) as caught:
        read_policy(Settings(home=tmp_path), wanted)
    assert caught.value.message == said.format(tmp_path)


def test_scripts_never_come_from_elsewhere(tmp_path: Path) -> None:
    path = written(tmp_path / "ops")
    (tmp_path / "secret").write_text("x")
    for word in ("./../secret", "./gates/link", "./.git/config"):
        (tmp_path / "ops" / "gates" / "link").unlink(missing_ok=True)
        (tmp_path / "ops" / "gates" / "link").symlink_to(tmp_path / "secret")
        path.write_text(FILES["policy.yml"].replace("./gates/x.sh", word))
        with pytest.raises(DefinitionError):
            read_policy(Settings(home=tmp_path), str(path))


def call(*arguments: str) -> int:
    code = ecluse.main(list(arguments), prog_name="ecluse", standalone_mode=False)
    return int(code or 0)


def test_the_command_checks_a_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    assert call("check", "--policy", str(path)) == 0
    revision = read_policy(Settings(home=tmp_path), str(path)).policy.revision
    words = "● policy.yml is right: 1 person, 0 groups, 1 environment, revision"
    assert capsys.readouterr().out == f"{words} {revision.removeprefix('sha256:')[:12]}\n"
    path.write_text("version: 1\ngroups: {ops: anna}\n")
    assert call("check", "--policy", str(path), "--format", "json") == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["errors"], told["diagnostics"][0]["code"]) == (1, "unknown-person")
    assert call("check", "--policy", str(path)) == 2
    assert capsys.readouterr().out.startswith("policy.yml:2:15 error: group 'ops' names the person 'anna'")
    with pytest.raises(UsageError):
        call("check", "--policy", str(tmp_path / "none.yml"))


def test_the_command_prints_the_schema_of_a_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("schema", "policy") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Écluse policy file"
