"""Addresses of repositories and of their forges' APIs: what may be one, and what follows from one."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pipeline.model.repository import ForgeKind

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_UNSHOWN = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff]")
_SCP = re.compile(r"(?:[A-Za-z0-9._-]+@)?([A-Za-z0-9.-]+):(?!//)[^:].*")
_CLONED = ("https", "http", "ssh", "git", "file")
_PUBLIC = {
    "github.com": ForgeKind.GITHUB,
    "gitlab.com": ForgeKind.GITLAB,
    "bitbucket.org": ForgeKind.BITBUCKET,
    "codeberg.org": ForgeKind.GITEA,
    "gitea.com": ForgeKind.GITEA,
}


def wrong_name(name: str) -> str:
    """Why this cannot be a repository's name; "" where it can."""
    if _NAME.fullmatch(name) and not name.endswith(".git"):
        return ""
    return "a name is owner/name, of letters, digits, '.', '_' and '-'"


def wrong_url(url: str) -> str:
    """Why a repository cannot be cloned from here; "" where it can be tried."""
    if not url or _UNSHOWN.search(url.replace(" ", "") if url.startswith("/") else url) or url.startswith("-"):
        return "it is empty, begins with '-' or has white space"
    if "://" not in url:
        known = url.startswith("/") or (_SCP.fullmatch(url) and "::" not in url)
        return "" if known else "it is neither a URL, nor host:path, nor an absolute path"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in _CLONED:
        return f"'{parts.scheme}' is none of {', '.join(_CLONED)}"
    if parts.password is not None or (parts.scheme.startswith("http") and parts.username is not None):
        return "it has a login in it; logins belong into git's credential helper or an ssh key"
    if parts.scheme != "file" and not parts.hostname:
        return "it names no host"
    return "it has a query or a fragment" if parts.query or parts.fragment else ""


def wrong_api(api: str) -> str:
    """Why this cannot be the base URL of an API; "" where it can."""
    if _UNSHOWN.search(api):
        return "it has white space"
    try:
        parts = urlsplit(api)
        _ = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "it begins with neither https:// nor http://"
    if not parts.hostname:
        return "it names no host"
    if parts.username is not None or parts.password is not None:
        return "it has a login in it; the token is set with --token-file"
    return "it has a query or a fragment" if parts.query or parts.fragment else ""


def host_of(url: str) -> str:
    """Host (and port of http) of a repository's address; "" for a path."""
    if "://" in url:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port and parts.scheme.startswith("http") else ""
        return f"{parts.hostname or ''}{port}"
    found = _SCP.fullmatch(url)
    return found.group(1) if found and not url.startswith("/") else ""


def guessed_forge(url: str) -> ForgeKind:
    """By the host, of those that everybody knows; else plain git."""
    return _PUBLIC.get(host_of(url).lower(), ForgeKind.PLAIN)


def api_of(forge: ForgeKind, url: str, api: str) -> str:
    """The base URL of the forge's API, without a slash at its end; "" where there is none."""
    host = host_of(url)
    if api or not host:
        return api.rstrip("/")
    base = ("http://" if url.startswith("http://") else "https://") + host
    match forge:
        case ForgeKind.GITHUB:
            return "https://api.github.com" if host.lower() == "github.com" else f"{base}/api/v3"
        case ForgeKind.GITLAB:
            return f"{base}/api/v4"
        case ForgeKind.GITEA:
            return f"{base}/api/v1"
        case ForgeKind.BITBUCKET:
            return "https://api.bitbucket.org/2.0"
        case ForgeKind.PLAIN:
            return ""


def path_of(url: str) -> str:
    """What the forge calls the repository: `owner/name`, of GitLab with all its groups; "" where it is a path."""
    if not host_of(url):
        return ""
    path = urlsplit(url).path if "://" in url else url.partition(":")[2]
    return path.strip("/").removesuffix(".git")
