"""What every executor promises of workspaces: who sees what, and what comes out again."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from contracts.ground import Ground

from pipeline.errors import NotFoundError
from pipeline.model.container import View
from pipeline.ports.executor import Session

Tar = Callable[..., bytes]
SOURCE = View(layer="source")
TREE = {
    "src": None,
    "src/app.py": b"print('hi')\n",
    "src/run.sh": b"#!/bin/sh\necho ran\n",
    "docs": None,
    "docs/a.md": b"a",
    "docs/deep": None,
    "docs/deep/b.md": b"b",
    "README": b"read me\n",
}


def files(session: Session, view: View, patterns: Sequence[str] = ("**",)) -> dict[str, bytes]:
    return {item.path: item.content.read() for item in session.workspace.read(view, patterns)}


@pytest.fixture
def session(ground: Ground, tar: Tar) -> Session:
    opened = ground.open()
    opened.workspace.fill("source", io.BytesIO(tar(TREE)))
    return opened


def test_a_stage_sees_what_lies_below_and_may_run_it(ground: Ground, session: Session) -> None:
    spec = ground.shell("cat README; src/run.sh; find . -type f | sort", view=View(layer="a", below=("source",)))
    _, printed = ground.run(session, spec)
    assert printed.out.decode().splitlines() == [
        "read me",
        "ran",
        "./README",
        "./docs/a.md",
        "./docs/deep/b.md",
        "./src/app.py",
        "./src/run.sh",
    ]


def test_a_chain_hands_everything_on(ground: Ground, session: Session) -> None:
    below: tuple[str, ...] = ("source",)
    for number in range(4):
        name = f"s{number}"
        ended, _ = ground.run(
            session,
            ground.shell(
                f"echo {number} >> trail; echo {number} > own{number}", stage=name, view=View(layer=name, below=below)
            ),
        )
        assert ended.code == 0
        below = (name, *below)
    view = View(layer="end", below=below)
    assert files(session, view, ["trail", "own*"]) == {
        "own0": b"0\n",
        "own1": b"1\n",
        "own2": b"2\n",
        "own3": b"3\n",
        "trail": b"0\n1\n2\n3\n",
    }


def test_siblings_do_not_disturb_each_other(ground: Ground, session: Session) -> None:
    def work(name: str) -> bytes:
        script = f"for i in $(seq 50); do echo {name} > README; rm -f docs/a.md; cat README; done; touch own-{name}; ls"
        _, printed = ground.run(session, ground.shell(script, stage=name, view=View(layer=name, below=("source",))))
        return printed.out

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(work, ("one", "two"))
    assert one == b"one\n" * 50 + b"README\ndocs\nown-one\nsrc\n"
    assert two == b"two\n" * 50 + b"README\ndocs\nown-two\nsrc\n"
    assert files(session, SOURCE, ["README", "docs/*"]) == {"README": b"read me\n", "docs/a.md": b"a"}


def test_a_join_sees_both_and_the_nearer_wins(ground: Ground, session: Session) -> None:
    for name in ("left", "right"):
        script = f"echo {name} > {name}; echo {name} > both"
        ground.run(session, ground.shell(script, stage=name, view=View(layer=name, below=("source",))))
    view = View(layer="join", below=("left", "right", "source"))
    _, printed = ground.run(session, ground.shell("cat left right both README", stage="join", view=view))
    assert printed.out == b"left\nright\nleft\nread me\n"


@pytest.mark.parametrize(
    ("script", "after"),
    [
        pytest.param("rm docs/a.md", {"docs/deep/b.md": b"b"}, id="file-deleted"),
        pytest.param("rm -r docs", {}, id="folder-deleted"),
        pytest.param("rm -r docs; mkdir docs; echo n > docs/new", {"docs/new": b"n\n"}, id="folder-replaced"),
        pytest.param(
            "rm -r docs/deep; echo f > docs/deep", {"docs/a.md": b"a", "docs/deep": b"f\n"}, id="folder-to-file"
        ),
        pytest.param("mv docs/deep docs/moved", {"docs/a.md": b"a", "docs/moved/b.md": b"b"}, id="folder-renamed"),
        pytest.param(
            "mv docs x; mv x docs; echo c >> docs/a.md",
            {"docs/a.md": b"ac\n", "docs/deep/b.md": b"b"},
            id="there-and-back",
        ),
        pytest.param("printf z > docs/a.md", {"docs/a.md": b"z", "docs/deep/b.md": b"b"}, id="same-size-and-second"),
        pytest.param(
            "ln docs/a.md docs/z.md", {"docs/a.md": b"a", "docs/deep/b.md": b"b", "docs/z.md": b"a"}, id="hard-link"
        ),
    ],
)
def test_changes_show_in_the_next_stage_and_from_outside(
    ground: Ground, session: Session, script: str, after: dict[str, bytes]
) -> None:
    ended, _ = ground.run(session, ground.shell(script, stage="a", view=View(layer="a", below=("source",))))
    assert ended.code == 0
    inner = ground.shell(
        "test -d docs && cd docs && find . -type f | sort", stage="b", view=View(layer="b", below=("a", "source"))
    )
    _, printed = ground.run(session, inner)
    assert [f"docs/{line[2:]}" for line in printed.out.decode().splitlines()] == sorted(after)
    assert files(session, View(layer="a", below=("source",)), ["docs/**"]) == after
    assert files(session, View(layer="b", below=("a", "source")), ["docs/**"]) == after


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        pytest.param(["README"], ["README"], id="literal"),
        pytest.param(["docs/*.md"], ["docs/a.md"], id="star-stays-in-folder"),
        pytest.param(["**/*.md"], ["docs/a.md", "docs/deep/b.md"], id="double-star"),
        pytest.param(["docs/**"], ["docs/a.md", "docs/deep/b.md"], id="everything-below"),
        pytest.param(["docs"], ["docs/a.md", "docs/deep/b.md"], id="folder"),
        pytest.param(
            ["docs/deep/b.md", "docs/**", "README"], ["README", "docs/a.md", "docs/deep/b.md"], id="overlapping"
        ),
        pytest.param(["src/[ar]*.??"], ["src/app.py", "src/run.sh"], id="sets"),
        pytest.param(["nothing/**", "no*"], [], id="absent"),
        pytest.param(["../README", "/etc/passwd", "docs/../../etc/passwd"], [], id="leaves-the-workspace"),
        pytest.param([], [], id="none"),
    ],
)
def test_patterns_find_files(session: Session, patterns: list[str], found: list[str]) -> None:
    assert [item.path for item in session.workspace.read(SOURCE, patterns)] == found


def test_files_tell_size_and_gits_mode(session: Session) -> None:
    seen = {item.path: (item.size, item.mode & 0o777) for item in session.workspace.read(SOURCE, ["src/**"])}
    assert seen == {"src/app.py": (12, 0o644), "src/run.sh": (19, 0o755)}


def test_links_are_followed_within_and_never_out(ground: Ground, session: Session) -> None:
    script = """
    mkdir out; ln -s ../README out/inner; ln -s /etc/passwd out/absolute; ln -s ../../etc/passwd out/above
    ln -s loop out/loop; ln -s /etc etc; ln -s ../.. out/up; ln -s /workspace/../etc/hostname out/sly
    """
    ground.run(session, ground.shell(script, stage="a", view=View(layer="a", below=("source",))))
    view = View(layer="a", below=("source",))
    assert files(session, view, ["out/**", "etc/**", "etc/passwd", "out/up/**", "out/up/etc/passwd", "out/sly"]) == {
        "out/inner": b"read me\n"
    }


def test_big_files_are_streamed(ground: Ground, session: Session) -> None:
    script = "dd if=/dev/zero of=big bs=1M count=64 2>/dev/null; echo end >> big; echo small > tiny"
    ground.run(session, ground.shell(script, stage="a", view=View(layer="a")))
    sizes = {}
    for item in session.workspace.read(View(layer="a"), ["**"]):
        total, last = 0, b""
        while chunk := item.content.read(1 << 20):
            total, last = total + len(chunk), chunk
        sizes[item.path] = (total, last[-4:])
    assert sizes == {"big": (64 * 2**20 + 4, b"end\n"), "tiny": (6, b"all\n")}


def test_a_file_may_be_left_unread(session: Session) -> None:
    reading = session.workspace.read(SOURCE, ["**"])
    assert next(reading).path == "README"
    assert next(reading).path == "docs/a.md"


@pytest.mark.parametrize(
    ("path", "names"),
    [
        pytest.param("docs", {"a.md", "deep/b.md"}, id="folder"),
        pytest.param("docs/deep/", {"b.md"}, id="nested"),
        pytest.param("", {"README", "docs/a.md", "docs/deep/b.md", "src/app.py", "src/run.sh"}, id="root"),
        pytest.param(".", {"README", "docs/a.md", "docs/deep/b.md", "src/app.py", "src/run.sh"}, id="dot"),
    ],
)
def test_archive_is_a_folder_with_gits_modes(session: Session, path: str, names: set[str]) -> None:
    content = io.BytesIO(b"".join(session.workspace.archive(SOURCE, path)))
    with tarfile.open(fileobj=content) as archive:
        entries = {entry.name.removeprefix("./"): entry for entry in archive}
    regular = {name: entry.mode & 0o777 for name, entry in entries.items() if entry.isreg()}
    assert set(regular) == names
    assert all(mode == (0o755 if name.endswith(".sh") else 0o644) for name, mode in regular.items())
    assert all(
        entry.mode & 0o777 == 0o755 for name, entry in entries.items() if entry.isdir() and name not in ("", ".")
    )


@pytest.mark.parametrize("path", ["absent", "README", "../source", "docs/../..", "/etc"])
def test_archive_of_no_folder_says_so(session: Session, path: str) -> None:
    with pytest.raises(NotFoundError):
        b"".join(session.workspace.archive(SOURCE, path))


def test_archive_shows_the_merged_view(ground: Ground, session: Session) -> None:
    ground.run(
        session, ground.shell("rm docs/a.md; echo n > docs/n", stage="a", view=View(layer="a", below=("source",)))
    )
    content = io.BytesIO(b"".join(session.workspace.archive(View(layer="a", below=("source",)), "docs")))
    with tarfile.open(fileobj=content) as archive:
        assert {entry.name.removeprefix("./") for entry in archive if entry.isreg()} == {"deep/b.md", "n"}


def test_filling_with_many_files_keeps_each(ground: Ground, tar: Tar) -> None:
    session = ground.open()
    tree: dict[str, bytes | None] = {"d": None}
    tree |= {f"d/{'x' * (number % 120)}{number}": b"%d" % number for number in range(1500)}
    content = tar(tree)
    session.workspace.fill("many", (content[at : at + 777] for at in range(0, len(content), 777)))
    _, printed = ground.run(
        session, ground.shell("ls d | wc -l; cat d/* | sha256sum", view=View(layer="a", below=("many",)))
    )
    assert printed.out.split()[0] == b"1500"
    assert files(session, View(layer="many"), ["d/*"]) == {
        path: item for path, item in tree.items() if item is not None
    }


def test_links_that_lead_out_stay_as_they_are(ground: Ground, tar: Tar) -> None:
    links = {"up": "../../..", "side": "../other", "d/out": "../../x", "d/in": "../up", "root": "/etc/hostname"}
    opened = ground.open()
    opened.workspace.fill("source", io.BytesIO(tar({"d": None, **{name: f"-> {to}" for name, to in links.items()}})))
    shown = "; ".join(f"readlink {name}" for name in links)
    spec = ground.shell(
        f"{shown}; ln -s ../../made m; ln -s near n", stage="a", view=View(layer="a", below=("source",))
    )
    ended, printed = ground.run(opened, spec)
    assert (ended.code, printed.out.decode().split()) == (0, list(links.values()))
    later = ground.open()
    later.workspace.restore("a", iter(list(opened.workspace.save("a", ["source"]))))
    spec = ground.shell("readlink m; readlink n", stage="b", view=View(layer="b", below=("a",)))
    ended, printed = ground.run(later, spec)
    assert (ended.code, printed.out) == (0, b"../../made\nnear\n")
