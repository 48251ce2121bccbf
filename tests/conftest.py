"""What tests stand on: a real engine, real images, real servers, real git and the real command."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).resolve().parent))

from environment import compose as compose_programs
from environment import leftovers as traces
from environment import nagios as nagios_server
from environment import prometheus as prometheus_server
from environment import registry as registry_server
from environment import repository, spreading
from environment import runners as job_runners
from environment import session as environment_session
from environment import swarm as swarm_nodes
from environment.command import Command
from environment.nagios import Nagios, Nsca
from environment.places import find
from environment.progress import UnavailableError
from environment.prometheus import Prometheus, Pushgateway
from environment.repository import Repository
from environment.runners import Runners
from environment.session import Facts
from environment.swarm import Swarm

# How long an example takes says nothing where something else keeps the machine busy.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

ON_REAL_SERVERS = ("contracts", "e2e")
MARK = os.environ.setdefault(traces.MARK, secrets.token_hex(6))
OURS = spreading.worker() + MARK
"""How the installations of this process's tests end: others of the same session are at work beside it."""


@contextmanager
def _or_say_what_is_missing() -> Iterator[None]:
    """A part that cannot be had fails the test that needs it, with what to do; it is never skipped."""
    try:
        yield
    except UnavailableError as error:
        pytest.fail(f"test environment: {error}", pytrace=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """Names of the base images on the engine."""

    busybox: str
    python: str
    postgres: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryWithLogin:
    """A registry that answers only with this login."""

    address: str
    user: str
    password: str


@pytest.fixture(scope="session")
def environment() -> Iterator[Facts]:
    """The engine, the base images and the registry, brought up if they are not; what was started is ended."""
    with ExitStack() as stack:
        with _or_say_what_is_missing():
            facts = stack.enter_context(environment_session.held())
        before = {name: os.environ.get(name) for name in facts.variables()}
        os.environ.update(facts.variables())
        yield facts
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@pytest.fixture(scope="session")
def leftovers(environment: Facts) -> Iterator[Callable[[], dict[str, str]]]:
    """What this process's installations have on the engine, name → kind; at the session's end it must be nothing."""
    url = environment.engine.url
    yield lambda: traces.objects(url, OURS)
    left = traces.objects(url, OURS)
    traces.remove(url, left)
    if left:
        lines = "\n".join(f"  {kind} {name}" for name, kind in sorted(left.items()))
        pytest.fail(f"the tests left behind on the engine:\n{lines}", pytrace=False)


@pytest.fixture(scope="session")
def engine(environment: Facts, leftovers: Callable[[], dict[str, str]]) -> str:
    """The engine's address; `DOCKER_HOST` is set to it as well."""
    return environment.engine.url


@pytest.fixture(scope="session")
def images(environment: Facts) -> Images:
    """Names of base images that the engine has."""
    names = environment.variables()
    return Images(
        busybox=names["ECLUSE_TEST_BUSYBOX"], python=names["ECLUSE_TEST_PYTHON"], postgres=names["ECLUSE_TEST_POSTGRES"]
    )


@pytest.fixture(scope="session")
def registry(environment: Facts) -> str:
    """host:port of a registry without login, shared by all tests: take repository names of your own."""
    return environment.registry


@pytest.fixture(scope="session")
def registry_with_login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryWithLogin]:
    """A second registry that wants a login."""
    with ExitStack() as stack:
        with _or_say_what_is_missing():
            address = stack.enter_context(registry_server.with_login(tmp_path_factory.mktemp("registry")))
        yield RegistryWithLogin(address=address, user=registry_server.USER, password=registry_server.PASSWORD)


