"""Questions that a server answers, in the same nouns as this machine does."""

from __future__ import annotations

from pipeline.remote.there.runs import RunsThere


class There(RunsThere):
    """A server."""
