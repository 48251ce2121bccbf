"""Copying images between repositories and registries, by digest and with the evidence that is attached to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pipeline.ports.cancellation import Cancellation
    from pipeline.ports.target import Progress


class Registry(Protocol):
    """Speaks to registries with the user's docker logins. Safe for several threads; keeps nothing between calls.

    Errors that may leave: UsageError (a name that is none), ImageNotFoundError, RegistryError and kin, CancelledError.
    """

    def has(self, image: str) -> bool:
        """Whether the registry has `repository@sha256:…`; errors as of `copy`."""

    def copy(self, source: str, target: str, *, progress: Progress, cancel: Cancellation) -> str:
        """Bring `repository@sha256:…` into the repository `target`; gives `target@sha256:…`, the same digest.

        All platforms, configurations and layers of it, what refers to it (signatures, SBOMs, attestations), and the
        tags by which cosign finds its own. What the target has already is not moved again, so that a copy which was
        broken off goes on where it was. When this returns, the target has been asked and has exactly these bytes.
        """

    def has_provenance(self, image: str) -> bool:
        """Whether a provenance (SLSA) is attached to `repository@sha256:…`; who signed it is not looked at."""
