"""What a run may not do for want of trust, and which secrets it may read: pure rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pipeline.errors import RefusedError
from pipeline.model.definition import StageDefinition
from pipeline.model.source import Event
from pipeline.model.trust import Trust

HINT = "a person who has read its changes can allow this one run: ecluse allow RUN"


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretRule:
    """Who may read a secret: runs of these branches or tags (globs, `*` crosses `/`), stages of these environments.
    What is empty says nothing."""

    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()


def environment_of(stage: StageDefinition) -> str:
    """The environment that a stage works for, "" for none: whose secrets it may read."""
    return str(stage.options.get("environment", ""))


def distrusted(event: Event) -> bool:
    """Whether the run is of a fork or an unknown author, and nobody has allowed it."""
    return event.trust is Trust.UNTRUSTED and not event.allowed


def check_stage(stage: StageDefinition, event: Event, *, effects: bool) -> None:
    """RefusedError where an untrusted run must not run this stage at all."""
    if not distrusted(event):
        return
    if effects:
        raise RefusedError(f"kind {stage.kind} changes the world outside, and this run is untrusted", hint=HINT)
    if stage.emits:
        raise RefusedError("it emits stages, and this run is untrusted", hint=HINT)
    if stage.privileged or stage.devices or any(service.privileged for service in stage.services):
        raise RefusedError("it asks for rights on the machine, and this run is untrusted", hint=HINT)
    if stage.network == "host":
        raise RefusedError("it asks for the machine's network, and this run is untrusted", hint=HINT)


def refusal(stage: StageDefinition, event: Event, *, effects: bool) -> str:
    """Why an untrusted run will not run this stage, or not give it its secrets; "" where nothing is in its way."""
    if not distrusted(event):
        return ""
    try:
        check_stage(stage, event, effects=effects)
        for name in stage.secrets:
            check_secret(name, None, event, environment="")
    except RefusedError as error:
        return error.message
    return ""


def check_secret(name: str, rule: SecretRule | None, event: Event, *, environment: str) -> None:
    """RefusedError where this run, or a stage of this environment ("" = of none), must not read a secret.

    A branch counts only where it is what is built: the branch of a pull request has whatever name its author gave it.
    """
    if distrusted(event):
        raise RefusedError(f"the secret '{name}' is not for an untrusted run", hint=HINT)
    if rule is None:
        return
    if rule.environments and environment not in rule.environments:
        wanted = ", ".join(rule.environments)
        raise RefusedError(
            f"the secret '{name}' is only for the environment {wanted}",
            hint="the settings of this machine say so ([secrets])",
        )
    if rule.branches or rule.tags:
        built = event.kind != "pull_request"
        if not built or not (_matches(event.branch, rule.branches) or _matches(event.tag, rule.tags)):
            wanted = ", ".join([*rule.branches, *(f"tag {glob}" for glob in rule.tags)])
            seen = "a pull request" if not built else event.tag or event.branch or "no branch"
            raise RefusedError(
                f"the secret '{name}' is only for {wanted}, and this is {seen}",
                hint="the settings of this machine say so ([secrets])",
            )


def _matches(name: str, globs: Sequence[str]) -> bool:
    return bool(name) and any(fnmatchcase(name, glob) for glob in globs)
