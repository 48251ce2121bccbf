"""What may be said about a compose target, what is laid over its file, and what a promotion goes back to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.diagnostic import Position
from pipeline.errors import UsageError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.value import Value
from pipeline.settings import Settings
from pipeline.targets.compose.installed import installed
from pipeline.targets.compose.options import ComposeOptions, compose_options
from pipeline.targets.compose.project import Member, base_of, neighbours
from pipeline.targets.compose.version import LABEL_BEFORE, LABEL_VERSION, Version, layer, version_of
from pipeline.targets.docker.fleet import Deployed

GOOD: Mapping[str, Value] = {"file": "/srv/shop/compose.yml", "project": "shop", "service": "web"}
V1 = Version(image="r/shop@sha256:1", release="sha256:r1", promotion="p1", spec="s1", configuration={"A": "1"})
V2 = replace(V1, image="r/shop@sha256:2", promotion="p2", secrets="ecluse-secrets-p2")


def options(given: Mapping[str, Value], *, policy: str = "", origin: str = "") -> ComposeOptions:
    position = Position(file="pipeline.yml", line=1, column=1)
    environment = EnvironmentDefinition(
        name="prod", position=position, target_kind="compose", target=given, origin=origin
    )
    return compose_options(environment, Settings(home=Path("/nowhere"), policy=policy))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param({"file": None}, "`file` is missing", id="no-file"),
        pytest.param({"project": ""}, "`project` is missing", id="no-project"),
        pytest.param({"project": "Shop"}, r"project: 'Shop' is no name", id="project"),
        pytest.param({"service": "--help"}, r"service: '--help' is no name", id="service"),
        pytest.param({"settle": "soon"}, "soon", id="settle"),
        pytest.param({"host": "10.0.0.1"}, "not an engine's address", id="host"),
        pytest.param({"file": "compose.yml"}, "'compose.yml' is a relative path", id="relative"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(wrong: Mapping[str, Value], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        options({**GOOD, **wrong})
    assert caught.value.message.startswith("environment 'prod': target.compose")


@pytest.mark.parametrize(
    ("policy", "origin", "path"),
    [
        pytest.param("/etc/ecluse/policy.yml", "policy.yml (01234567)", "/etc/ecluse/shop/compose.yml", id="policy"),
        pytest.param("/etc/ecluse/policy.yml", "branch main (0123456)", "", id="of-a-branch"),
        pytest.param("git+https://e/ops#policy.yml@main", "policy.yml (0123456789ab)", "", id="policy-elsewhere"),
    ],
)
def test_a_relative_file_begins_beside_a_policy_of_this_machine_only(policy: str, origin: str, path: str) -> None:
    written = {**GOOD, "file": "shop/compose.yml"}
    if path:
        assert options(written, policy=policy, origin=origin).files == (Path(path),)
    else:
        with pytest.raises(UsageError, match="relative path"):
            options(written, policy=policy, origin=origin)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"compose file /srv/shop/compose\.yml cannot be read"):
        options(GOOD).digest()


def program(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_no_compose_says_how_to_get_one(tmp_path: Path) -> None:
    program(tmp_path / "docker-compose", "echo no version at all")
    with pytest.raises(UsageError, match="neither `docker compose` nor `docker-compose`") as caught:
        installed({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert "install" in caught.value.hint


@pytest.mark.parametrize(
    ("there", "words", "version"),
    [
        pytest.param(("docker-compose",), ("docker-compose",), "1.29.2", id="older"),
        pytest.param(("docker", "docker-compose"), ("docker", "compose"), "2.30.0", id="by-docker"),
        pytest.param(
            (".docker/cli-plugins/docker-compose", "docker", "docker-compose"),
            (".docker/cli-plugins/docker-compose",),
            "v2.26.1-4",
            id="plugin-of-the-user",
        ),
        pytest.param(
            ("extra/docker-compose", ".docker/cli-plugins/docker-compose", "docker-compose"),
            ("extra/docker-compose",),
            "v5.0.0",
            id="plugin-elsewhere",
        ),
    ],
)
def test_the_plugin_goes_before_the_older_compose(
    tmp_path: Path, there: tuple[str, ...], words: tuple[str, ...], version: str
) -> None:
    says = {
        "docker": '[ "$1" = compose ] && echo 2.30.0',
        "docker-compose": "echo 1.29.2",
        ".docker/cli-plugins/docker-compose": "echo v2.26.1-4",
        "extra/docker-compose": "echo v5.0.0",
    }
    for name in there:
        program(tmp_path / name, says[name])
    if "extra/docker-compose" in there:
        (tmp_path / ".docker/config.json").write_text(json.dumps({"cliPluginsExtraDirs": [str(tmp_path / "extra")]}))
    found = installed({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert found.words == (str(tmp_path / words[0]), *words[1:])
    assert (found.version, found.plugin) == (version, version != "1.29.2")


@given(
    st.builds(
        Version,
        image=st.text(),
        release=st.text(),
        promotion=st.text(),
        fence=st.integers(),
        configuration=st.dictionaries(st.text(), st.text()),
        secrets=st.text(),
    )
)
def test_a_version_comes_back_from_its_label(version: Version) -> None:
    assert version_of(version.text()) == version


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"other": 1}', "{}"])
def test_what_is_no_version_is_none(text: str) -> None:
    assert version_of(text) is None


def test_what_is_laid_over_the_file_can_be_made_again_from_the_labels() -> None:
    made = layer("web", V2, V1, owner={"io.ecluse.environment": "prod"}, labels={"team": "lock"})
    body = made["services"]["web"]
    assert (body["image"], body["environment"]) == ("r/shop@sha256:2", {"A": "1"})
    assert body["volumes"] == ["ecluse-secrets-p2:/run/secrets:ro"]
    assert made["volumes"] == {"ecluse-secrets-p2": {"external": True}}
    labels = body["labels"]
    again = layer(
        "web",
        version_of(labels[LABEL_VERSION]) or V1,
        version_of(labels[LABEL_BEFORE]),
        owner={"io.ecluse.environment": "prod"},
        labels={"team": "lock"},
    )
    assert again == made


def test_of_what_a_person_started_only_the_image_is_held() -> None:
    made = layer("web", Version(image="sha256:1"), None, owner={"a": "b"}, labels={})
    assert made == {"services": {"web": {"image": "sha256:1"}}}


def member(version: Version, *, before: Version | None = None, running: bool = True, ran: bool = True) -> Member:
    from datetime import UTC, datetime

    deployed = Deployed(
        id=version.promotion, name=version.promotion, image=version.image, release="", promotion=version.promotion,
        replaces="", spec="", rehearsal=False, running=running, restarts=0, exit_code=0, health="", networks={},
        started=datetime(2026, 1, 1, tzinfo=UTC) if ran else None,
    )  # fmt: skip
    return Member(deployed=deployed, version=version, before=before, image=version.image, published=(), labels={})


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param([member(V1)], V1, id="what-serves"),
        pytest.param([member(V1, running=False)], V1, id="what-was-stopped"),
        pytest.param([member(V1, running=False), member(V2, before=V1, running=False, ran=False)], V1, id="half-way"),
        pytest.param([member(V2, before=V1, running=False, ran=False)], V1, id="only-made"),
        pytest.param([member(replace(V1, promotion="p3"), before=V2)], V2, id="its-own-labels"),
    ],
)
def test_what_promotion_p3_goes_back_to(members: list[Member], expected: Version | None) -> None:
    assert base_of(members, "p3") == expected


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        pytest.param({"web": {}}, [], id="alone"),
        pytest.param({"web": {"depends_on": ["db"]}, "db": {}, "x": {}}, [("db", False)], id="list"),
        pytest.param(
            {"web": {"depends_on": {"setup": {"condition": "service_completed_successfully"}}},
             "setup": {"depends_on": {"db": {"condition": "service_healthy"}}}, "db": {}},
            [("db", False), ("setup", True)],
            id="nearest-last",
        ),
        pytest.param({"web": {"links": ["db:sql"], "network_mode": "service:vpn"}, "db": {}, "vpn": {}},
                     [("db", False), ("vpn", False)], id="links"),
        pytest.param({"web": {"links": ["a"]}, "a": {"links": ["web"]}}, [("a", False)], id="circle"),
    ],
)  # fmt: skip
def test_what_the_service_depends_on(services: Mapping[str, Any], expected: list[tuple[str, bool]]) -> None:
    assert [(item.name, item.once) for item in neighbours({"services": services}, "web")] == expected
