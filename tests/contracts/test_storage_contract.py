"""What every implementation of the storage port promises."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pipeline.errors import NotFoundError, StorageError
from pipeline.ports.storage import Storage
from pipeline.storage.directory import DirectoryStorage

ABSENT = "sha256:" + "0" * 64


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return DirectoryStorage(tmp_path / "blobs")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"text\n", id="small"),
        pytest.param(bytes(range(256)) * 20_000, id="5 MB"),
    ],
)
def test_what_is_put_is_read_again(storage: Storage, content: bytes) -> None:
    assert storage.put(io.BytesIO(content)) == (digest_of(content), len(content))
    with storage.open(digest_of(content)) as file:
        assert file.read() == content
        assert file.read() == b""
    assert storage.has(digest_of(content))
    assert storage.size(digest_of(content)) == len(content)


def test_chunks_are_taken_as_they_come(storage: Storage) -> None:
    digest, size = storage.put(chunk for chunk in (b"a", b"", b"bc"))
    assert (digest, size) == (digest_of(b"abc"), 3)


def test_the_same_content_is_kept_once(storage: Storage) -> None:
    assert storage.put([b"x"]) == storage.put(io.BytesIO(b"x"))
    assert list(storage.digests()) == [digest_of(b"x")]


def test_digests_lists_all(storage: Storage) -> None:
    stored = {storage.put([bytes([index])])[0] for index in range(30)}
    assert set(storage.digests()) == stored


def test_an_empty_storage_has_nothing(storage: Storage) -> None:
    assert list(storage.digests()) == []
    assert not storage.has(ABSENT)


@pytest.mark.parametrize("call", ["open", "size"])
def test_what_is_not_there_is_not_found(storage: Storage, call: str) -> None:
    with pytest.raises(NotFoundError, match="is not stored"):
        getattr(storage, call)(ABSENT)


def test_deleting_twice_is_fine_and_a_reader_reads_on(storage: Storage) -> None:
    digest, _ = storage.put([b"x" * 3_000_000])
    with storage.open(digest) as file:
        assert file.read(1) == b"x"
        storage.delete(digest)
        storage.delete(digest)
        assert len(file.read()) == 2_999_999
    assert not storage.has(digest)


def test_adopting_takes_the_file(storage: Storage, tmp_path: Path) -> None:
    for name in ("one", "two"):  # the second time the blob is already there
        path = tmp_path / name
        path.write_bytes(b"log")
        storage.adopt(path, digest_of(b"log"))
        assert not path.exists()
    assert storage.open(digest_of(b"log")).read() == b"log"


@pytest.mark.parametrize("digest", ["", "sha256:", "md5:" + "0" * 64, "sha256:../../etc/passwd", "sha256:" + "A" * 64])
def test_what_is_no_digest_is_refused(storage: Storage, tmp_path: Path, digest: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    for call in (storage.has, storage.open, storage.size, storage.delete, lambda item: storage.adopt(file, item)):
        with pytest.raises(StorageError, match="is not a digest"):
            call(digest)
    assert file.exists()


def test_a_producer_that_fails_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise KeyError("the other half")

    with pytest.raises(KeyError):
        storage.put(broken())
    assert list(storage.digests()) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_writers_of_the_same_content_do_not_disturb_each_other(storage: Storage) -> None:
    content = b"z" * 2_000_000
    together = threading.Barrier(4)
    results: list[tuple[str, int]] = []

    def chunks() -> Iterable[bytes]:
        yield content[:1]
        together.wait(timeout=30)
        yield content[1:]

    threads = [threading.Thread(target=lambda: results.append(storage.put(chunks()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(digest_of(content), len(content))] * 4
    assert storage.open(digest_of(content)).read() == content
