"""Settings of this machine: a TOML file and `ECLUSE_…` variables collapse into one frozen value."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipeline.errors import SettingsError
from pipeline.model.permission import SecretRule

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
CERTIFICATE_VARIABLES = (
    "SSL_CERT_FILE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
)
SPELLED = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""How a setting that is on or off may be written; in TOML also as true and false."""
AT_LEAST_ONE = ("parallel", "pids", "slots")
CORRECT = "correct the value"
CERTIFICATES_PATH = "/etc/ecluse/certificates.crt"
"""Where a stage finds the host's certificate bundle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What the operator of a machine decides. Sizes in bytes, times in seconds."""

    home: Path
    executor: str = "docker"
    parallel: int = 4
    stage_timeout: float = 3600.0
    run_timeout: float = 6 * 3600.0
    grace: float = 10.0
    after_budget: float = 120.0
    """For `after:` commands and for stages that run although the run is being stopped."""
    cpu: float | None = None
    memory: int | None = None
    pids: int = 4096
    log_limit: int = 100 * 1024 * 1024
    certificates: str = ""
    """A PEM bundle of this host that every stage and every build gets; "" = none, `auto` = the host's own."""
    proxy: Mapping[str, str] = field(default_factory=dict)
    """Proxy variables that every stage and every build gets."""
    workspace: str = "auto"
    """auto | overlay | copy"""
    builder: str = "auto"
    """auto | buildkit | classic"""
    scanner_base: str = "python:3.12-slim"
    """The image on which the scanners are installed, once."""
    docker_host: str = ""
    """Engine address; "" = DOCKER_HOST or the default socket."""
    include_protocols: tuple[str, ...] = ("https", "ssh")
    """How git may ask for included files of other repositories; untrusted runs ask by https alone."""
    private_hosts: tuple[str, ...] = ()
    """Hosts (`host` or `host:port`) of private networks that an untrusted run's includes and submodules may name."""
    secrets: Mapping[str, SecretRule] = field(default_factory=dict)
    """Secrets that only some branches, tags or environments may read, by name; the others are for every trusted run."""
    notify_timeout: float = 10.0
    """How long a service may take that is notified of a run's end."""
    expression_variables: tuple[str, ...] = ()
    """Names of this host's variables that expressions may read with `env(name)`."""
    cache_limit: int = 2 * 1024**3
    """Bytes that one cache of a stage may have."""
    artifact_limit: int = 10 * 1024**3
    """Bytes that the artifacts and reports of one attempt of a stage may have together."""
    privileged_images: tuple[str, ...] = ()
    """Images (as they are written, `*` for any characters) whose containers may ask to be privileged."""
    devices: tuple[str, ...] = ()
    """Devices of the engine's host (`/dev/kvm`, `/dev/nvidia*`) that stages may ask for."""
    keep_failed: bool = False
    """Whether the containers of stages that fail are kept for `ecluse shell`."""
    keep_failed_most: int = 3
    """So many failed stages are kept; the oldest goes first."""
    keep_failed_hours: float = 24.0
    """So long a failed stage is kept."""
    keep_runs_days: float = 365.0
    """So long finished runs are remembered with their logs and artifacts, for `ecluse gc`; 0 = for ever."""
    keep_runs_most: int = 10_000
    """So many finished runs of a repository are remembered; 0 = all."""
    storage_limit: int = 0
    """Bytes that logs, artifacts and layers may take together; the oldest runs go first. 0 = without bound."""
    reuse_days: float = 30.0
    """So long a result or a cache is kept for later runs without being used."""
    reuse_limit: int = 20 * 1024**3
    """Bytes that results and caches may take; the longest unused go first."""
    host_network: bool = False
    """Whether stages may ask for the network of the engine's host."""
    database: str = ""
    """SQLAlchemy URL; "" = SQLite under `home`."""
    database_password_file: str = ""
    """A file with the password of `database`, where the address has none: PostgreSQL only."""
    secrets_key: str = ""
    """The file with the key of a server's secrets; "" = `secrets.key` under `home`. It belongs to every backup."""
    oidc: Mapping[str, str] = field(default_factory=dict)
    """A provider at which people sign in: `name`, `issuer`, `client`, `secret_file`, `login` and `groups` (claims)."""
    oidc_grants: Mapping[str, str] = field(default_factory=dict)
    """What the provider's groups give: group to `ROLE`, `ROLE REPOSITORY` or `ROLE REPOSITORY ENVIRONMENT`; several
    are joined by `,`."""
    listen: str = "127.0.0.1:8380"
    """Where `ecluse serve` answers."""
    public_url: str = ""
    """How people and forges reach the server, e.g. `https://ci.example.org`; "" = `http://` and `listen`."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies before the server, beside this machine: what they send as `X-Forwarded-For`
    and `X-Forwarded-Proto` is believed."""
    private_forges: bool = True
    """Whether APIs of forges may be at private addresses (10.x, 192.168.x, this machine)."""
    slots: int = 2
    """Runs that a worker makes at a time."""
    keep_events_days: float = 30.0
    """So long a server remembers webhooks, what of its queue is done, and what it told forges."""
    keep_audit_days: float = 730.0
    """So long a server remembers who did what, and which webhooks it has had; 0 = for ever."""
    limit_repository: int = 0
    """Runs of any one repository at a time, over all workers; 0 = as many as there are slots."""
    limit_deliveries: int = 0
    """Deployments at a time, over all workers; 0 = as many as there are slots."""
    limit_builds: int = 0
    """As `limit_deliveries`, for what pushes and people ask for."""
    limit_scheduled: int = 0
    """As `limit_deliveries`, for what the clock asks for."""
    lease: float = 30.0
    """Seconds after which the runs of a worker that has died are taken over."""
    drain: float = 600.0
    """Seconds that a server or worker waits at its end for the runs under way; those that remain are handed over."""
    space_reserve: int = 256 * 1024**2
    """Bytes that must be free under `home` for a server to be called ready; 0 = it is not looked at."""
    labels: tuple[str, ...] = ()
    """What this machine's worker has that others may not: stages ask for it with `runs_on`."""
    ledger_key: str = ""
    """A private Ed25519 key (a file of mode 0600) that signs the ledger's heads; "" = they are not signed."""
    store: str = ""
    """Where several machines share results and caches: a folder, or `s3://bucket/prefix?endpoint=https://…`."""
    protected_branches: tuple[str, ...] = ("main", "master")
    """Branches (globs, `*` crosses `/`) whose runs are protected on a CI host that does not say it itself."""
    policy: str = ""
    """The operations' policy file: a path, or `git+URL#FILE@REF` for a file of a repository; "" = there is none."""
    insecure_registries: tuple[str, ...] = ()
    """Registries (`host` or `host:port`) that are spoken to without TLS; those of this machine always are."""
    protected_tags: tuple[str, ...] = ()
    """As `protected_branches`, for tags."""
    swarm_image: str = "python:3.12-slim"
    """The image with a python3 in which the swarm executor's own small programs run on the nodes."""
    swarm_constraints: tuple[str, ...] = ()
    """Which nodes of the swarm stages may run on, as `docker service create --constraint` takes them."""
    swarm_socket: str = "/var/run/docker.sock"
    """Where a node's engine listens; the swarm fills in `{{.Node.Hostname}}`."""
    swarm_engines: str = ""
    """Where the nodes' engines listen for this machine, with `{hostname}` and `{address}` (`tcp://{address}:2376`, a
    certificate under DOCKER_CERT_PATH); "" = nothing listens: they are reached through the swarm itself."""

    @property
    def installation(self) -> str:
        """The id of this installation, made once and kept in `home/installation`; labels carry it."""
        return installation_id(self.home)


