"""The files of exactly one commit and its submodules, checked out by git into a folder that lasts for the stage."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import SourceError, SourceUnreachableError
from pipeline.model.trust import Trust
from pipeline.ports.stage import StageContext
from stages.source_archive import Entry
from stages.source_git import git
from stages.source_mirror import is_local, mirror, strangers

_LFS = {"clean": "git-lfs clean -- %f", "smudge": "git-lfs smudge -- %f", "process": "git-lfs filter-process"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Checkout:
    """One repository on its way into the folder: `address` is what relative addresses of submodules start from."""

    address: str
    locations: tuple[str, ...]
    sha: str
    prefix: str = ""
    modules: Path | None = None
    levels: int = 0
    lfs: bool = False


@contextmanager
def committed(context: StageContext, *, levels: int, lfs: bool) -> Iterator[tuple[Entry, ...]]:
    """The files of `context.source.commit`; `levels` is how deep submodules are followed.

    Git itself writes them, under a configuration that knows no filter but Git LFS (and that only with `lfs`).
    Raises SourceError for a submodule or a Git LFS file that cannot be had, with its name and address.
    """
    if lfs and shutil.which("git-lfs") is None:
        raise SourceError("`lfs: true` needs git-lfs, which is not installed", hint="install git-lfs on this machine")
    source = context.source
    checkout = _Checkout(
        address=source.origin or source.path,
        locations=(source.path or source.origin,),
        sha=source.commit.sha,
        modules=_modules(source.path),
        levels=levels,
        lfs=lfs,
    )
    with tempfile.TemporaryDirectory(prefix="ecluse-checkout-") as scratch:
        root = Path(scratch, "tree")
        _export(context, checkout, root, Path(scratch, "index"))
        yield tuple(_walk(root))


def _export(context: StageContext, checkout: _Checkout, root: Path, index: Path) -> None:
    folder = _mirrored(context, checkout)
    root.mkdir(parents=True, exist_ok=True)
    apart = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    apart |= {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(root)}
    if checkout.lfs:
        _fetch_lfs(context, checkout, folder)
    filters = [f"filter.lfs.{name}={command}" for name, command in _LFS.items()] if checkout.lfs else []
    guards = [*filters, "core.bare=false", "core.protectHFS=true", "core.protectNTFS=true"]
    before = [word for guard in guards for word in ("-c", guard)]
    index.unlink(missing_ok=True)
    git(folder, *before, "read-tree", checkout.sha, cancel=context.cancel, variables=apart)
    git(folder, *before, "checkout-index", "-a", "-f", "-q", cancel=context.cancel, variables=apart)
    listing = git(folder, *before, "ls-files", "-s", "-z", cancel=context.cancel, variables=apart)
    modules: Mapping[str, tuple[str, str]] | None = None
    for line in listing.split(b"\0"):
        facts, _, raw = line.partition(b"\t")
        if not facts.startswith(b"160000 "):
            continue
        path, sha = os.fsdecode(raw), facts.split()[1].decode()
        if checkout.levels == 0:
            context.log.note(f"submodule {checkout.prefix}{path} is left out, as `submodules` says")
            continue
        if modules is None:
            modules = _gitmodules(context, folder, checkout.sha)
        below = _submodule(checkout, path, sha, modules)
        _export(context, below, root / path, index)


def _submodule(checkout: _Checkout, path: str, sha: str, modules: Mapping[str, tuple[str, str]]) -> _Checkout:
    prefix = f"{checkout.prefix}{path}"
    if path not in modules:
        raise SourceError(
            f"submodule '{prefix}' has no address: .gitmodules does not name it",
            hint="commit its lines in .gitmodules (`git submodule add`), or write `submodules: false`",
        )
    name, url = modules[path]
    address = _resolved(checkout.address, url)
    known = checkout.modules / name if checkout.modules and ".." not in Path(name).parts else None
    here = (str(known),) if known is not None and known.is_dir() else ()
    if is_local(address) and not is_local(checkout.address):
        raise SourceError(
            f"submodule '{prefix}' ({address}) names a folder of this machine, its repository comes from elsewhere",
            hint="give the submodule an address that others can reach, or write `submodules: false`",
        )
    return replace(
        checkout,
        address=address,
        locations=(*here, address),
        sha=sha,
        prefix=f"{prefix}/",
        modules=known / "modules" if known else None,
        levels=checkout.levels - 1,
    )


def _mirrored(context: StageContext, checkout: _Checkout) -> Path:
    *nearer, last = checkout.locations
    stranger = bool(checkout.prefix) and untrusted(context)
    for location in nearer:
        try:
            return mirror(context, location, checkout.sha)
        except SourceError:
            continue
    try:
        return mirror(context, last, checkout.sha, stranger=stranger)
    except SourceError as error:
        if not checkout.prefix:
            raise
        kind = SourceUnreachableError if isinstance(error, SourceUnreachableError) else SourceError
        raise kind(
            f"submodule '{checkout.prefix[:-1]}' ({last}) cannot be fetched: {error.message.removeprefix('git: ')}",
            hint=f"check that this machine may read it (`git ls-remote {last}`), or write `submodules: false`",
        ) from error


def untrusted(context: StageContext) -> bool:
    """Whether nobody vouches for what the repository's files say."""
    return context.scope.partition("/")[0] == Trust.UNTRUSTED.value


