"""What a person allowed of an untrusted run, kept until the run that it is for takes it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.model.permission import distrusted
from pipeline.model.plan import Plan
from pipeline.model.value import digest_of
from pipeline.ports.application import Application


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """What a person allowed: the next run of this commit (as it is) under this pipeline file; used once."""

    repository: str
    commit: str
    tree: str
    """Identifies the content, uncommitted changes included."""
    pipeline: str
    """The digest of the pipeline file."""
    who: str
    when: str

    @property
    def name(self) -> str:
        """Of its file: what it binds to."""
        return digest_of([self.repository, self.commit, self.tree, self.pipeline]).removeprefix("sha256:")


def with_allowance(app: Application, plan: Plan, *, run: str = "") -> Plan:
    """The plan of an untrusted run with the allowance that waits for it, which is used up; else as it is.

    The plan of a `run` that is recorded already is replaced, so that who allowed it is kept with it.
    """
    if not distrusted(plan.event):
        return plan
    path = _folder(app) / f"{allowance_of(plan, who='', when='').name}.json"
    taken = path.with_suffix(f".{os.getpid()}")
    try:
        path.rename(taken)  # whoever renames it has it: two runs cannot both
        known = json.loads(taken.read_bytes())
    except (OSError, ValueError):
        return plan
    with suppress(OSError):
        taken.unlink()
    allowed = replace(plan, event=replace(plan.event, allowed=f"{known['who']}, {known['when']}"))
    if run:
        app.records.save_plan(run, allowed)
    return allowed


def allowance_of(plan: Plan, *, who: str, when: str) -> Allowance:
    """What somebody allows who allows this plan."""
    source = plan.source
    return Allowance(
        repository=source.origin or source.path,
        commit=source.commit.sha,
        tree=source.commit.tree,
        pipeline=plan.pipeline_digest,
        who=who,
        when=when,
    )


def _folder(app: Application) -> Path:
    return app.settings.home / "allowed"


def keep_allowance(app: Application, allowance: Allowance) -> None:
    """Keep it for the next run, for its owner alone. StorageError where it cannot be written."""
    path = _folder(app) / f"{allowance.name}.json"
    draft = path.with_suffix(f".draft{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump({"who": allowance.who, "when": allowance.when, "commit": allowance.commit}, out)
        draft.replace(path)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}", hint="check the space and the permissions of that folder"
        ) from error
