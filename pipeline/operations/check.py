"""Checking a pipeline file as it stands in the working tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.diagnostic import Diagnostic, Severity
from pipeline.errors import DefinitionError, UsageError
from pipeline.language.load import load_definition
from pipeline.model.definition import Definition
from pipeline.ports.application import Application


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What a file asks for, if it could be understood, and everything there is to say about it."""

    file: str
    definition: Definition | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, bytes]

    @property
    def errors(self) -> int:
        """How many problems stop it."""
        return sum(item.severity is Severity.ERROR for item in self.diagnostics)


def check(app: Application, path: Path, *, name: str) -> Checked:
    """Read the file at `path`, which positions call `name`. UsageError when it cannot be read."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a file", hint="name a file that can be read")
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"there is no {name} in {path.parent}", hint="write one with `ecluse init`, or name it with --file"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="name a file that can be read") from error
    try:
        definition, diagnostics = load_definition(text, file=name, kinds=app.kinds, expressions=app.expressions)
    except DefinitionError as error:
        return Checked(file=name, definition=None, diagnostics=error.diagnostics, sources={name: text})
    return Checked(file=name, definition=definition, diagnostics=tuple(diagnostics), sources={name: text})
