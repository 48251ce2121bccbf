"""Push: the image of a build stage goes to a registry under its tags, and the registry is asked what it has."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import schemas
from pipeline.diagnostic import Diagnostic
from pipeline.errors import EngineBusyError, RegistryBusyError, RegistryError, UsageError
from pipeline.model.definition import Definition, StageDefinition
from pipeline.model.outcome import succeeded
from pipeline.model.run import BuiltImage, Products, PushedImage
from pipeline.model.value import Value
from pipeline.ports.images import Credentials
from pipeline.ports.stage import Reuse, StageContext, StageResult
from stages.image_source import built_image, image_problems

T = TypeVar("T")

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""A tag by the OCI distribution specification."""
REPOSITORY = re.compile(
    r"(?:(?:[a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d+)?/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
"""A repository, with or without its registry's host."""
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between the tries while a registry does not answer; each is taken times a number from 0.5 to 1.5."""

_chance = random.SystemRandom()


class Push:
    """Pushing again what is already there changes nothing and says so."""

    name = "push"
    version = 1
    reuse = Reuse.NEVER
    effects = True

    def schema(self) -> Mapping[str, Value]:
        """See `schemas/stages/push.schema.json`."""
        return schemas.load("stages/push")

    def problems(self, stage: StageDefinition, definition: Definition) -> Iterable[Diagnostic]:
        """`image` must name a needed build stage; the repository and the tags must be valid where they are plain."""
        yield from image_problems(stage, definition, key="image")
        names = [("to", stage.options.get("to"))] + [("tags", tag) for tag in _tags(stage)]
        for key, text in names:
            if not isinstance(text, str) or "${{" in text:
                continue
            try:
                (_check_repository if key == "to" else _check_tag)(text)
            except UsageError as error:
                yield Diagnostic(code=f"bad-{key}", message=error.message, position=stage.position, note=error.hint)

    def run(self, context: StageContext) -> StageResult:
        """Push every tag, with patience for a registry that does not answer; the digest is the registry's own."""
        image = built_image(context, key="image")
        repository = _check_repository(str(context.stage.options.get("to") or ""))
        tags = [_check_tag(tag) for tag in _tags(context.stage) or [_default_tag(context)]]
        credentials = _credentials(context)
        digests = [_push(context, image, repository, tag, credentials) for tag in dict.fromkeys(tags)]
        digest = digests[-1][0]
        if any(other != digest for other, _ in digests):
            raise RegistryError(
                f"the tags {', '.join(tags)} of {repository} differ after the push",
                hint="somebody pushed at the same time: run again",
            )
        pushed = PushedImage(repository=repository, digest=digest, tags=tuple(dict.fromkeys(tags)))
        known = all(already for _, already in digests)
        said = f"{repository}@{digest[:19]} {'was already there' if known else 'pushed'} as {', '.join(pushed.tags)}"
        return StageResult(
            outcome=succeeded(said),
            products=Products(pushed=pushed, outputs={"digest": digest, "image": pushed.pinned}),
        )

    def recover(self, context: StageContext, *, since: datetime) -> StageResult | None:
        """Say what the registry has under the tags by now. Pushing the same image again changes nothing there, so
        the push is finished by doing it once more."""
        repository = _check_repository(str(context.stage.options.get("to") or ""))
        credentials = _credentials(context)
        for tag in dict.fromkeys(_tags(context.stage) or [_default_tag(context)]):
            with suppress(RegistryError):  # the push that follows says it
                has = context.images.registry_digest(f"{repository}:{tag}", credentials=credentials)
                context.log.note(f"{repository}:{tag} is {has or 'not there'}")
        return None


def _push(
    context: StageContext, image: BuiltImage, repository: str, tag: str, credentials: Credentials | None
) -> tuple[str, bool]:
    """The digest that the registry has afterwards, and whether it had it before."""
    before: str | None = None
    with suppress(RegistryError):  # who may push and not read learns it from the push
        before = context.images.registry_digest(f"{repository}:{tag}", credentials=credentials)

    def push() -> str:
        return context.images.push(
            image, repository=repository, tag=tag, credentials=credentials, output=context.log, cancel=context.cancel
        )

    digest = _patiently(context, push)
    context.log.note(f"{repository}:{tag} is {digest}{' (already there)' if before == digest else ''}")
    return digest, before == digest


def _patiently(context: StageContext, action: Callable[[], T]) -> T:
    for pause in PAUSES:
        try:
            return action()
        except (RegistryBusyError, EngineBusyError) as error:
            seconds = pause * _chance.uniform(0.5, 1.5)
            context.log.note(f"{error.message}; trying again in {seconds:.1f} s")
            context.cancel.wait(seconds)
            context.cancel.check()
    return action()


def _credentials(context: StageContext) -> Credentials | None:
    """The stage's `login`: the password is a secret's name, the username one of `secrets` or plain text."""
    login = context.stage.options.get("login")
    if not isinstance(login, Mapping):
        return None
    username, password = str(login.get("username") or ""), str(login.get("password") or "")
    if username in context.stage.secrets:
        username = context.secret(username)
    return Credentials(username=username, password=context.secret(password))


def _tags(stage: StageDefinition) -> Sequence[str]:
    tags = stage.options.get("tags")
    if isinstance(tags, str):
        return [tags]
    return [str(tag) for tag in tags] if isinstance(tags, Sequence) else []


def _default_tag(context: StageContext) -> str:
    commit = context.source.commit
    return f"{commit.short}-dirty" if commit.dirty else commit.short


def _check_tag(tag: str) -> str:
    if not TAG.fullmatch(tag):
        raise UsageError(
            f"'{tag}' is not a tag",
            hint="up to 128 letters, digits, '.', '_' and '-', not starting with '.' or '-': `${{ slug(branch) }}`",
        )
    return tag


def _check_repository(repository: str) -> str:
    if not REPOSITORY.fullmatch(repository):
        hint = "such as registry.example.org/team/shop, in lower case; tags go under `tags`"
        raise UsageError(f"'{repository}' is not a repository", hint=hint)
    return repository


KIND = Push()
