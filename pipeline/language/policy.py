"""Text to `Policy`: who people are, what they may do and where releases live, with every problem at its place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import schemas
from pipeline.diagnostic import Diagnostic
from pipeline.errors import DefinitionError, UsageError
from pipeline.language import build
from pipeline.language.formats import check_formats
from pipeline.language.gates import check_gates, drop_from_environment
from pipeline.language.pending import Pending
from pipeline.language.policy_people import check_counts, check_people
from pipeline.language.problems import Problems
from pipeline.language.reader import read
from pipeline.language.schema import Schema, document, inlined
from pipeline.language.semantics import check_cycles, check_references, environment_graph
from pipeline.language.tree import MapNode, Node, Path, Span, entry_at, span_at
from pipeline.language.validation import Validation
from pipeline.language.values import Reading, plain_value
from pipeline.language.verifications import check_verifications
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import CommandRule, scripts_of
from pipeline.model.policy import Person, Policy, Protected, Right

Script = Callable[[str], bytes]
"""The content of a file beside the policy, by its path from there; UsageError where it cannot be had."""


@cache
def policy_schema() -> Schema:
    """The schema that a policy file is read with; its environments are those of a pipeline file."""
    schema: Schema = inlined(schemas.load("policy"), document()["$defs"])
    return schema


def compose_policy() -> Schema:
    """One JSON Schema (2020-12) of the file, for editors and `ecluse schema policy`."""
    written, definitions = schemas.load("policy"), document()["$defs"]
    return {**written, "$defs": {key: value for key, value in definitions.items() if key != "stage"}}


def load_policy(text: bytes, *, file: str, script: Script) -> tuple[Policy, tuple[Diagnostic, ...]]:
    """The policy that a file describes, with the warnings about it; messages call it `file`.

    Its revision is a digest of the file and of the gate scripts that it names. Raises DefinitionError with every
    problem, in the file's order, when one of them is an error.
    """
    root, problems = read(text, file=file)
    if root is None and not problems.errors:
        problems.add("empty", "the file is empty", Span(0, 0, 0, 0, 1, 1), note="it begins with 'version: 1'")
    elif root is not None and not isinstance(root, MapNode):
        problems.add("wrong-type", "the file must hold keys and values at its top", root.span)
    if problems.errors or not isinstance(root, MapNode):
        raise _refused(problems, text)
    values = _checked(root, problems)
    environments = _environments(values, root, problems)
    check_counts(environments, _section(values, "groups"), problems)
    check_verifications(environments, root, (), problems)
    scripts = _scripts(environments, script, problems)
    if problems.errors:
        raise _refused(problems, text)
    return _policy(values, environments, scripts, text=text, file=file), problems.all()


def _checked(root: MapNode, problems: Problems) -> dict[str, Any]:
    """The values that can be believed."""
    schema, reading = policy_schema(), Reading()
    values: dict[str, Any] = plain_value(root, schema, (), reading)
    validation = Validation(root, problems, late=reading.late)
    validation.check(values, schema, ())
    validation.choices(reading.choices)
    bad = validation.bad | check_formats(reading.formats, problems)
    for found in reading.expressions:
        message = "a policy holds no expressions: nothing of a run may change it"
        problems.add("expression", message, found.node.span, note="write the value itself")
        bad.add(found.path)
    bad |= check_people(
        reading.formats, root, values, problems, people=_names(root, "people"), groups=_names(root, "groups")
    )
    bad |= check_references(reading.formats, (), _names(root, "environments"), frozenset(), problems)
    _drop(values, bad)
    _drop(values, check_gates(_section(values, "environments"), root, problems))
    return values


def _drop(values: dict[str, Any], paths: Iterable[Path]) -> None:
    """Take out what cannot be believed: a key of an environment, an item of another section."""
    for path in paths:
        section = values.get(str(path[0])) if path else None
        if len(path) < 2 or not isinstance(section, dict):
            values.pop(str(path[0]) if path else "", None)
        elif len(path) > 2 and path[0] == "environments" and isinstance(section.get(path[1]), dict):
            drop_from_environment(section[path[1]], path[2:])
        else:
            section.pop(path[1], None)


def _section(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = values.get(name)
    return section if isinstance(section, dict) else {}


def _names(root: MapNode, section: str) -> tuple[str, ...]:
    """What is written in a section, whether it can be believed or not."""
    entry = root.entries.get(section)
    return tuple(entry.value.entries) if entry and isinstance(entry.value, MapNode) else ()


def _environments(values: Mapping[str, Any], root: Node, problems: Problems) -> tuple[EnvironmentDefinition, ...]:
    position = problems.source.position
    found: list[EnvironmentDefinition] = []
    for name, written in _section(values, "environments").items():
        if isinstance(written, dict):
            path: Path = ("environments", name)
            entry = entry_at(root, path)
            found.append(
                build.environment_definition(
                    name,
                    written,
                    position=position(entry.key.span if entry else root.span),
                    pending=Pending(position),
                    place=lambda below, path=path: position(span_at(root, (*path, "gates", *below))),  # type: ignore[misc]
                )
            )
    edges = {
        (item.name, before): position(span_at(root, ("environments", item.name, "after", index)))
        for item in found
        for index, before in enumerate(item.after)
    }
    check_cycles(environment_graph(found), edges, problems, noun="environment")
    return tuple(found)


def _scripts(environments: Iterable[EnvironmentDefinition], script: Script, problems: Problems) -> Mapping[str, bytes]:
    """The files that the commands of gates name, by their paths."""
    contents: dict[str, bytes] = {}
    for environment in environments:
        for gate in environment.gates:
            for path in scripts_of(gate.rule) if isinstance(gate.rule, CommandRule) else ():
                try:
                    contents[path] = script(path)
                except UsageError as error:
                    message = (
                        f"the gate '{gate.name}' of environment '{environment.name}' cannot be asked: {error.message}"
                    )
                    problems.add("gate-script", message, gate.position, note=error.hint)
    return contents


def _policy(
    values: Mapping[str, Any],
    environments: tuple[EnvironmentDefinition, ...],
    scripts: Mapping[str, bytes],
    *,
    text: bytes,
    file: str,
) -> Policy:
    digest = hashlib.sha256(text)
    for path in sorted(scripts):
        digest.update(f"\0{path}\0{hashlib.sha256(scripts[path]).hexdigest()}".encode())
    return Policy(
        revision="sha256:" + digest.hexdigest(),
        file=file,
        people={
            name: Person(name=name, git=tuple(item.get("git", ())), keys=tuple(item.get("keys", ())))
            for name, item in ((name, item or {}) for name, item in _section(values, "people").items())
        },
        groups={name: tuple(dict.fromkeys(people)) for name, people in _section(values, "groups").items()},
        servers=tuple(values.get("servers", ())),
        rights={Right(name): tuple(groups) for name, groups in _section(values, "rights").items()},
        protected={
            name: Protected(branches=tuple(item.get("branches", ())), tags=tuple(item.get("tags", ())))
            for name, item in _section(values, "protected").items()
        },
        environments=environments if "environments" in values else None,
        scripts=scripts,
    )


def _refused(problems: Problems, text: bytes) -> DefinitionError:
    count, file = problems.errors, problems.source.file
    error = DefinitionError(
        f"{file} has {count} error{'s' if count != 1 else ''}",
        diagnostics=problems.all(),
        hint="'ecluse schema policy' prints the schema that editors complete and check with",
    )
    error.sources = {file: text}
    return error
