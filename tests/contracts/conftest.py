"""Executors under contract, each in turn."""

from __future__ import annotations

import importlib
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from compose_ground import ComposeProject
from contracts.ground import Ground, closing, tar_of
from contracts.swarm_ground import swarm_ground
from docker import APIClient
from environment.compose import older
from environment.haproxy import Haproxy, haproxy
from environment.postgres import Postgres, postgres
from environment.progress import UnavailableError
from environment.swarm import Swarm
from prepared import prepared_records
from target_ground import Cluster, Engine

from pipeline.executors import EXECUTORS
from pipeline.model.value import Value
from pipeline.ports.records import Records
from pipeline.records import SqlRecords, sqlite_url
from pipeline.settings import Settings

NOW = datetime(2026, 11, 23, 12, 1, 30, 123456, tzinfo=UTC)
KINDS = {"docker overlay": ("docker", "overlay"), "docker copy": ("docker", "copy"), "process": ("process", "auto")}
SWARM = "swarm"
ON_THE_SWARM = {
    "test_a_chain_hands_everything_on",
    "test_a_found_layer_serves_the_next_step_of_a_stage",
    "test_a_join_sees_both_and_the_nearer_wins",
    "test_a_visitor_brings_files_before_the_start",
    "test_a_visitor_sees_what_a_stage_left",
    "test_archive_shows_the_merged_view",
    "test_cancel_ends_a_stage_that_will_not",
    "test_cancel_lets_a_stage_end_in_order",
    "test_close_leaves_nothing",
    "test_close_without_any_use_leaves_nothing",
    "test_output_arrives_whole_and_in_order",
    "test_output_is_what_was_printed",
    "test_probe_says_what_is_there",
    "test_stdin_is_read_to_its_end",
    "test_what_is_cancelled_before_does_not_start",
    "test_what_is_kept_outlives_the_run_until_it_is_removed",
}
"""Promises that the swarm executor keeps in `make test`; the whole suite takes it minutes, so that is in tests/soak."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each executor in turn, where neither the test names its own nor its module has another ground."""
    named = any("ground" in str(mark.args[:1]) for mark in metafunc.definition.iter_markers("parametrize"))
    if "ground" in metafunc.fixturenames and not named and not hasattr(metafunc.module, "ground"):
        kinds = [*KINDS, SWARM] if metafunc.function.__name__ in ON_THE_SWARM else [*KINDS]
        metafunc.parametrize("ground", kinds, indirect=True, ids=lambda name: name.replace(" ", "-"))


@pytest.fixture
def ground(request: pytest.FixtureRequest, engine: str, images: Any, tmp_home: Path) -> Iterator[Ground]:
    """Each executor in turn."""
    kind = request.param
    if kind == SWARM:
        yield from closing(swarm_ground(request, tmp_home))
        return
    name, workspace = KINDS[kind]
    settings = Settings(home=tmp_home, docker_host=engine, workspace=workspace, grace=2.0, host_network=True)
    module, _, attribute = EXECUTORS[name].partition(":")
    executor = getattr(importlib.import_module(module), attribute)(settings)
    yield from closing(Ground(kind=kind, settings=settings, executor=executor, image=images.busybox))


@pytest.fixture
def swarmed(request: pytest.FixtureRequest, tmp_home: Path) -> Iterator[Ground]:
    """The swarm executor alone, which reaches its nodes through doors, as on machines of their own."""
    yield from closing(swarm_ground(request, tmp_home, doors=True))


@pytest.fixture
def docker_ground(engine: str, images: Any, tmp_home: Path) -> Iterator[Ground]:
    """The Docker executor alone, for what only an engine can do."""
    module, _, attribute = EXECUTORS["docker"].partition(":")
    settings = Settings(home=tmp_home, docker_host=engine, workspace="overlay", grace=2.0)
    executor = getattr(importlib.import_module(module), attribute)(settings)
    made = Ground(kind="docker overlay", settings=settings, executor=executor, image=images.busybox)
    yield made
    for session in made.opened:
        session.close()


@pytest.fixture
def tar() -> Callable[..., bytes]:
    """A tar stream from paths; see `tar_of`."""
    return tar_of


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[tuple[Postgres, str]]:
    """A real PostgreSQL, and the name of a database in it whose schema is up to date."""
    try:
        with postgres() as server:
            template = server.fresh()
            records = SqlRecords(server.url(template))
            records.outlines()
            records.close()
            yield server, template
    except UnavailableError as error:
        pytest.fail(f"test environment: {error}", pytrace=False)


@pytest.fixture(params=["sqlite", "sqlite, spooled", "postgresql"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Records]:
    """Each database in turn, empty; entries of the ledger are made at one fixed time."""
    if request.param.startswith("sqlite"):
        opened = SqlRecords(sqlite_url(tmp_path), now=lambda: NOW)
        if request.param.endswith("spooled"):  # a process that comes to a database that is there
            opened.outlines()
            opened.close()
        yield opened
        opened.close()
        return
    server, template = request.getfixturevalue("postgres_server")
    name = server.fresh(template=template)
    opened = SqlRecords(server.url(name), now=lambda: NOW)
    yield opened
    opened.close()
    server.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Each database in turn, empty, for whoever opens it more than once."""
    if request.param == "sqlite":
        yield prepared_records(tmp_path)
        return
    server, template = request.getfixturevalue("postgres_server")
    name = server.fresh(template=template)
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def client(engine: str) -> Iterator[APIClient]:
    """Looks at the engine from outside."""
    made = APIClient(base_url=engine, version="auto")
    yield made
    made.close()


@pytest.fixture
def cluster(swarm: Swarm, swarm_image: str, tmp_home: Path) -> Iterator[Cluster]:
    """Environments on three real nodes, removed at the end."""
    subject = Cluster(swarm, tmp_home, swarm_image)
    yield subject
    subject.close()


@pytest.fixture
def docker(engine: str, tmp_home: Path, images: Any) -> Iterator[Engine]:
    """Environments of docker targets on the real engine, removed at the end."""
    subject = Engine(engine, tmp_home, images.busybox)
    yield subject
    subject.clear()


@pytest.fixture
def composed(
    request: pytest.FixtureRequest,
    engine: str,
    tmp_home: Path,
    tmp_path: Path,
    images: Any,
    compose_plugin: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ComposeProject]:
    """A compose project on the real engine, removed at the end; with the plugin, or with the `older` compose."""
    try:
        variables = older(tmp_path) if getattr(request, "param", "") == "older" else compose_plugin
    except UnavailableError as error:
        pytest.fail(f"test environment: {error}", pytrace=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    subject = ComposeProject(engine, tmp_home, images.busybox)
    yield subject
    subject.close()


@pytest.fixture
def proxy(short_folder: Path) -> Iterator[Haproxy]:
    """A real HAProxy of the test's own."""
    folder = Path(tempfile.mkdtemp(prefix="haproxy-", dir=short_folder))
    try:
        with haproxy(folder) as made:
            yield made
    except UnavailableError as error:
        pytest.fail(f"test environment: {error}", pytrace=False)


@pytest.fixture
def everywhere() -> dict[str, Value]:
    """Options of a service with an instance on each node, at a port of the node."""
    return {"replicas": 3, "routing": "host", "publish": [f"{20_000 + secrets.randbelow(10_000)}:8080"]}