def default_home(environment: Mapping[str, str]) -> Path:
    """`ECLUSE_HOME`, else `$XDG_STATE_HOME/ecluse`, else `~/.local/state/ecluse`."""
    if environment.get("ECLUSE_HOME"):
        return Path(environment["ECLUSE_HOME"]).expanduser().absolute()
    state = environment.get("XDG_STATE_HOME")
    base = Path(state) if state else Path(environment.get("HOME", "~")).expanduser() / ".local" / "state"
    return base / "ecluse"


def make_home(home: Path) -> None:
    """Make the folder if it is not there, kept out of git: a CI host's cache wants it within the repository."""
    if not home.exists():
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / ".gitignore").write_text("*\n")


def installation_id(home: Path) -> str:
    """Read or make the installation's id (32 hex digits); two first commands at once agree on one.

    SettingsError where it cannot be written, or what is there is no id.
    """
    path = home / "installation"
    try:
        if not path.exists():
            make_home(home)
            _write_installation(path)
        found = path.read_text(errors="replace").strip()
    except OSError as error:
        raise SettingsError(
            f"cannot write {path}: {error.strerror}",
            hint="make the folder writable, or point ECLUSE_HOME to one that is",
        ) from error
    if not re.fullmatch("[0-9a-f]{32}", found):
        raise SettingsError(
            f"{path} holds {found!r}, which is no installation id",
            hint="put a backup in its place, or remove it; what runs left on the engine is then nobody's",
        )
    return found


