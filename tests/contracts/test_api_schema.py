"""The API keeps to its own description, whatever it is asked: schemathesis over real records of a real run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from served import Served, serve

from pipeline.model.account import Role
from pipeline.model.repository import Repository
from pipeline.operations.prepare import StartRequest
from pipeline.operations.start import start

PIPELINE = """
version: 1
name: shop
stages:
  checkout: {kind: checkout}
  unit:
    image: busybox
    commands: ["echo hello > out.txt"]
    artifacts: [{name: out, paths: out.txt}]
"""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
NONE = tuple(HealthCheck)
KNOWN = {"owner": "anna", "name": "shop", "number": 1, "stage": "unit", "seq": 1}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that knows one repository, in which one run has ended."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "pipeline.yml").write_text(PIPELINE)
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("-c", "user.name=anna", "-c", "user.email=anna@example.org", "commit", "-qm", "first"),
    ):
        subprocess.run(("git", *words), cwd=folder, check=True)
    with serve(tmp_path_factory.mktemp("home")) as made:
        made.app.intake.save_repository(Repository(name="anna/shop", url=str(folder), created=made.time.now()))
        start(made.app, StartRequest(repository=folder, executor="process"), ())
        made.app.records.note(actor="anna", action="said", subject="hello", reason="", data={})
        made.person("dora", (Role.ADMIN, "*", "*"))
        yield made


@pytest.fixture(scope="module")
def token(served: Served) -> str:
    return served.token("dora")


def test_every_route_keeps_to_its_description(served: Served, token: str) -> None:
    described = schemathesis.openapi.from_asgi("/api/v1/openapi.json", served.web).include(path_regex="^/api/v1/")
    headers = {"Authorization": f"Bearer {token}"}
    wrong: list[str] = []
    asked: list[int] = []
    for operation in (found.ok() for found in described.get_all_operations()):
        try:
            _holds(operation, headers, asked)
        except Exception as error:  # noqa: BLE001  # all that is wrong is told, not the first alone
            wrong.append(f"{operation.method} {operation.path}: {error}")
    assert not wrong, "\n\n".join(wrong)
    assert len(asked) > 100
    assert asked.count(200) > 10


def _holds(operation: schemathesis.schemas.APIOperation, headers: dict[str, str], asked: list[int]) -> None:
    @settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=NONE)
    @given(case=operation.as_strategy(), known=st.booleans())
    def holds(case: schemathesis.Case, known: bool) -> None:
        if known and case.path_parameters:
            case.path_parameters = {name: KNOWN.get(name, value) for name, value in case.path_parameters.items()}
        asked.append(case.call_and_validate(headers=headers, checks=CHECKS).status_code)

    holds()
