"""The operations' policy of this machine: read from a file, or from a repository of operations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.diagnostic import Diagnostic
from pipeline.errors import UsageError
from pipeline.language.problems import suggestion
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import ApprovalRule
from pipeline.model.policy import NO_POLICY, Policy
from pipeline.operations.repository_files import file_of_tree, safe_path
from pipeline.settings import Settings

LIMIT: Final = 1024 * 1024
"""Bytes of a policy file, and of each script of its gates."""
_OF_GIT: Final = re.compile(r"git\+(?P<url>[^#]+)#(?P<file>[^@]+)@(?P<ref>.+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadPolicy:
    """A policy with what there is to say about its file; `name` is what messages call it."""

    policy: Policy
    name: str
    text: bytes = b""
    diagnostics: tuple[Diagnostic, ...] = field(default=())


def policy_of(settings: Settings) -> Policy:
    """The policy that the setting `policy` names; one that knows nobody and binds nothing where there is none.

    DefinitionError with every problem of the file; UsageError where it cannot be read; SourceUnreachableError where
    its repository cannot be asked.
    """
    return read_policy(settings, settings.policy).policy if settings.policy else Policy()


def read_policy(settings: Settings, place: str) -> ReadPolicy:
    """The policy at a path, or at `git+URL#FILE@REF`. Raises as `policy_of`."""
    found = _OF_GIT.fullmatch(place)
    if found:
        read, name = _of_repository(settings, found["url"], found["file"], found["ref"])
    elif place.startswith("git+"):
        raise UsageError(f"'{place}' names no file of a repository", hint="write git+URL#FILE@BRANCH, TAG or COMMIT")
    else:
        read, name = _of_folder(Path(place).expanduser().absolute())
    from pipeline.language.policy import load_policy

    text = read("")
    policy, diagnostics = load_policy(text, file=name, script=lambda path: read(safe_path(path)))
    return ReadPolicy(policy=policy, name=name, text=text, diagnostics=diagnostics)


def unknown_groups(environments: Iterable[EnvironmentDefinition], policy: Policy) -> Iterator[Diagnostic]:
    """Errors about approvals that environments want of groups that the policy does not have; none without a policy."""
    for environment in environments if policy.revision != NO_POLICY else ():
        for gate in environment.gates:
            if isinstance(gate.rule, ApprovalRule) and gate.rule.group not in policy.groups:
                yield Diagnostic(
                    code="unknown-group",
                    message=f"environment '{environment.name}' wants approvals of the group '{gate.rule.group}', "
                    f"which {policy.file} does not have",
                    position=gate.position,
                    note=suggestion(gate.rule.group, policy.groups),
                )


def _of_folder(path: Path) -> tuple[Callable[[str], bytes], str]:
    """Reads what lies beside a policy file, or the file itself for ""."""

    def read(name: str) -> bytes:
        if not name and not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise UsageError(f"the policy file {path} {what}", hint="see the setting 'policy' (ECLUSE_POLICY)")
        if not name:
            return file_of_tree(path.parent.resolve(), path.resolve().name, limit=LIMIT)
        return file_of_tree(path.parent.resolve(), name, limit=LIMIT)

    return read, path.name


def _of_repository(settings: Settings, url: str, file: str, ref: str) -> tuple[Callable[[str], bytes], str]:
    from pipeline.operations.include_mirror import IncludeMirror, is_commit

    mirror = IncludeMirror(settings.home / "cache", protocols=frozenset(settings.include_protocols), credentials=True)
    mirror.allow(url)
    commit = ref if is_commit(ref) else mirror.resolve(url, ref)
    file = safe_path(file)
    folder, _, name = file.rpartition("/")

    def read(beside: str) -> bytes:
        path = f"{folder}/{beside or name}" if folder else beside or name
        return mirror.content(url, commit, path, limit=LIMIT)

    return read, f"{name}@{commit[:12]}"
