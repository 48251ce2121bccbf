"""The facts of a repository before a plan is made: commit, tree, origin, asked of git in a few quick calls."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.model.source import Commit, Source

_QUIET = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "log.showSignature": "false",
    "i18n.logOutputEncoding": "UTF-8",
}
"""What would start a program of the repository's choosing, or change what git prints."""

_STRAYS = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
    *("GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS"),
)
"""What git sets for its hooks and aliases, and what would point our calls elsewhere."""

_LFS = frozenset(
    f"git-lfs {word}{skip}{path}"
    for word, path in (("clean", " -- %f"), ("smudge", " -- %f"), ("filter-process", ""))
    for skip in ("", " --skip")
)
"""The filters that `git lfs install` writes; every other filter of a repository's own configuration is put out."""

_FORMAT = "%H%x00%T%x00%an <%ae>%x00%cI%x00%B"


def describe(path: Path, revision: str = "") -> Source:
    """The repository that holds `path`, at `revision`, or as its working tree is now when that is "".

    Nothing in the repository is changed or executed: no hooks, no file monitor, no filters of its own configuration.
    `commit.tree` is git's tree id; that of a working tree with changes is the tree `git add -A` would give.
    Raises SourceError when there is no repository, no commit or no such revision, or when git does not trust it.
    """
    environment = git_environment()
    wanted = f"{revision or 'HEAD'}^{{commit}}"
    places, facts, settings = _ask(
        path,
        environment,
        ("rev-parse", "--is-bare-repository", "--absolute-git-dir", "--show-toplevel"),
        ("log", "-1", "-s", "--no-mailmap", "--no-notes", f"--format={_FORMAT}", "--end-of-options", wanted, "--"),
        ("config", "--list", "--show-scope", "-z"),
    )
    root, folder = _places(path, places, revision)
    if facts.returncode:
        raise _no_revision(root, revision, facts.stderr)
    sha, tree, author, time, message = facts.stdout.decode(errors="replace").split("\0", 4)
    configuration = _configuration(settings.stdout)
    dirty = False
    if not revision:
        content = _working_tree(root, folder, _without_filters(environment, configuration))
        tree, dirty = (content, True) if content else (tree, False)
    commit = Commit(
        sha=sha,
        message=message.strip(),
        author=author,
        time=datetime.fromisoformat(time).astimezone(UTC),
        dirty=dirty,
        tree=tree,
    )
    origin = next((value for _, key, value in configuration if key == "remote.origin.url"), "")
    return Source(path=str(root), origin=without_credentials(origin), commit=commit, revision=revision)


def without_credentials(url: str) -> str:
    """The URL without the user and password that may stand in it (`https://user:token@host/…`)."""
    return re.sub(r"^([a-z+]+://)[^/@]*@", r"\1", url) if url.startswith("http") else url


def git_environment() -> dict[str, str]:
    """The environment for a git that asks nothing, runs nothing of the repository's, and is not led astray by a hook
    that started us (`GIT_DIR`, `GIT_INDEX_FILE`)."""
    environment = {name: value for name, value in os.environ.items() if name not in _STRAYS}
    environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
    return _configured(environment, _QUIET)


def quiet_environment(path: Path) -> dict[str, str]:
    """As `git_environment`, for calls that read the working tree: filters of the repository's own choosing are out."""
    environment = git_environment()
    (settings,) = _ask(path, environment, ("config", "--list", "--show-scope", "-z"))
    return _without_filters(environment, _configuration(settings.stdout))


def _working_tree(root: Path, folder: Path, environment: Mapping[str, str]) -> str:
    """The id of the working tree's content, or "" when it is that of its commit. Submodules count with theirs."""
    status = _run(root, environment, "status", "--porcelain", "-z", "-uall", "--no-renames", "--ignore-submodules=none")
    if status.returncode:
        raise SourceError(f"cannot read the working tree {root}: {_last_line(status.stderr)}", hint="run `git status`")
    entries = {entry[3:]: entry[1:2] for entry in status.stdout.split(b"\0") if entry and not entry.endswith(b"/")}
    gone = [path for path, state in entries.items() if state == b"D"]
    paths = [path for path, state in entries.items() if state != b"D"]
    if not entries:
        return ""
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(prefix="ecluse-tree-") as scratch:
        index, objects = Path(scratch, "index"), Path(scratch, "objects")
        objects.mkdir()
        if (folder / "index").exists():
            shutil.copyfile(folder / "index", index)
        common = _run(root, environment, "rev-parse", "--path-format=absolute", "--git-path", "objects")
        aside = {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": str(objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(common.stdout.decode(errors="surrogateescape").strip()),
        }
        aside = {**environment, **aside}
        if gone:
            _run(root, aside, "update-index", "-z", "--force-remove", "--stdin", stdin=b"\0".join(gone))
        change = ("update-index", "-z", "--add", "--remove", "--replace", "--stdin")
        update = _run(root, aside, *change, stdin=b"\0".join(paths))
        written = _run(root, aside, "write-tree")
    if update.returncode or written.returncode:
        why = _last_line(update.stderr or written.stderr)
        raise SourceError(f"cannot read the working tree {root}: {why}", hint="run `git status`, then `git add -A -n`")
    tree = written.stdout.decode().strip()
    below = {path: _submodule(root / os.fsdecode(path), environment) for path in paths if _is_folder(root, path)}
    if not any(below.values()):
        return tree
    digest = hashlib.sha256(tree.encode())
    for path, content in sorted(below.items()):
        digest.update(b"\0" + path + b"\0" + content.encode())
    return digest.hexdigest()


