"""Whose people, repositories and secrets a command looks after: this machine's server's, or another one's."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pipeline.cli.asked import server_of
from pipeline.cli.options import application

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.remote.here.people import PeopleHere
    from pipeline.remote.here.registered import RegisteredHere
    from pipeline.remote.there.people import PeopleThere
    from pipeline.remote.there.registered import RegisteredThere

    People: TypeAlias = PeopleHere | PeopleThere
    Registered: TypeAlias = RegisteredHere | RegisteredThere


def people_of(server: str | None) -> People:
    """Who keeps people, roles and tokens."""
    known = server_of(server)
    if known is not None:
        from pipeline.remote.there.people import PeopleThere

        return PeopleThere(known)
    from pipeline.remote.here.people import PeopleHere

    return PeopleHere(application())


def registered_of(server: str | None) -> Registered:
    """Who keeps repositories, their secrets and their webhooks."""
    known = server_of(server)
    if known is not None:
        from pipeline.remote.there.registered import RegisteredThere

        return RegisteredThere(known)
    from pipeline.remote.here.registered import RegisteredHere

    return RegisteredHere(application())
