"""What expressions see of a run's event, source and variables, before it runs and while it does."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.model.source import Event, Source
from pipeline.model.value import Value


def source_facts(event: Event, source: Source, variables: Mapping[str, str]) -> dict[str, Value]:
    """`event`, `branch`, `tag`, `commit`, `changed` and `variables`; unknown changes are an empty list."""
    commit = source.commit
    return {
        "event": event.kind,
        "branch": event.branch,
        "tag": event.tag,
        "commit": {
            "sha": commit.sha,
            "short": commit.short,
            "message": commit.message,
            "author": commit.author,
            "time": commit.time.isoformat(),
        },
        "changed": list(event.changed or ()),
        "variables": dict(variables),
    }
