"""A copy from one repository to another: first what a manifest names, then itself, then what refers to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pipeline.errors import ImageNotFoundError, RegistryBusyError, RegistryError
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress
from pipeline.registries.client import Blob, RepositoryClient
from pipeline.registries.manifest import Descriptor, Manifest, index_of, short
from pipeline.registries.names import is_digest

COSIGN: tuple[str, ...] = ("sig", "att", "sbom")
"""Tags by which cosign finds what belongs to an image: `sha256-<hex>.sig`."""
DEPTH = 8
"""Manifests within manifests, and evidence of evidence."""
MOST = 2000
"""Manifests of one copy."""
TRIES = 3
Result = TypeVar("Result")


@dataclass(kw_only=True, slots=True)
class Tally:
    """What a copy did."""

    there: int = 0
    mounted: int = 0
    moved: int = 0
    moved_bytes: int = 0
    manifests: int = 0
    evidence: int = 0

    @property
    def sentence(self) -> str:
        """`3 manifests, 2 of evidence; blobs: 4 mounted, 1 there already, 2 moved (12.4 MiB)`."""
        evidence = f", {self.evidence} of evidence" if self.evidence else ""
        parts = [f"{self.mounted} mounted"] if self.mounted else []
        parts += [f"{self.there} there already"] if self.there else []
        parts += [f"{self.moved} moved ({_size(self.moved_bytes)})"] if self.moved or not parts else []
        return f"{self.manifests} manifest{'s' if self.manifests != 1 else ''}{evidence}; blobs: {', '.join(parts)}"


@dataclass(kw_only=True, slots=True)
class Copying:
    """One copy. `mounting`: source and target are repositories of one registry."""

    source: RepositoryClient
    target: RepositoryClient
    mounting: bool
    say: Progress
    cancel: Cancellation
    tally: Tally = field(default_factory=Tally)
    _done: dict[str, Manifest] = field(default_factory=dict)
    _blobs: set[str] = field(default_factory=set)

    def run(self, digest: str) -> None:
        """Copy a manifest with all that belongs to it, and ask the target for it at the end."""
        self._manifest(digest, depth=0)
        for known in list(self._done):
            self._evidence(known, depth=0)
        self._assert(digest)

    def _manifest(self, digest: str, *, depth: int) -> Manifest:
        """Copy a manifest and what it names, unless this copy did so already."""
        if digest in self._done:
            return self._done[digest]
        if depth > DEPTH or len(self._done) >= MOST:
            raise RegistryError(f"the manifest {short(digest)} of {self.source.repository} leads to too many others")
        self.cancel.check()
        found = self._again(lambda: self.source.manifest(digest))
        if found is None:
            raise ImageNotFoundError(
                f"{self.source.repository} has no {short(digest)}",
                hint="it was removed from there, or an index lists platforms that were never pushed",
            )
        self._parts(found, depth=depth)
        self._again(lambda: self.target.put_manifest(found, reference=found.digest))
        self._done[digest] = found
        self.tally.manifests += 1
        return found

    def _parts(self, manifest: Manifest, *, depth: int) -> None:
        for item in manifest.manifests():
            self._manifest(item.digest, depth=depth + 1)
        for item in manifest.blobs():
            self._blob(item)

    def _blob(self, item: Descriptor) -> None:
        if item.digest in self._blobs:
            return
        self.cancel.check()
        self._again(lambda: self._moved(item))
        self._blobs.add(item.digest)

    def _moved(self, item: Descriptor) -> None:
        """Bring one blob to the target by the shortest way."""
        if self.target.has_blob(item.digest):
            self.tally.there += 1
            return
        if item.elsewhere and not self.source.has_blob(item.digest):
            return  # a layer that lies with its maker, for the source as for the target
        location = ""
        if self.mounting:
            mounted, location = self.target.mount(item.digest, self.source.repository)
            if mounted:
                self.tally.mounted += 1
                return
        response, stream = self.source.open_blob(Blob(digest=item.digest, size=item.size), cancel=self.cancel)
        with response:
            self.target.upload(stream, item.digest, location=location)
        self.tally.moved += 1
        self.tally.moved_bytes += item.size
        self.say(f"{short(item.digest)} copied ({_size(item.size)})")

    def _evidence(self, digest: str, *, depth: int) -> None:
        """What refers to a manifest, by the registry's list or by the tag that stands for one; then cosign's tags."""
        listed = self._again(lambda: self.source.referrers(digest))
        tag = digest.replace(":", "-")
        fallback = self._again(lambda: self.source.manifest(tag))
        known = [*(listed or ()), *(fallback.document.get("manifests") or () if fallback and fallback.is_index else ())]
        wanted = {item["digest"]: item for item in known if isinstance(item, dict) and is_digest(item.get("digest"))}
        unlisted: list[Mapping[str, Any]] = []
        for item, listing in wanted.items():
            if item in self._done:
                continue
            before = self.tally.manifests
            found, keeps = self._referrer(item, depth=depth)
            self.tally.evidence += self.tally.manifests - before
            if not keeps:
                unlisted.append({**found.descriptor, **listing})
            if depth < DEPTH:
                self._evidence(item, depth=depth + 1)
        if unlisted:
            self._list(tag, unlisted)
        for suffix in COSIGN:
            self._cosign(f"{tag}.{suffix}")

    def _referrer(self, digest: str, *, depth: int) -> tuple[Manifest, bool]:
        """Copy a manifest that refers to another; whether the target lists it by itself."""
        found = self._manifest(digest, depth=depth)
        if not found.subject:
            return found, False  # only the tag says that it belongs to something
        return found, self._again(lambda: self.target.referrers(found.subject)) is not None

    def _list(self, tag: str, descriptors: list[Mapping[str, Any]]) -> None:
        """Add to the tag that stands for a list of referrers; what others wrote there stays."""
        there = self._again(lambda: self.target.manifest(tag))
        kept = [item for item in (there.document.get("manifests") or ()) if isinstance(item, dict)] if there else []
        merged = {str(item.get("digest")): item for item in (*kept, *descriptors)}
        if there is None or len(merged) > len(kept):
            made = index_of(list(merged.values()))
            self._again(lambda: self.target.put_manifest(made, reference=tag))

    def _cosign(self, tag: str) -> None:
        """One of cosign's tags; at the target it never loses what is in it."""
        found = self._again(lambda: self.source.manifest(tag))
        if found is None:
            return
        there = self._again(lambda: self.target.manifest(tag))
        if there is not None and there.digest == found.digest:
            return
        if there is not None and not {item.digest for item in there.blobs()} <= {item.digest for item in found.blobs()}:
            self.say(f"{self.target.repository}:{tag} stays as it is: it holds what {self.source.repository} has not")
            return
        self._parts(found, depth=0)
        self._again(lambda: self.target.put_manifest(found, reference=tag))
        self.tally.evidence += 1
        self.tally.manifests += 1

    def _assert(self, digest: str) -> None:
        """The target must have exactly these bytes; the client compares them with the digest."""
        if self._again(lambda: self.target.manifest(digest)) is None:
            raise RegistryError(
                f"{self.target.repository} does not have {short(digest)} after it took it",
                hint="see the registry's own log; does something clean it up at once?",
            )

    def _again(self, call: Callable[[], Result]) -> Result:
        """Try what may pass a few times."""
        for wait in range(1, TRIES):
            try:
                return call()
            except RegistryBusyError as error:
                self.say(f"{error.message}; trying again")
                self.cancel.wait(float(wait))
                self.cancel.check()
        return call()


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
