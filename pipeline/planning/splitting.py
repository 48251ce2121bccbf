"""Shares the test files of a stage between its parts, so that all of them end at about the same time."""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.model.definition import SplitRule, StageDefinition
from pipeline.model.plan import Condition
from pipeline.model.tree import Tree
from pipeline.planning.typed import wrong

USUAL: Final = (
    *("**/test_*.py", "**/*_test.py", "**/*_test.go", "**/*_spec.rb", "**/*_test.rb", "**/*_test.exs"),
    *(f"**/*.{word}.{end}" for word in ("test", "spec") for end in ("js", "jsx", "ts", "tsx", "mjs", "cjs")),
    *("**/*Test.java", "**/*Tests.java", "**/*Test.kt", "**/*Test.php", "**/*Tests.cs", "**/*_test.dart"),
)
"""What test files are usually called."""
INDEX: Final = "ECLUSE_SPLIT_INDEX"
TOTAL: Final = "ECLUSE_SPLIT_TOTAL"
FILES: Final = "ECLUSE_SPLIT_FILES"
MAX_VARIABLE: Final = 128 * 1024 - 32
"""Bytes of one variable that Linux hands to a program, less its name."""
_SAFE: Final = re.compile(r"[A-Za-z0-9_./@%+=:,-]+")


def shares(files: Sequence[str], into: int, seconds: Mapping[str, float]) -> tuple[tuple[str, ...], ...]:
    """The files of each part: the longest first, each to the part that has the least until then.

    A file that `seconds` does not know counts as the median of those that it knows. The same files and times give the
    same parts.
    """
    from statistics import median

    usual = median(seconds.values()) if seconds else 1.0
    longest_first = sorted(files, key=lambda path: (-seconds.get(path, usual), path))
    loads = [(0.0, part) for part in range(into)]
    parts: list[list[str]] = [[] for _ in range(into)]
    for path in longest_first:
        load, part = heapq.heappop(loads)
        parts[part].append(path)
        heapq.heappush(loads, (load + seconds.get(path, usual), part))
    return tuple(tuple(sorted(part)) for part in parts)


def shared_files(stage: StageDefinition, rule: SplitRule, tree: Tree | None) -> tuple[str, ...]:
    """The files that a stage shares out; none where it sees no source.

    DefinitionError where the file names globs that match nothing, and for names that a shell would take apart.
    """
    if tree is None or not stage.source:
        return ()
    found = [file.path for file in tree.select(rule.files or USUAL)]
    if stage.inputs:
        seen = {file.path for file in tree.select(stage.inputs)}
        found = [path for path in found if path in seen]
    if rule.files and not found:
        globs = ", ".join(f"'{glob}'" for glob in rule.files)
        raise wrong(f"stage '{stage.written}' shares out {globs}, and no file is like that", stage.position)
    unsafe = next((path for path in found if not _SAFE.fullmatch(path)), None)
    if unsafe is not None:
        message = f"stage '{stage.written}' cannot share out the file {unsafe!r}: a shell would take its name apart"
        raise wrong(message, stage.position, note="rename it, or narrow split.files")
    return tuple(found)


def part_variables(stage: StageDefinition, part: int, rule: SplitRule, files: Sequence[str]) -> dict[str, str]:
    """The variables that tell a part what is its own; DefinitionError where the names do not fit into one."""
    listed = " ".join(files)
    if len(listed) > MAX_VARIABLE:
        message = f"part {part} of stage '{stage.written}' has {len(listed):,} characters of file names"
        note = f"a variable holds {MAX_VARIABLE:,}: split into more parts, or narrow split.files"
        raise wrong(message, stage.position, note=note)
    return {INDEX: str(part), TOTAL: str(rule.into), FILES: listed}


def no_share(total: int) -> Condition:
    """Why a part to which no file fell is skipped: a test runner without names would run everything."""
    return Condition(key="split", wanted="a file for each part", seen=f"{total} files for more parts", holds=False)
