"""Environments of real repositories: the policy's, the default branch's, and what a working tree cannot loosen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from environment.repository import Repository

from pipeline.bootstrap import Application
from pipeline.errors import DefinitionError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.trust import Trust
from pipeline.operations.check import check
from pipeline.operations.prepare import Planned, StartRequest, planned
from pipeline.operations.surroundings import environments_at

HEAD = (
    "version: 1\nname: shop\nvariables: {HOST: a.example}\nstages: {hello: {image: 'busybox:1.36', commands: 'true'}}\n"
)
GUARDED = """\
environments:
  dev: {target: {docker: {}}, url: "http://${{ variables.HOST }}"}
  prod:
    target: {docker: {}}
    after: dev
    url: "http://${{ variables.HOST }}/${{ branch }}"
    gates: [{window: {timezone: UTC, allow: Mon}}]
"""
LOOSE = GUARDED.replace("    gates: [{window: {timezone: UTC, allow: Mon}}]\n", "").replace("    after: dev\n", "")


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application({"ECLUSE_HOME": str(tmp_path / "home")})


def plan(app: Application, repository: Repository, **changes: object) -> Planned:
    return planned(app, StartRequest(repository=repository.path, **changes))  # type: ignore[arg-type]


def found(result: Planned) -> dict[str, EnvironmentDefinition]:
    return {item.name: item for item in result.plan.environments}


def hints(result: Planned) -> list[str]:
    return [item.message for item in result.diagnostics if item.code.startswith("environment")]


def test_the_default_branch_itself(app: Application, git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"pipeline.yml": HEAD + GUARDED})
    tip = repository.git("rev-parse", "HEAD")[:12]
    result = plan(app, repository, variables={"HOST": "b.example"})
    places = found(result)
    assert {item.origin for item in places.values()} == {f"main ({tip})"}
    assert places["prod"].url == "http://b.example/main"
    assert hints(result) == []


def test_a_working_tree_cannot_loosen_a_gate(app: Application, git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"pipeline.yml": HEAD + GUARDED})
    tip = repository.git("rev-parse", "HEAD")[:12]
    repository.write({"pipeline.yml": HEAD.replace("a.example", "c.example") + LOOSE})
    result = plan(app, repository, variables={"HOST": "b.example"})
    prod = found(result)["prod"]
    assert (prod.after, [gate.name for gate in prod.gates], prod.origin) == (("dev",), ["window"], f"main ({tip})")
    assert prod.url == "http://a.example/main", "with the variables of the default branch, and none of the command line"
    assert found(result)["dev"].url == "http://b.example"
    assert found(result)["dev"].origin == "the working tree"
    assert hints(result) == [f"environment 'prod' is another one on main ({tip}), and that one counts"]


def test_a_branch_is_measured_by_the_remote(
    app: Application, git_repo: Callable[..., Repository], tmp_path: Path
) -> None:
    upstream = git_repo({"pipeline.yml": HEAD + GUARDED}, name="upstream")
    path = tmp_path / "clone"
    upstream.git("clone", "--quiet", str(upstream.path), str(path))
    clone = Repository(path=path)
    for key, value in (("user.name", "a"), ("user.email", "a@example.org")):
        clone.git("config", key, value)
    clone.git("checkout", "--quiet", "-b", "loose")
    first = clone.commit({"pipeline.yml": HEAD + LOOSE + "  late: {target: {docker: {}}, after: dev}\n"})
    places = found(plan(app, clone))
    tip = upstream.git("rev-parse", "HEAD")[:12]
    assert [gate.name for gate in places["prod"].gates] == ["window"]
    assert places["prod"].origin == f"main ({tip})"
    assert places["late"].unfounded == f"main ({tip}) does not have it yet"
    clone.git("branch", "--quiet", "-f", "main", first)
    assert [gate.name for gate in found(plan(app, clone))["prod"].gates] == ["window"], "not the local branch's"


def test_a_file_that_the_default_branch_does_not_have(app: Application, git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"README": ""})
    repository.write({"pipeline.yml": HEAD + GUARDED})
    tip = repository.git("rev-parse", "HEAD")[:12]
    places = found(plan(app, repository))
    assert (places["dev"].unfounded, places["prod"].unfounded) == ("", f"main ({tip}) does not have it yet")
    words = "nothing can be promoted into environment 'prod' yet"
    assert hints(plan(app, repository)) == [f"{words}: main ({tip}) does not have it yet"]


@pytest.mark.parametrize("branches", [1, 2])
def test_the_only_branch_is_the_default_one(
    app: Application, git_repo: Callable[..., Repository], branches: int
) -> None:
    repository = git_repo({"pipeline.yml": HEAD + GUARDED})
    repository.git("branch", "--quiet", "-m", "trunk")
    if branches == 2:
        repository.git("branch", "--quiet", "other")
    places = found(plan(app, repository))
    unknown = "nobody can tell here what the default branch says of it"
    assert (places["dev"].unfounded, places["prod"].unfounded) == ("", "" if branches == 1 else unknown)


def test_a_default_branch_whose_file_is_broken(app: Application, git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"pipeline.yml": "version: 1\n"})
    repository.git("checkout", "--quiet", "-b", "mended")
    repository.commit({"pipeline.yml": HEAD + GUARDED})
    assert found(plan(app, repository))["prod"].unfounded != ""


def test_a_run_of_an_older_commit_is_judged_by_the_tip(app: Application, git_repo: Callable[..., Repository]) -> None:
    repository = git_repo({"pipeline.yml": HEAD + LOOSE})
    first = repository.git("rev-parse", "HEAD")
    repository.commit({"pipeline.yml": HEAD + GUARDED})
    assert [gate.name for gate in found(plan(app, repository, revision=first))["prod"].gates] == ["window"]


POLICY = "version: 1\nenvironments:\n  prod: {target: {docker: {}}, gates: [{window: {timezone: UTC, allow: Tue}}]}\n"
DEPLOYING = """\
version: 1
name: shop
stages:
  image: {kind: build}
  push: {kind: push, image: image, to: registry.example.org/shop}
  prod: {kind: deploy, environment: prod}