def _fetch_lfs(context: StageContext, checkout: _Checkout, folder: Path) -> None:
    location = checkout.locations[-1] if checkout.prefix else context.source.origin or checkout.address
    try:
        options, alone = _apart_lfs(context, location) if untrusted(context) else ((), {})
        git(folder, "config", "remote.origin.url", location, cancel=context.cancel)
        git(folder, *options, "lfs", "fetch", "origin", checkout.sha, cancel=context.cancel, variables=alone)
    except SourceError as error:
        raise SourceError(
            f"Git LFS files of {location} cannot be fetched: {error.message.removeprefix('git: ')}",
            hint=f"check that this machine may read them (`git lfs ls-files`, `git ls-remote {location}`)",
        ) from error


def _apart_lfs(context: StageContext, location: str) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Options and variables with which the repository's own server is asked, and not the one of a stranger's
    `.lfsconfig`; without credentials."""
    options, alone = strangers(context, location)
    return (*options, "-c", f"lfs.url={location.rstrip('/').removesuffix('.git')}.git/info/lfs"), alone


def _modules(path: str) -> Path | None:
    """Where a clone keeps the repositories of its submodules: nearer than their addresses."""
    if not path:
        return None
    for folder in (Path(path, ".git"), Path(path)):
        if (folder / "modules").is_dir() and (folder / "HEAD").is_file():
            return folder / "modules"
    return None


def _gitmodules(context: StageContext, folder: Path, sha: str) -> Mapping[str, tuple[str, str]]:
    """Path of each submodule to its name and address."""
    try:
        listing = git(folder, "config", "--blob", f"{sha}:.gitmodules", "-z", "--list", cancel=context.cancel)
    except SourceError:
        return {}
    values = dict(entry.partition("\n")[::2] for entry in os.fsdecode(listing).split("\0"))
    found = {}
    for key, path in values.items():
        if key.startswith("submodule.") and key.endswith(".path"):
            name = key.removeprefix("submodule.").removesuffix(".path")
            found[path] = (name, values.get(f"submodule.{name}.url", ""))
    return found


def _resolved(base: str, url: str) -> str:
    """An address relative to its superproject's, by the rules of git-submodule(1)."""
    if not url.startswith(("./", "../")):
        return url
    base = base.rstrip("/")
    while url.startswith(("./", "../")):
        if url.startswith("../"):
            head, sign, _ = base.rpartition("/")
            base = head if sign else base.partition(":")[0] + ":"
        url = url.partition("/")[2]
    return f"{base}{url}" if base.endswith(":") else f"{base}/{url}"


def _walk(root: Path) -> Iterator[Entry]:
    for folder, folders, names in os.walk(root):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in (*names, *links):
            place = Path(folder, name)
            yield Entry(name=str(place.relative_to(root)), place=place)
