"""Reuse keys: the digest of all that a stage can see, input by input so that a difference can be named."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.model.definition import StageDefinition
from pipeline.model.source import Commit
from pipeline.model.value import digest_of, to_value
from pipeline.ports.stage import StageKind


def key_inputs(
    stage: StageDefinition, kind: StageKind, *, commit: Commit, needs: Mapping[str, str | None]
) -> Mapping[str, str] | None:
    """Each input of a stage's key with its own digest, or None where no key can be known before the run.

    None for kinds with outside effects, for stages that need one of them, and while a needed key is unknown. A kind
    that is not reused itself but has no effects (checkout) has a key all the same: those that need it count on it.
    """
    if kind.effects or any(key is None for key in needs.values()):
        return None
    return {
        "kind": f"{kind.name}@{kind.version}",
        "commands": digest_of([stage.commands, stage.after, stage.shell, stage.user, stage.workdir]),
        "image": stage.image or "",
        "services": digest_of(to_value(stage.services)),
        "environment": digest_of(dict(stage.env)),
        "secrets": digest_of(sorted(stage.secrets)),
        "resources": digest_of([to_value(stage.resources), stage.network]),
        "reports": digest_of([to_value(stage.reports), to_value(stage.artifacts)]),
        "options": digest_of(stage.options),
        "source": _source(stage, commit),
        "needs": digest_of(dict(needs)),
    }


def _source(stage: StageDefinition, commit: Commit) -> str:
    """The content that a stage sees; with the commit's id where a checkout with `depth` hands out the history."""
    if not stage.source:
        return ""
    tree = commit.tree or commit.sha
    return f"{tree} at {commit.sha}" if "depth" in stage.options else tree
