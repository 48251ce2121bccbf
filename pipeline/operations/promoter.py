"""Who promotes on whose behalf: the delivery's promoter, built from the program's parts."""

from __future__ import annotations

from pipeline.delivery.admission import Judge
from pipeline.delivery.journal import Requester
from pipeline.delivery.promoter import Promoter
from pipeline.ports.application import Application


def promoter_of(app: Application, requester: Requester, *, judge: Judge) -> Promoter:
    """Promotes into environments of this requester's service, with the records and targets of this machine."""
    return Promoter(
        requester=requester,
        records=lambda: app.records,
        target=lambda environment: app.target(environment, service=requester.service),
        judge=judge,
        clock=app.clock,
        home=app.settings.home,
        installation=app.settings.installation,
        registry=app.registry,
    )
