"""A first pipeline file for a repository, from what lies in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StorageError, UsageError

SCHEMA_PLACE = ".ecluse/pipeline.schema.json"
"""Where the schema is kept for editors, relative to the repository's root."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstFile:
    """The text of a pipeline file, and what in the repository it was made from."""

    text: str
    seen: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stage:
    seen: str
    text: str


def first_file(root: Path) -> FirstFile:
    """Read the repository at `root` and write a file that passes `ecluse check`."""
    stages = [stage for ecosystem in _ECOSYSTEMS if (stage := ecosystem(root)) is not None]
    seen = [stage.seen for stage in stages]
    texts = [stage.text for stage in stages] or [_NOTHING_KNOWN]
    if (root / "Dockerfile").is_file():
        seen.append("Dockerfile")
        texts.append(_IMAGE)
    head = (
        f"# yaml-language-server: $schema={SCHEMA_PLACE}\n"
        "# What every key means: ecluse schema, or your editor's completion. What would run: ecluse plan.\n"
        f"version: 1\nname: {_name(root.name)}\n\nstages:\n"
    )
    return FirstFile(text=head + "\n".join(texts), seen=tuple(seen))


def write_first(root: Path, *, file: str, schema: Mapping[str, object], force: bool) -> FirstFile:
    """Write the file and the schema that editors check it with. UsageError when it exists and `force` is off."""
    target = root / file
    if target.exists() and not force:
        raise UsageError(f"{target} exists", hint="write over it with --force, or name another with --file")
    first = first_file(root)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(first.text, encoding="utf-8")
        place = root / SCHEMA_PLACE
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror}", hint="check the folder's permissions") from error
    return first


def _name(folder: str) -> str:
    name = re.sub(r"[^a-z0-9_.-]+", "-", folder.lower()).strip("-._")[:60]
    return name or "pipeline"


def _python(root: Path) -> _Stage | None:
    marks = [name for name in ("pyproject.toml", "setup.py", "requirements.txt") if (root / name).is_file()]
    if not marks:
        return None
    install = "pip install -r requirements.txt" if "requirements.txt" in marks else "pip install ."
    tested = (root / "tests").is_dir() or (root / "test").is_dir() or any(root.glob("test_*.py"))
    if not tested:
        commands = [install, "python -m compileall -q ."]
        return _Stage(seen=marks[0], text=_stage("compile", "run", "python:3.12-slim", commands))
    commands = [install, "pip install pytest", "pytest --junitxml=report.xml"]
    text = _stage("unit", "test", "python:3.12-slim", commands, junit="report.xml")
    return _Stage(seen=f"{marks[0]} with tests", text=text)


def _node(root: Path) -> _Stage | None:
    path = root / "package.json"
    if not path.is_file():
        return None
    try:
        scripts = json.loads(path.read_text(encoding="utf-8")).get("scripts", {})
    except (OSError, ValueError, AttributeError):
        scripts = {}
    install = "npm ci" if (root / "package-lock.json").is_file() else "npm install"
    wanted = [f"npm run {name}" for name in ("lint", "build", "test") if isinstance(scripts, dict) and name in scripts]
    return _Stage(seen="package.json", text=_stage("node", "run", "node:22-slim", [install, *wanted]))


def _go(root: Path) -> _Stage | None:
    if not (root / "go.mod").is_file():
        return None
    return _Stage(seen="go.mod", text=_stage("go", "run", "golang:1.23", ["go vet ./...", "go test ./..."]))


def _rust(root: Path) -> _Stage | None:
    if not (root / "Cargo.toml").is_file():
        return None
    return _Stage(seen="Cargo.toml", text=_stage("rust", "run", "rust:1.82-slim", ["cargo test"]))


def _maven(root: Path) -> _Stage | None:
    if not (root / "pom.xml").is_file():
        return None
    reports = "target/surefire-reports/*.xml"
    text = _stage("verify", "test", "maven:3.9-eclipse-temurin-21", ["mvn -B verify"], junit=reports)
    return _Stage(seen="pom.xml", text=text)


def _gradle(root: Path) -> _Stage | None:
    mark = next((name for name in ("build.gradle", "build.gradle.kts") if (root / name).is_file()), "")
    if not mark:
        return None
    command = "sh ./gradlew test" if (root / "gradlew").is_file() else "gradle test"
    reports = "**/build/test-results/test/*.xml"
    name = "gradle" if (root / "pom.xml").is_file() else "verify"
    return _Stage(seen=mark, text=_stage(name, "test", "gradle:8-jdk21", [command], junit=reports))


def _make(root: Path) -> _Stage | None:
    try:
        targets = re.findall(r"^(check|test):", (root / "Makefile").read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return None
    if not targets or any(ecosystem(root) for ecosystem in _ECOSYSTEMS if ecosystem is not _make):
        return None
    commands = [f"make {target}" for target in dict.fromkeys(targets)]
    return _Stage(seen="Makefile", text=_stage("make", "run", "gcc:14", commands))


_ECOSYSTEMS: tuple[Callable[[Path], _Stage | None], ...] = (_python, _node, _go, _rust, _maven, _gradle, _make)

_NOTHING_KNOWN = """\
  hello:
    image: busybox:1.36
    commands:
      - echo "replace this by what builds and tests your project"
      - ls
"""

_IMAGE = """\
  image:
    kind: build
    context: .

  scan:
    kind: scan
    of: image
    fail_on: high

  # push:
  #   kind: push
  #   image: image
  #   to: registry.example.org/team/name
  #   tags: ["${{ commit.short }}"]
"""


def _stage(name: str, kind: str, image: str, commands: list[str], *, junit: str = "") -> str:
    lines = [f"  {name}:"]
    if kind != "run":
        lines.append(f"    kind: {kind}")
    lines += [f"    image: {image}", "    commands:", *(f"      - {command}" for command in commands)]
    if junit:
        lines.append(f'    reports: {{junit: ["{junit}"]}}')
    return "\n".join(lines) + "\n"