def _write_installation(path: Path) -> None:
    draft = path.with_name(f".installation.{os.getpid()}")
    with draft.open("w") as file:
        file.write(os.urandom(16).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def load_settings(environment: Mapping[str, str], *, grace: float | None = None) -> Settings:
    """Settings from `ECLUSE_CONFIG`, else `home/config.toml`, overridden by `ECLUSE_<NAME>` variables.

    `grace` is the grace period where neither names one. Raises SettingsError with the file and key for an unknown
    key, a wrong type or broken TOML.
    """
    home = default_home(environment)
    settings = Settings(home=home) if grace is None else Settings(home=home, grace=grace)
    path = Path(environment.get("ECLUSE_CONFIG", home / "config.toml"))
    if path.exists():
        settings = _apply(settings, _read(path), str(path))
    variables = {
        name: environment[variable]
        for name in (item.name for item in fields(Settings))
        if (variable := f"ECLUSE_{name.upper()}") in environment and name not in ("home", "proxy", "secrets")
    }
    return _apply(settings, variables, "environment")


def _read(path: Path) -> Mapping[str, object]:
    import tomllib

    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}", hint="check its permissions") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}", hint="mend the TOML at that place") from error


def _apply(settings: Settings, values: Mapping[str, object], where: str) -> Settings:
    known = {item.name: str(item.type) for item in fields(Settings) if item.name != "home"}
    for name, value in values.items():
        if name not in known:
            raise SettingsError(
                f"{where}: unknown setting '{name}'", hint="known settings: " + ", ".join(sorted(known))
            )
        converted: Any = _convert(name, known[name], value, where)
        settings = replace(settings, **{name: converted})
    return settings


def _convert(name: str, kind: str, value: object, where: str) -> object:
    wrong = SettingsError(f"{where}: setting '{name}' is {value!r}, which is not {kind}", hint=CORRECT)
    if kind == "Mapping[str, SecretRule]":
        return _secret_rules(value, where)
    if kind.startswith("Mapping"):
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise wrong
        return MappingProxyType(dict(value))
    if kind.startswith("tuple"):
        words = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(item, str) for item in words):
            raise wrong
        return tuple(words)
    if kind.startswith("str"):
        if not isinstance(value, str):
            raise wrong
        return value
    if kind == "bool":
        if str(value).lower() not in SPELLED:
            raise wrong
        return SPELLED[str(value).lower()]
    number = _number(kind, value)
    if number is None:
        raise wrong
    least = 1 if name in AT_LEAST_ONE else 0
    if not least <= number < math.inf:
        raise SettingsError(
            f"{where}: setting '{name}' is {value!r}, which is not a number from {least} up", hint=CORRECT
        )
    return number


def _number(kind: str, value: object) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value) if kind.startswith("float") else int(value)
    except (ValueError, OverflowError):
        return None


def _secret_rules(value: object, where: str) -> Mapping[str, SecretRule]:
    """`[secrets.NAME]` with `branches`, `tags` and `environments`, each a list of texts."""
    known = tuple(item.name for item in fields(SecretRule))
    if not isinstance(value, dict):
        raise SettingsError(f"{where}: setting 'secrets' is no table", hint="write [secrets.NAME] and its keys")
    rules: dict[str, SecretRule] = {}
    for name, table in value.items():
        if not isinstance(table, dict) or not set(table) <= set(known):
            raise SettingsError(
                f"{where}: [secrets.{name}] takes only {', '.join(known)}", hint="correct the table's keys"
            )
        for key, items in table.items():
            if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
                raise SettingsError(f"{where}: [secrets.{name}] {key} is no list of texts", hint='write ["main"]')
        rules[name] = SecretRule(**{key: tuple(items) for key, items in table.items()})
    return MappingProxyType(rules)


def stage_environment(settings: Settings, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Proxy variables that stages get: those of the settings, else those of the host where `proxy` is empty."""
    if settings.proxy:
        return settings.proxy
    return {name: environment[name] for name in PROXY_VARIABLES if environment.get(name)}


def certificate_bundle(settings: Settings) -> Path | None:
    """The PEM bundle that stages get, or None. Raises SettingsError when the named file does not exist."""
    if not settings.certificates:
        return None
    if settings.certificates == "auto":
        candidates = (os.environ.get("SSL_CERT_FILE", ""), "/etc/ssl/certs/ca-certificates.crt")
        return next((Path(item) for item in candidates if item and Path(item).is_file()), None)
    path = Path(settings.certificates).expanduser()
    if not path.is_file():
        raise SettingsError(
            f"setting 'certificates': {path} does not exist", hint="name a PEM file of this host, or 'auto'"
        )
    return path
