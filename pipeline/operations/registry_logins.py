"""The registry logins of the docker configuration: which there are, and whether a registry takes them."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 5.0
_HUB = "https://index.docker.io/v1/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """A registry's name, and what became of trying its login: `usable` is None where nobody answered."""

    registry: str
    usable: bool | None
    detail: str


def configuration(environment: Mapping[str, str]) -> Path:
    """The docker command's configuration file of this user."""
    folder = environment.get("DOCKER_CONFIG") or str(Path(environment.get("HOME", "~")).expanduser() / ".docker")
    return Path(folder) / "config.json"


def logins(path: Path) -> tuple[Login, ...]:
    """Try each login that the file names. ValueError when the file is not what docker writes."""
    try:
        known = json.loads(path.read_bytes())
    except FileNotFoundError:
        return ()
    if not isinstance(known, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  # what the file holds, not how we were called
    entries, helpers, store = known.get("auths") or {}, known.get("credHelpers") or {}, known.get("credsStore") or ""
    if not isinstance(entries, dict) or not isinstance(helpers, dict):
        raise ValueError("'auths' or 'credHelpers' is not an object")  # noqa: TRY004
    return tuple(_try(name, entries.get(name), helpers.get(name) or store) for name in sorted({*entries, *helpers}))


def _try(name: str, entry: object, helper: str) -> Login:
    registry = "docker.io" if name == _HUB else re.sub(r"^https?://", "", name).partition("/")[0]
    try:
        user, secret = _from_helper(helper, name) if helper else _from_entry(entry)
    except (OSError, ValueError, KeyError) as error:
        return Login(registry=registry, usable=False, detail=str(error))
    basic = "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()
    host = "registry-1.docker.io" if name == _HUB else registry
    scheme = "http" if re.match(r"(localhost|127\.0\.0\.1|\[::1\])(:|$)", host) else "https"
    try:
        status, challenge = _ask(f"{scheme}://{host}/v2/", basic)
        bearer = dict(re.findall(r'(\w+)="([^"]*)"', challenge)) if challenge.lower().startswith("bearer") else {}
        if status == 401 and bearer.get("realm", "").startswith(f"{scheme}://"):
            query = urllib.parse.urlencode({"service": bearer.get("service", ""), "account": user})
            status, _ = _ask(f"{bearer['realm']}?{query}", basic)
    except OSError as error:
        return Login(registry=registry, usable=None, detail=f"no answer from {host}: {getattr(error, 'reason', error)}")
    if status in (401, 403):
        return Login(registry=registry, usable=False, detail=f"{host} refuses the login of '{user}'")
    if status >= 400:
        return Login(registry=registry, usable=None, detail=f"{host} answers {status}")
    return Login(registry=registry, usable=True, detail=f"as '{user}'")


def _from_entry(entry: object) -> tuple[str, str]:
    if not isinstance(entry, dict) or not entry.get("auth"):
        raise ValueError("the configuration names it without a login")
    user, colon, secret = base64.b64decode(str(entry["auth"]), validate=True).decode().partition(":")
    if not colon:
        raise ValueError("its login cannot be read")
    return user, secret


def _from_helper(helper: str, name: str) -> tuple[str, str]:
    command = f"docker-credential-{helper}"
    try:
        answer = subprocess.run(
            (command, "get"), input=name.encode(), capture_output=True, check=False, timeout=_PATIENCE
        )
    except FileNotFoundError:
        raise ValueError(f"{command} is not installed") from None
    except subprocess.TimeoutExpired:
        raise ValueError(f"{command} does not answer") from None
    if answer.returncode:
        raise ValueError(f"{command} has no login for it")
    found = json.loads(answer.stdout)
    return str(found["Username"]), str(found["Secret"])


def _ask(url: str, authorization: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Authorization": authorization})  # noqa: S310  # http or https
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
            return int(answer.status), ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("WWW-Authenticate", "")
