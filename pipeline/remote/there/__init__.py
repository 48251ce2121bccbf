"""Questions that a server answers, in the same nouns as this machine does."""

from __future__ import annotations

from pipeline.remote.there.delivery import DeliveryThere
from pipeline.remote.there.runs import RunsThere
from pipeline.remote.there.server import ServerThere
from pipeline.remote.there.tests import TestsThere


class There(RunsThere, TestsThere, DeliveryThere, ServerThere):
    """A server."""
