"""What every workspace promises of layers that are saved in one run and restored in another."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from contracts.ground import Ground

from pipeline.errors import StorageError
from pipeline.model.container import View
from pipeline.ports.executor import Session

Tar = Callable[..., bytes]
TREE = {
    "src": None,
    "src/app.py": b"print('hi')\n",
    "src/run.sh": b"#!/bin/sh\necho ran\n",
    "docs": None,
    "docs/a.md": b"a",
    "docs/deep": None,
    "docs/deep/b.md": b"b",
    "docs/deep/c.md": b"c",
    "empty": None,
    "link": "-> docs/a.md",
    "README": b"read me\n",
}
LISTING = """
find . | sort | while read -r path; do
    [ "$path" = . ] && continue
    if [ -L "$path" ]; then echo "$path link $(readlink "$path")"
    elif [ -d "$path" ]; then echo "$path folder $(stat -c %a "$path")"
    else echo "$path file $(stat -c '%a %Y %s' "$path") $(sha256sum < "$path")"; fi
done
"""
"""Everything in the workspace: kinds, modes, times of files, sizes, contents."""

CHANGES = {
    "nothing": "true",
    "file-created": "echo n > new; echo n > docs/new",
    "file-changed": "echo more >> docs/a.md",
    "file-deleted": "rm docs/a.md README",
    "folder-deleted": "rm -r docs",
    "folder-replaced": "rm -r docs; mkdir docs; echo n > docs/new",
    "inner-folder-replaced": "rm -r docs/deep; mkdir docs/deep",
    "folder-renamed": "mv docs moved",
    "folder-renamed-and-changed": "mv docs moved; rm moved/a.md; echo x >> moved/deep/b.md; mkdir moved/own",
    "inner-folder-renamed": "mv docs/deep docs/moved; echo n > docs/moved/n",
    "renamed-and-replaced": "mv docs moved; mkdir docs; echo n > docs/new",
    "renamed-and-replaced-by-a-file": "mv docs moved; echo n > docs",
    "renamed-deeper": "mkdir -p new/place; mv docs/deep new/place/deep; rm -r docs",
    "renamed-there-and-back": "mv docs x; mv x docs; echo c >> docs/a.md",
    "folders-swapped": "mv docs t; mv src docs; mv t src",
    "folder-to-file": "rm -r docs/deep; echo f > docs/deep",
    "file-to-folder": "rm docs/a.md; mkdir docs/a.md; echo f > docs/a.md/f",
    "folder-to-link": "rm -r docs; ln -s src docs",
    "link-to-folder": "rm link; mkdir link; echo f > link/f",
    "links": "ln -s nowhere dangling; ln -s ../README docs/up; ln -sf README link",
    "modes": "chmod 600 README; chmod 755 docs/a.md; chmod 700 docs/deep; chmod 444 src/app.py; mkdir -m 750 m",
    "times": "touch -t 202001020304.05 README docs/old; mkdir d; touch -t 199912312359.58 d/f",
    "empty-things": "mkdir -p e/f/g; : > e/none; : > README",
    "names": "mkdir 'ä ö'; echo 1 > 'ä ö/ß  x'; echo 2 > \"$(printf 'a%0120d' 7)\"; echo 3 > '-rf'; echo 4 > .hidden",
    "deep": "p=d; for i in $(seq 40); do p=$p/folder$i; done; mkdir -p $p; echo deep > $p/file",
    "big": "dd if=/dev/urandom of=big bs=1M count=12 2>/dev/null; echo end >> big; mkdir b; cp big b/big",
    "all-touched": "find . -type f -exec sh -c 'echo x >> \"$1\"' _ {} \\;; chmod -R go+r .",
}


def listing(ground: Ground, session: Session, view: View) -> list[str]:
    """What a stage sees."""
    ended, printed = ground.run(session, ground.shell(LISTING, stage=view.layer, view=view))
    assert (ended.code, printed.err) == (0, b"")
    return printed.out.decode().splitlines()


def source(ground: Ground, tar: Tar) -> Session:
    session = ground.open()
    session.workspace.fill("source", io.BytesIO(tar(TREE)))
    return session


def test_a_restored_layer_is_the_saved_one(ground: Ground, tar: Tar) -> None:
    first, second, third = (source(ground, tar) for _ in range(3))

    def look(session: Session, name: str) -> list[str]:
        return listing(ground, session, View(layer=f"look-{name}", below=(name, "source")))

    def differs(name: str) -> tuple[str, list[str]]:
        spec = ground.shell(CHANGES[name], stage=name, view=View(layer=name, below=("source",)))
        ended, printed = ground.run(first, spec)
        assert (ended.code, printed.err) == (0, b"")
        saved = b"".join(first.workspace.save(name, ["source"]))
        wanted = look(first, name)
        second.workspace.restore(name, (saved[at : at + 10_000] for at in range(0, len(saved), 10_000)))
        third.workspace.restore(name, second.workspace.save(name, ["source"]))
        seen = {*look(second, name), *look(third, name)}
        return name, sorted(seen ^ set(wanted))

    with ThreadPoolExecutor(3) as pool:
        assert {name: lines for name, lines in pool.map(differs, CHANGES) if lines} == {}


def test_what_was_not_written_is_not_saved(ground: Ground, tar: Tar) -> None:
    session = ground.open()
    session.workspace.fill("source", io.BytesIO(tar({"big": b"x" * 3_000_000})))
    ground.run(
        session, ground.shell("cat big > /dev/null; echo n > new", stage="a", view=View(layer="a", below=("source",)))
    )
    ground.run(session, ground.shell("true", stage="b", view=View(layer="b", below=("a", "source"))))
    sizes = [len(b"".join(session.workspace.save(*what))) for what in (("a", ["source"]), ("b", ["a", "source"]))]
    assert max(sizes) < 40_000


def test_layers_of_a_chain_are_restored_one_upon_the_other(ground: Ground, tar: Tar) -> None:
    first, below, saved = source(ground, tar), ["source"], {}
    for name, script in (("a", "rm -r docs; mkdir -p docs/x; echo a > docs/x/f"), ("b", "mv docs other; echo b > b")):
        ground.run(first, ground.shell(script, stage=name, view=View(layer=name, below=tuple(below))))
        saved[name] = b"".join(first.workspace.save(name, below))
        below.insert(0, name)
    wanted = listing(ground, first, View(layer="look", below=tuple(below)))
    second = source(ground, tar)
    for name, content in saved.items():
        second.workspace.restore(name, io.BytesIO(content))
    assert listing(ground, second, View(layer="look", below=tuple(below))) == wanted


def test_hard_links_stay_readable(ground: Ground, tar: Tar) -> None:
    first = source(ground, tar)
    script = "mkdir h; echo same > h/one; ln h/one h/two; ln h/one three; ln README again"
    ground.run(first, ground.shell(script, stage="a", view=View(layer="a", below=("source",))))
    saved = b"".join(first.workspace.save("a", ["source"]))
    second = source(ground, tar)
    second.workspace.restore("a", io.BytesIO(saved))
    spec = ground.shell("cat h/one h/two three again", stage="b", view=View(layer="b", below=("a", "source")))
    assert ground.run(second, spec)[1].out == b"same\nsame\nsame\nread me\n"


def test_many_files_are_saved_and_restored_whole(ground: Ground) -> None:
    count = 3000
    script = f"mkdir d; cd d; for i in $(seq {count}); do echo $i > file$i; done"
    first, second = ground.open(), ground.open()
    ground.run(first, ground.shell(script, stage="a", view=View(layer="a")))
    second.workspace.restore("a", first.workspace.save("a", []))
    spec = ground.shell(f"ls d | wc -l; cat d/file{count} d/file1", stage="b", view=View(layer="b", below=("a",)))
    assert ground.run(second, spec)[1].out.split() == [b"%d" % count, b"%d" % count, b"1"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no archive at all" * 1000, id="text"),
        pytest.param(bytes(10240), id="zeros"),
    ],
)
def test_what_was_not_saved_is_refused(ground: Ground, content: bytes) -> None:
    with pytest.raises(StorageError, match="'a'"):
        ground.open().workspace.restore("a", io.BytesIO(content))


def test_a_plain_archive_is_no_saved_layer(ground: Ground, tar: Tar) -> None:
    with pytest.raises(StorageError, match="no saved layer"):
        ground.open().workspace.restore("a", io.BytesIO(tar({"f": b"x"})))


_FOLDER_MODE = re.compile(r"(?<= folder) \d+$")


@pytest.mark.parametrize("ground", ["docker overlay", "docker copy"], indirect=True)
@pytest.mark.parametrize("change", ["folder-replaced", "folder-deleted", "file-to-folder"])
def test_both_workspaces_of_an_engine_understand_each_other(ground: Ground, tar: Tar, change: str) -> None:
    """But for the modes of folders, which the copying one opens to every user."""
    first = source(ground, tar)
    ground.run(first, ground.shell(CHANGES[change], stage="a", view=View(layer="a", below=("source",))))
    saved = b"".join(first.workspace.save("a", ["source"]))
    wanted = listing(ground, first, View(layer="look", below=("a", "source")))
    other = ground.other_workspace()
    second = source(other, tar)
    second.workspace.restore("a", io.BytesIO(saved))
    found = listing(other, second, View(layer="look", below=("a", "source")))
    assert [_FOLDER_MODE.sub("", line) for line in found] == [_FOLDER_MODE.sub("", line) for line in wanted]
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        assert archive.pax_headers.get("ECLUSE.layer") == "1"
