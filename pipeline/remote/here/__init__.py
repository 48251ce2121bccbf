"""Questions that this machine answers, from its own records."""

from __future__ import annotations

from pipeline.remote.here.closing import ClosingHere
from pipeline.remote.here.delivery import DeliveryHere
from pipeline.remote.here.runs import RunsHere
from pipeline.remote.here.server import ServerHere
from pipeline.remote.here.tests import TestsHere


class Here(RunsHere, TestsHere, DeliveryHere, ClosingHere, ServerHere):
    """This machine."""