@pytest.fixture
def tmp_home(tmp_path: Path) -> Path:
    """An `ECLUSE_HOME` of the test's own, with an installation that the check for leftovers knows."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "installation").write_text(secrets.token_hex(9) + OURS + "\n")
    return home


@pytest.fixture
def installation(tmp_home: Path) -> str:
    """The id of the installation in `tmp_home`, for tests that make labelled objects without the command."""
    return (tmp_home / "installation").read_text().strip()


@pytest.fixture
def git_repo(tmp_path: Path) -> Callable[..., Repository]:
    """Makes a fresh git repository with these files committed: `git_repo({"a.txt": "…"}, name="shop")`."""

    def make(files: Mapping[str, str | bytes] | None = None, *, name: str = "repository") -> Repository:
        return repository.create(tmp_path / name, files)

    return make


@pytest.fixture
def ecluse(tmp_home: Path, tmp_path: Path) -> Command:
    """The real command: `ecluse("run", cwd=repository.path)` gives its code, out and err."""
    return Command(tmp_home, tmp_path)


@pytest.fixture(scope="session")
def runners(environment: Facts) -> Runners:
    """Public runners of job files: `.gitlab_ci_local`, `.act`, and the `.environment()` that they run in."""
    with _or_say_what_is_missing():
        return job_runners.provide(find())


@pytest.fixture(scope="session")
def compose_plugin() -> Mapping[str, str]:
    """Variables with which compose is the plugin."""
    with _or_say_what_is_missing():
        return compose_programs.plugin(find())


@pytest.fixture(scope="session")
def pushgateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushgateway]:
    """A real Pushgateway: `.url`, `.metrics()`."""
    with ExitStack() as stack:
        with _or_say_what_is_missing():
            server = stack.enter_context(prometheus_server.pushgateway(tmp_path_factory.mktemp("pushgateway")))
        yield server


@pytest.fixture(scope="session")
def prometheus(pushgateway: Pushgateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A real Prometheus that scrapes `pushgateway`: `.query(expression)`, `.await_series(expression)`."""
    with ExitStack() as stack:
        with _or_say_what_is_missing():
            folder = tmp_path_factory.mktemp("prometheus")
            server = stack.enter_context(prometheus_server.prometheus(folder, pushgateway))
        yield server


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A temporary folder whose path is short enough for unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ecluse-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def swarm(short_folder: Path) -> Iterator[Swarm]:
    """Three real nodes: `.manager`, `.nodes`, `.provide(image, …)`. Shared: name services as your own."""
    with ExitStack() as stack:
        with _or_say_what_is_missing():
            found = stack.enter_context(swarm_nodes.swarm(short_folder))
        yield found


@pytest.fixture(scope="session")
def swarm_image(swarm: Swarm, engine: str, images: Images) -> str:
    """busybox in the swarm's registry, by digest."""
    return swarm.provide(images.busybox, source=engine, repository="busybox")


@pytest.fixture(scope="session")
def swarm_python(swarm: Swarm, engine: str, images: Images) -> str:
    """An image with a python3 in the swarm's registry, by digest."""
    return swarm.provide(images.python, source=engine, repository="python")


@pytest.fixture(scope="session")
def nagios(short_folder: Path) -> Iterator[Nagios]:
    """A real Nagios: `.command_file`, `.host`, `.services`, `.await_check(service, state=…)`."""
    with ExitStack() as stack:
        with _or_say_what_is_missing():
            server = stack.enter_context(nagios_server.nagios(short_folder))
        yield server


@pytest.fixture(scope="session")
def nsca(short_folder: Path, nagios: Nagios) -> Iterator[Nsca]:
    """A real NSCA daemon with XOR encryption and a password in front of `nagios`: `.host`, `.port`, `.password`."""
    with ExitStack() as stack:
        with _or_say_what_is_missing():
            server = stack.enter_context(nagios_server.nsca(short_folder, nagios))
        yield server


@pytest.fixture(scope="session")
def nsca_plain(short_folder: Path, nagios: Nagios) -> Iterator[Nsca]:
    """As `nsca`, without encryption."""
    with ExitStack() as stack:
        with _or_say_what_is_missing():
            server = stack.enter_context(nagios_server.nsca(short_folder, nagios, encryption=0))
        yield server


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a run of the tests may be asked for."""
    parser.addoption("--pictures", action="store_true", help="write the pictures of the documentation anew")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `--numprocesses auto` stands for: one for each processor, none for a few files."""
    return spreading.processes(config.args)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """File by file, in the order in which they were collected."""
    return spreading.scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The quick ones first: unit, then contracts, then e2e; the order within each stays. Those on real servers may be
    run once more, which the summary shows (docs/decisions/0025)."""
    here = Path(__file__).resolve().parent
    order = ("unit", *ON_REAL_SERVERS)

    def folder(item: pytest.Item) -> str:
        return item.path.relative_to(here).parts[0] if item.path.is_relative_to(here) else ""

    items.sort(key=lambda item: order.index(folder(item)) if folder(item) in order else len(order))
    for item in items:
        if folder(item) in ON_REAL_SERVERS:
            item.add_marker(pytest.mark.flaky(reruns=1))
