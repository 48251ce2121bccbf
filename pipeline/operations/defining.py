"""From what was written to a definition; files that were found clean before are not checked again."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pipeline
from pipeline.diagnostic import Diagnostic
from pipeline.language.load import Written, define
from pipeline.model.definition import Definition, EnvironmentDefinition
from pipeline.model.value import digest_of
from pipeline.ports.application import Application


def defined(
    app: Application, written: Written, *, environments: tuple[EnvironmentDefinition, ...] | None = None
) -> tuple[Definition, tuple[Diagnostic, ...]]:
    """The definition; with `environments` (of the policy) these count, and the file's own do not."""
    others = "" if environments is None else digest_of(environments)
    state = f"{written.digest}\0{pipeline.__version__}\0{sorted(app.kinds)!r}\0{others}"
    mark = app.settings.home / "cache" / "checked" / hashlib.sha256(state.encode()).hexdigest()
    clean = mark.exists()
    definition, diagnostics = define(
        written, kinds=app.kinds, expressions=app.expressions, known_clean=clean, environments=environments
    )
    if not clean and not diagnostics:
        with suppress(OSError):
            mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            mark.touch()
    return definition, diagnostics
