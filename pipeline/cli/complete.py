"""Completion of runs, stages, releases and environments: a few quick questions, and silence where they fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # for its time, not for a circle
    from click.shell_completion import CompletionItem

    from pipeline.model.run import Run
    from pipeline.ports.records import Records

_OFFERED = 20


def complete_run(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Numbers of the latest runs of the repository, each with what it was; the beginning of ids behind four letters."""

    from click.shell_completion import CompletionItem

    def offered(runs: Sequence[Run]) -> list[CompletionItem]:
        items = [CompletionItem("last", help="the newest run")] if "last".startswith(incomplete) else []
        for run in runs:
            word = (run.conclusion or run.state).value
            help_text = f"{word}, {run.branch or run.tag}, {run.message[:50]}"
            if str(run.number).startswith(incomplete):
                items.append(CompletionItem(str(run.number), help=help_text))
            elif len(incomplete) >= 4 and run.id.startswith(incomplete.lower()):
                items.append(CompletionItem(run.id, help=help_text))
        return items

    return _quietly(ctx, offered)


def complete_stage(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Stages of the run that is named before."""

    from click.shell_completion import CompletionItem

    def offered(runs: Sequence[Run]) -> list[CompletionItem]:
        wanted = str(ctx.params.get("reference") or "last")
        run = next((run for run in runs if wanted in ("last", str(run.number)) or run.id.startswith(wanted)), None)
        if run is None:
            return []
        names = {name: "" for stage in run.stages for name in (stage.group, stage.name) if name}
        for stage in run.stages:
            names[stage.name] = (stage.conclusion or stage.state).value
        return [CompletionItem(name, help=word) for name, word in names.items() if name.startswith(incomplete)]

    return _quietly(ctx, offered)


def complete_release(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the latest releases of the repository."""

    from click.shell_completion import CompletionItem

    def offered(records: Records, repository: str) -> list[CompletionItem]:
        found = records.releases(repository=repository, limit=_OFFERED)
        return [CompletionItem(item.name, help=item.commit[:12]) for item in found if item.name.startswith(incomplete)]

    return _asked(ctx, offered)


def complete_environment(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Environments to which something of the repository was promoted."""

    from click.shell_completion import CompletionItem

    def offered(records: Records, repository: str) -> list[CompletionItem]:
        names = {item.environment for item in records.promotions(repository=repository, limit=1000)}
        return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]

    return _asked(ctx, offered)


def complete_action(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Actions of the newest entries of the ledger."""
    from click.shell_completion import CompletionItem

    from pipeline.bootstrap import Application
    from pipeline.errors import EcluseError

    try:
        names = {entry.action for entry in Application().records.entries(newest=500)}
    except (EcluseError, OSError):
        return []
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def complete_promotion(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Promotions of the repository that have not ended."""

    from click.shell_completion import CompletionItem

    def offered(records: Records, repository: str) -> list[CompletionItem]:
        found = (item for item in records.promotions(repository=repository, limit=200) if item.finished is None)
        return [
            CompletionItem(item.id, help=f"{item.environment}, {item.state.value}")
            for item in found
            if item.id.startswith(incomplete)
        ]

    return _asked(ctx, offered)


def complete_repository(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the repositories that the server looks after."""
    from click.shell_completion import CompletionItem

    from pipeline.bootstrap import Application
    from pipeline.errors import EcluseError

    try:
        found = Application().intake.repositories()
    except (EcluseError, OSError):
        return []
    return [CompletionItem(item.name, help=item.url) for item in found if item.name.startswith(incomplete)]


def complete_delivery(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of the newest webhooks."""
    from click.shell_completion import CompletionItem

    from pipeline.bootstrap import Application
    from pipeline.errors import EcluseError

    try:
        found = Application().intake.delivery_notes(limit=_OFFERED)
    except (EcluseError, OSError):
        return []
    return [
        CompletionItem(item.id, help=f"{item.repository}, {item.event}")
        for item in found
        if item.id.startswith(incomplete)
    ]


def complete_server(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Servers that somebody has signed in to from here, and this machine."""
    import os

    from click.shell_completion import CompletionItem

    from pipeline.errors import EcluseError
    from pipeline.remote.servers import HERE, load

    try:
        known = load(os.environ).known
    except EcluseError:
        known = {}
    names = {**{item.name: item.url for item in known.values()}, HERE: "this machine"}
    return [CompletionItem(name, help=text) for name, text in names.items() if name.startswith(incomplete)]


def _quietly(ctx: click.Context, offered: Callable[[Sequence[Run]], list[CompletionItem]]) -> list[CompletionItem]:
    """What is offered over the latest runs."""
    from pipeline.ports.records import RunFilter

    return _asked(
        ctx, lambda records, repository: offered(records.runs(RunFilter(repository=repository, limit=_OFFERED)))
    )


def _asked(ctx: click.Context, offered: Callable[[Records, str], list[CompletionItem]]) -> list[CompletionItem]:
    """What is offered of the repository here; nothing where the records or the repository cannot be read."""
    from pathlib import Path

    from pipeline.bootstrap import Application
    from pipeline.errors import EcluseError
    from pipeline.operations.place import repository_of

    place = ctx.params.get("repository")
    try:
        here = repository_of(place if isinstance(place, Path) else Path())
        return offered(Application().records, here)
    except (EcluseError, OSError):
        return []
