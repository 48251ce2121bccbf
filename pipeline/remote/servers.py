"""The servers that this person has signed in to, with their tokens: a file for its owner's eyes only."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import SettingsError, SignInError, UsageError
from pipeline.remote.kept import path_of

HERE = "here"
"""What `--server` calls this machine."""
NAMES = ("ECLUSE_SERVER", "ECLUSE_TOKEN")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,500}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LARGEST = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownServer:
    """A server and by what we are known there."""

    name: str
    url: str
    """Without a slash at its end."""
    token: str
    ca: str = ""
    """A file with the certificates that vouch for it; "" = those of this machine."""
    insecure: bool = False
    """Whether somebody wants to speak to it by plain http."""

    def __repr__(self) -> str:
        """Without the token."""
        return f"KnownServer({self.name}, {self.url})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Servers:
    """All of them, by name. `default` is asked where nobody says otherwise; "" = this machine is."""

    known: Mapping[str, KnownServer]
    default: str = ""

    def with_server(self, server: KnownServer, *, default: bool) -> Servers:
        """With one more, or another one of that name."""
        known = {**self.known, server.name: server}
        return replace(self, known=known, default=server.name if default else self.default)

    def without(self, name: str) -> Servers:
        """Without that one."""
        left = {key: value for key, value in self.known.items() if key != name}
        return Servers(known=left, default=self.default if self.default in left else "")

    def called(self, word: str) -> KnownServer | None:
        """By its name or its URL."""
        if word in self.known:
            return self.known[word]
        url = word.rstrip("/")
        return next((item for item in self.known.values() if item.url == url), None)


def load(environment: Mapping[str, str]) -> Servers:
    """What was remembered; nothing where there is no file. SettingsError where others can read it, or it is broken."""
    path = path_of(environment)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_LARGEST)
    except FileNotFoundError:
        return Servers(known={})
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}", hint="it holds the tokens of `ecluse login`") from error
    if stat.S_IMODE(mode) & 0o077:
        raise SettingsError(f"{path}: others can read the tokens in it", hint=f"chmod 600 {path}")
    try:
        return _read(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SettingsError(
            f"{path} is no list of servers", hint="remove it, and sign in anew: ecluse login"
        ) from error


def save(environment: Mapping[str, str], servers: Servers) -> Path:
    """Keep them, readable for this user alone, in one step; the path."""
    path = path_of(environment)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps({"default": servers.default, "servers": [_written(item) for item in servers.known.values()]})
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text + "\n")
        draft.replace(path)
    except OSError as error:
        raise SettingsError(
            f"cannot write {path}: {error.strerror}", hint="XDG_CONFIG_HOME names another folder"
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink()
    return path


def chosen(word: str | None, environment: Mapping[str, str]) -> KnownServer | None:
    """The server to ask: of `--server`, of `ECLUSE_SERVER`, or the default one; None = this machine.

    `ECLUSE_TOKEN` goes only to the server that `ECLUSE_SERVER` names, or without that to a URL after `--server`.
    """
    told = environment.get("ECLUSE_SERVER", "")
    wanted = word or told
    if wanted == HERE:
        return None
    servers = load(environment)
    if not wanted:
        return servers.known.get(servers.default)
    found = servers.called(wanted)
    token = environment.get("ECLUSE_TOKEN", "")
    if token and wanted.rstrip("/") == (told or wanted).rstrip("/"):
        known = found or KnownServer(name=wanted, url=checked_url(wanted), token="")
        return replace(known, token=checked_token(token))
    if found is None:
        names = ", ".join(servers.known)
        hint = f"sign in first: ecluse login {wanted}" if "://" in wanted else f"known: {names or 'none'}; {HERE}"
        raise SignInError(f"nobody has signed in to a server '{wanted}' from here", hint=hint)
    return found


def checked_url(text: str, *, insecure: bool = False) -> str:
    """A server's URL as it is kept. UsageError for what cannot be one, and for plain http to another machine."""
    url = (text.strip() if "://" in text else f"https://{text.strip()}").rstrip("/")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"'{text}' is no URL: {error}", hint="write https://ci.example.org") from error
    wrong = parts.query or parts.fragment or parts.username is not None or not url.isprintable() or " " in url
    if parts.scheme not in ("https", "http") or not parts.hostname or wrong:
        raise UsageError(f"'{text}' is no URL of a server", hint="write https://ci.example.org")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not insecure:
        raise UsageError(
            f"{url} is not encrypted: everybody on the way can read the token",
            hint="use https://, or say --insecure where nobody else is on the way",
        )
    return url


def checked_token(text: str) -> str:
    """A token as it can stand in a header. UsageError, without its words, for what cannot be one."""
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise UsageError("this is no token", hint="`ecluse token create` and the page /account show one")
    return token


def checked_name(text: str) -> str:
    """What a server may be called."""
    if not _NAME.fullmatch(text) or text == HERE:
        raise UsageError(f"a server cannot be called '{text}'", hint="letters, digits, '.', '_', '-' and ':'")
    return text


def named_by(url: str) -> str:
    """What a server is called where nobody gives it a name: its host."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _read(body: Any) -> Servers:
    known = [
        KnownServer(
            name=checked_name(str(item["name"])),
            url=checked_url(str(item["url"]), insecure=bool(item.get("insecure"))),
            token=checked_token(str(item["token"])),
            ca=str(item.get("ca", "")),
            insecure=bool(item.get("insecure")),
        )
        for item in body["servers"]
    ]
    return Servers(known={item.name: item for item in known}, default=str(body.get("default", "")))


def _written(server: KnownServer) -> Mapping[str, object]:
    return {
        "name": server.name,
        "url": server.url,
        "token": server.token,
        "ca": server.ca,
        "insecure": server.insecure,
    }