"""


def test_environments_of_a_policy_replace_all_others(git_repo: Callable[..., Repository], tmp_path: Path) -> None:
    (tmp_path / "policy.yml").write_text(POLICY)
    app = Application({"ECLUSE_HOME": str(tmp_path / "home"), "ECLUSE_POLICY": str(tmp_path / "policy.yml")})
    repository = git_repo({"pipeline.yml": DEPLOYING})
    (prod,) = plan(app, repository).plan.environments
    assert (prod.gates[0].rule.allow, prod.origin[:12]) == (("Tue",), "policy.yml (")  # type: ignore[union-attr]
    repository.commit(
        {"pipeline.yml": DEPLOYING + "environments: {prod: {target: {docker: {}}}, own: {target: {docker: {}}}}\n"}
    )
    result = plan(app, repository)
    assert [item.name for item in result.plan.environments] == ["prod"]
    assert hints(result) == ["the environments of this file do not count"]
    repository.commit({"pipeline.yml": DEPLOYING.replace("environment: prod", "environment: own")})
    with pytest.raises(DefinitionError) as caught:
        plan(app, repository)
    assert [item.code for item in caught.value.diagnostics] == ["unknown-environment"]


def test_commands_find_the_same(app: Application, git_repo: Callable[..., Repository], tmp_path: Path) -> None:
    repository = git_repo({"pipeline.yml": HEAD + GUARDED})
    repository.write({"pipeline.yml": HEAD + LOOSE})
    assert environments_at(app, repository.path).environments == plan(app, repository).plan.environments
    (tmp_path / "policy.yml").write_text(POLICY)
    elsewhere = Application({"ECLUSE_HOME": str(tmp_path / "h"), "ECLUSE_POLICY": str(tmp_path / "policy.yml")})
    assert [item.name for item in environments_at(elsewhere, tmp_path).environments] == ["prod"]


GROUPS = "version: 1\npeople: {anna: {}}\ngroups: {ops: [anna]}\nprotected: {shop: {branches: [trunk]}}\n"
APPROVED = GUARDED.replace("window: {timezone: UTC, allow: Mon}", "approvals: {from: opps}")


def test_the_check_knows_the_policy(git_repo: Callable[..., Repository], tmp_path: Path) -> None:
    path = tmp_path / "policy.yml"
    app = Application({"ECLUSE_HOME": str(tmp_path / "home"), "ECLUSE_POLICY": str(path)})
    repository = git_repo({"pipeline.yml": HEAD + APPROVED})
    path.write_text(GROUPS)
    (problem,) = check(app, repository.path, file="pipeline.yml").diagnostics
    words = "environment 'prod' wants approvals of the group 'opps', which policy.yml does not have"
    assert (problem.message, problem.note) == (words, "did you mean 'ops'?")
    assert problem.position.line == len((HEAD + APPROVED).splitlines())
    path.write_text(POLICY)
    repository.write({"pipeline.yml": DEPLOYING})
    assert check(app, repository.path, file="pipeline.yml").errors == 0
    path.write_text("version: 1\ngroups: {ops: eve}\n")
    found = check(app, repository.path, file="pipeline.yml").diagnostics
    assert [item.position.file for item in found] == ["policy.yml"]


JOB = {"CI": "woodpecker", "CI_PIPELINE_EVENT": "push"}
"""Of a host that does not say which branches are protected."""


@pytest.mark.parametrize(("branch", "trust"), [("trunk", Trust.PROTECTED), ("main", Trust.BRANCH)])
def test_the_policy_says_which_branches_are_protected(
    git_repo: Callable[..., Repository], tmp_path: Path, branch: str, trust: Trust
) -> None:
    (tmp_path / "policy.yml").write_text(GROUPS)
    repository = git_repo({"pipeline.yml": HEAD + GUARDED})
    job = {**JOB, "CI_COMMIT_BRANCH": branch, "CI_COMMIT_SHA": repository.git("rev-parse", "HEAD")}
    home, policy = str(tmp_path / "home"), str(tmp_path / "policy.yml")
    app = Application({**job, "ECLUSE_HOME": home, "ECLUSE_POLICY": policy})
    assert plan(app, repository).plan.event.trust is trust
