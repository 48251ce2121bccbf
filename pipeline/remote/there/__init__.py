"""Questions that a server answers, in the same nouns as this machine does."""

from __future__ import annotations

from pipeline.remote.there.acts import ActsThere
from pipeline.remote.there.delivery import DeliveryThere
from pipeline.remote.there.promoting import PromotingThere
from pipeline.remote.there.runs import RunsThere
from pipeline.remote.there.server import ServerThere
from pipeline.remote.there.tests import TestsThere


class There(ActsThere, PromotingThere, RunsThere, TestsThere, DeliveryThere, ServerThere):
    """A server."""
