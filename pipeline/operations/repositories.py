"""What repositories are called: `owner/name` for people, pages and the API; the URL is the key of their runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from pipeline.errors import NotFoundError
from pipeline.ports.application import Application

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LOCAL = "local"
"""The owner of a repository whose address names none."""


def repository_names(app: Application) -> Mapping[str, str]:
    """URL to name of every repository that the server looks after."""
    return {item.url: item.name for item in app.intake.repositories()}


def name_of(app: Application, url: str) -> str:
    """The name of a repository; of one that the server does not look after, one made from its URL or path."""
    return named(url, repository_names(app))


def named(url: str, known: Mapping[str, str]) -> str:
    """As `name_of`, by the names that are `known` by URL. A name that somebody has is nobody else's: whoever may look
    at the one repository sees nothing of another that its address alone would call the same."""
    name = known.get(url) or spelled(url)
    if url in known or name not in known.values():
        return name
    return f"{name}-{hashlib.sha256(url.encode('utf-8', 'replace')).hexdigest()[:8]}"


def url_of(app: Application, name: str) -> str:
    """The key under which the runs of a repository are recorded. NotFoundError for a name that nobody has.

    Repositories that the server does not look after are known by the runs they have.
    """
    try:
        return app.intake.find_repository(name).url
    except NotFoundError:
        known = repository_names(app)
        found = next((url for url in app.records.repositories() if named(url, known) == name), None)
        if found is None:
            raise
        return found


def spelled(url: str) -> str:
    """`owner/name` from a URL or a path: exactly one slash, the groups of a GitLab address joined by dots."""
    path = re.sub(r"^[a-z][a-z0-9+.-]*://[^/]*", "", url)
    if path == url:  # host:path of ssh, or a folder
        path = re.sub(r"^[^/]*:", "", url)
    parts = [part for part in (_UNSAFE.sub("-", item).strip("-") for item in path.split("/")) if part.strip(".")]
    if not parts:
        return f"{_LOCAL}/{_UNSAFE.sub('-', url).strip('-.') or 'repository'}"
    name = parts[-1].removesuffix(".git") or parts[-1]
    if len(parts) == 1:
        return f"{_LOCAL}/{name}"
    folder = path.startswith("/") and path == url
    return f"{parts[-2] if folder else '.'.join(parts[:-1])}/{name}"
