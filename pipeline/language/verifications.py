"""Checks of environments that no release could ever pass or be asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pipeline.language.problems import Problems
from pipeline.language.tree import Node, Path, span_at
from pipeline.model.check_keys import parse_check
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.template import holds_expression


def check_verifications(
    environments: Iterable[EnvironmentDefinition], root: Node, bad: Collection[Path], problems: Problems
) -> None:
    """Report what the schema cannot refuse: a pattern that is none, samples that cannot be had, unknown words of a
    query. What holds expressions is looked at once it has its values."""
    for environment in environments:
        for index, item in enumerate(environment.verification):
            path: Path = ("environments", environment.name, "verification", index)
            is_late = any(late.path.startswith(f"verification.{index}.") for late in environment.typed)
            if is_late or holds_expression(item) or any(place[: len(path)] == path for place in bad):
                continue
            try:
                parse_check(item)
            except ValueError as error:
                problems.add("check", f"environment '{environment.name}': {error}", span_at(root, path))
