"""The directory behind the storage port: damage, full disks, killed writers, what lies where."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.storage.directory import DirectoryStorage

CONTENT = b"0123456789" * 300_000
HEX = hashlib.sha256(CONTENT).hexdigest()
DIGEST = f"sha256:{HEX}"


@pytest.fixture
def storage(tmp_path: Path) -> DirectoryStorage:
    return DirectoryStorage(tmp_path)


def blob(root: Path) -> Path:
    return root / HEX[:2] / HEX[2:]


def test_a_blob_lies_under_its_digest_and_is_read_only(storage: DirectoryStorage, tmp_path: Path) -> None:
    storage.put([CONTENT])
    assert blob(tmp_path).read_bytes() == CONTENT
    assert blob(tmp_path).stat().st_mode & 0o777 == 0o444
    assert list((tmp_path / "tmp").iterdir()) == []


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1_500_000] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def _cut(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, 2_000_000)


def _empty(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"")


def _lengthen(path: Path) -> None:
    path.chmod(0o644)
    with path.open("ab") as file:
        file.write(b"x")


def whole(storage: DirectoryStorage) -> bytes:
    return storage.open(DIGEST).read()


def piecewise(storage: DirectoryStorage) -> bytes:
    with storage.open(DIGEST) as file:
        return b"".join(iter(lambda: file.read(70_000), b""))


def again(storage: DirectoryStorage) -> bytes:
    with storage.open(DIGEST) as file:
        file.read(2_000_000)
        file.seek(0)
        return file.read()


@pytest.mark.parametrize("read", [whole, piecewise, again])
@pytest.mark.parametrize("damage", [_flip, _cut, _empty, _lengthen])
def test_damage_is_seen_and_mended_by_the_next_put(
    storage: DirectoryStorage,
    tmp_path: Path,
    damage: Callable[[Path], None],
    read: Callable[[DirectoryStorage], bytes],
) -> None:
    storage.put([CONTENT])
    assert read(storage) == CONTENT
    damage(blob(tmp_path))
    with pytest.raises(StorageError, match="is damaged") as caught:
        read(storage)
    assert str(blob(tmp_path)) in caught.value.message
    storage.put([CONTENT])
    assert read(storage) == CONTENT


def test_reading_the_middle_is_possible(storage: DirectoryStorage) -> None:
    storage.put([CONTENT])
    with storage.open(DIGEST) as file:
        assert file.seek(-5, os.SEEK_END) == len(CONTENT) - 5
        assert file.read() == b"56789"
        file.seek(12)
        assert file.read(3) == b"234"


FILL_THE_DISK = """
import sys
from pathlib import Path
from pipeline.errors import DiskFullError
from pipeline.storage.directory import DirectoryStorage
storage = DirectoryStorage(Path(sys.argv[1]))
small, _ = storage.put([b"small"])
try:
    storage.put(bytes(100_000) for _ in range(100))
except DiskFullError as error:
    print(error.message, "|", error.hint)
print([path.name for path in (Path(sys.argv[1]) / "tmp").iterdir()], list(storage.digests()) == [small])
"""


def test_a_full_disk_is_said_and_nothing_stays(tmp_path: Path) -> None:
    """On a real file system of 1 MiB, mounted where nobody else sees it."""
    own_mounts = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    script = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        [*own_mounts, "sh", "-c", script, "sh", str(tmp_path), sys.executable, FILL_THE_DISK],
        capture_output=True,
        text=True,
        check=True,
    )
    said, left = done.stdout.splitlines()
    assert said.startswith("cannot write ")
    assert "No space left on device | free some space (`ecluse gc`" in said
    assert left == "[] True"


def test_a_killed_writer_leaves_no_blob(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.storage.directory import DirectoryStorage\n"
        "def chunks():\n"
        "    yield b'x' * 2_000_000\n"
        "    print('writing', flush=True)\n"
        "    sys.stdin.read()\n"
        "DirectoryStorage(Path(sys.argv[1])).put(chunks())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    process.kill()
    process.communicate()
    storage = DirectoryStorage(tmp_path)
    (draft,) = (tmp_path / "tmp").iterdir()
    assert list(storage.digests()) == []
    os.utime(draft, (0, 0))
    fresh = tmp_path / "tmp" / "of-another-writer"
    fresh.write_bytes(b"")
    storage.put([CONTENT])
    assert list((tmp_path / "tmp").iterdir()) == [fresh]


def test_a_folder_that_cannot_be_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write") as caught:
        DirectoryStorage(tmp_path / "file").put([b"x"])
    assert caught.value.hint


def test_foreign_files_are_no_blobs(storage: DirectoryStorage, tmp_path: Path) -> None:
    storage.put([CONTENT])
    (blob(tmp_path).parent / "README").write_text("x")
    (tmp_path / "zz").mkdir()
    assert list(storage.digests()) == [DIGEST]