def _submodule(path: Path, environment: Mapping[str, str]) -> str:
    place, settings = _ask(
        path, environment, ("rev-parse", "--absolute-git-dir"), ("config", "-l", "--show-scope", "-z")
    )
    quiet = _without_filters(environment, _configuration(settings.stdout))
    return _working_tree(path, Path(os.fsdecode(place.stdout.rstrip(b"\n"))), quiet)


def _is_folder(root: Path, path: bytes) -> bool:
    place = root / os.fsdecode(path)
    return place.is_dir() and not place.is_symlink()


def _quoted(path: str) -> str:
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _places(path: Path, answer: subprocess.CompletedProcess[bytes], revision: str) -> tuple[Path, Path]:
    lines = [os.fsdecode(line) for line in answer.stdout.splitlines()]
    if answer.returncode == 0:
        return Path(lines[2]), Path(lines[1])
    if lines[:1] == ["true"]:
        if revision:
            return Path(lines[1]), Path(lines[1])
        raise SourceError(f"{path} is a bare repository without a working tree", hint="name a commit with --commit")
    words = answer.stderr.decode(errors="replace")
    if "dubious ownership" in words or "unsafe repository" in words:
        owner = re.search(r"safe\.directory (\S.*)", words)
        raise SourceError(
            f"git does not trust {path}: the repository belongs to another user",
            hint=f"if you trust it: git config --global --add safe.directory {owner[1] if owner else path}",
        )
    if "not a git repository" in words:
        raise SourceError(f"{path} is not in a git repository", hint="go into one, or make one: git init && git commit")
    raise SourceError(f"git cannot read {path}: {_last_line(answer.stderr)}", hint="run `git status` there")


def _no_revision(root: Path, revision: str, stderr: bytes) -> SourceError:
    words = stderr.decode(errors="replace")
    if not revision:
        return SourceError(f"{root} has no commit yet", hint="make the first one: git add -A && git commit")
    if "unknown revision" in words or "bad revision" in words or "ambiguous" in words or "Needed a single" in words:
        return SourceError(
            f"{root} has no commit '{revision}'",
            hint="see `git log --all`; a commit of the remote needs `git fetch` first",
        )
    return SourceError(
        f"{root}: '{revision}' is not a commit: {_last_line(stderr)}", hint="name a commit, branch or tag"
    )


def _configuration(listing: bytes) -> list[tuple[str, str, str]]:
    parts = listing.decode(errors="surrogateescape").split("\0")
    entries = []
    for scope, entry in zip(parts[::2], parts[1::2], strict=False):
        key, _, value = entry.partition("\n")
        entries.append((scope, key, value))
    return entries


def _without_filters(environment: Mapping[str, str], configuration: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    put_out: dict[str, str] = {}
    for scope, key, value in configuration:
        if scope in ("local", "worktree") and key.startswith("filter.") and value not in _LFS:
            driver, _, part = key.rpartition(".")
            if part in ("clean", "smudge", "process"):
                put_out |= {key: "", f"{driver}.required": "false"}
    return _configured(environment, put_out)


def _configured(environment: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    first = int(environment.get("GIT_CONFIG_COUNT") or 0)
    variables = {**environment, "GIT_CONFIG_COUNT": str(first + len(values))}
    for number, (key, value) in enumerate(values.items(), start=first):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _ask(
    path: Path, environment: Mapping[str, str], *questions: tuple[str, ...]
) -> list[subprocess.CompletedProcess[bytes]]:
    """Ask git several things at the same time."""
    try:
        running = [
            subprocess.Popen(
                ("git", "-C", path, *question),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for question in questions
        ]
    except FileNotFoundError as error:
        raise _no_git() from error
    answers = []
    for process in running:
        out, err = process.communicate()
        answers.append(subprocess.CompletedProcess(process.args, process.returncode, out, err))
    return answers


def _run(
    path: Path, environment: Mapping[str, str], *arguments: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ("git", "-C", path, *arguments), env=environment, input=stdin, capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise _no_git() from error


def _no_git() -> SourceError:
    return SourceError("the git command is not installed", hint="install git 2.32 or newer and put it on the PATH")


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("fatal: ") if lines else "git said nothing"
