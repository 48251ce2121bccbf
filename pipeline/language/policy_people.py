"""People, groups and rights of a policy: names that must exist, and marks that can belong to one person only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pipeline.language.problems import Problems, suggestion
from pipeline.language.tree import Node, Path, span_at
from pipeline.language.values import Found
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import ApprovalRule

_NOUNS: Final = {"person-name": "person", "group": "group", "group-name": "group"}
_OWNERS: Final = {"groups": "group", "rights": "the right", "environments": "environment"}


def check_people(
    found: Iterable[Found],
    root: Node,
    values: Mapping[str, Any],
    problems: Problems,
    *,
    people: Sequence[str],
    groups: Sequence[str],
) -> set[Path]:
    """Report names of people and groups that do not exist, and marks of two people; returns the paths of those."""
    known = {"person-name": people, "group": groups, "group-name": groups}
    bad: set[Path] = set()
    for path, node, label in found:
        if label in known and node.text not in known[label]:
            bad.add(path)
            owner = f"{_OWNERS[str(path[0])]} '{path[1]}'"
            message = f"{owner} names the {_NOUNS[label]} '{node.text}', which does not exist"
            problems.add(f"unknown-{_NOUNS[label]}", message, node.span, note=suggestion(node.text, known[label]))
    return bad | _shared_marks(root, values, problems)


def _shared_marks(root: Node, values: Mapping[str, Any], problems: Problems) -> set[Path]:
    """An address or a key of two people would let one of them count as the other."""
    owners: dict[str, str] = {}
    bad: set[Path] = set()
    people = values.get("people")
    for name, person in people.items() if isinstance(people, dict) else ():
        for kind in ("git", "keys"):
            marks = person.get(kind) if isinstance(person, dict) else None
            for index, mark in enumerate(marks if isinstance(marks, list) else ()):
                known_as = mark.lower() if kind == "git" and isinstance(mark, str) else str(mark)
                if owners.setdefault(known_as, name) != name:
                    path: Path = ("people", name, kind, index)
                    message = (
                        f"person '{name}' has the same {'address' if kind == 'git' else 'key'} as '{owners[known_as]}'"
                    )
                    problems.add("shared-mark", message, span_at(root, path), note="it can be one person's only")
                    bad.add(path)
    return bad


def check_counts(environments: Iterable[EnvironmentDefinition], members: Mapping[str, Any], problems: Problems) -> None:
    """Report gates that want approvals of more people than their group has."""
    for environment, gate in ((item, gate) for item in environments for gate in item.gates):
        rule = gate.rule
        if not isinstance(rule, ApprovalRule) or rule.group not in members:
            continue
        most = len(set(members[rule.group]))
        if most < rule.count:
            wanted = f"wants {rule.count} approvals of '{rule.group}', which has {most}"
            message = f"environment '{environment.name}' {wanted}"
            problems.add("too-few-people", message, gate.position, note="it could never open")
