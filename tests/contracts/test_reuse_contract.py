"""What every implementation of the reuse store promises: in a folder, shared through a folder, shared through S3."""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.report import CoverageReport, TestCase, TestReport, TestStatus
from pipeline.model.run import Artifact, BuiltImage, Products
from pipeline.model.trust import Trust, reads_from, writes_to
from pipeline.model.value import digest_of
from pipeline.ports.reuse import CacheEntry, ReuseEntry, ReuseStore
from pipeline.ports.storage import Storage
from pipeline.storage.directory import DirectoryStorage
from pipeline.storage.objects import FolderObjects, Objects
from pipeline.storage.reuse import ObjectReuse, entry_name
from pipeline.storage.s3 import Place, S3Objects
from pipeline.storage.shared import Link, SharedReuse, SharedStorage, blob_name

MOMENT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
ANY_SIZE = 1 << 40


@dataclass(frozen=True)
class Machine:
    """A store with the storage below it."""

    store: ReuseStore
    storage: Storage
    home: Path


Machines = Callable[[str], Machine]


def alone(home: Path) -> Machine:
    storage = DirectoryStorage(home / "storage")
    return Machine(ObjectReuse(FolderObjects(home / "reuse"), storage), storage, home)


def sharing(home: Path, objects: Objects) -> Machine:
    own = DirectoryStorage(home / "storage")
    link = Link(objects, time.monotonic)
    storage = SharedStorage(own, link)
    return Machine(SharedReuse(ObjectReuse(FolderObjects(home / "reuse"), storage), link, storage), storage, home)


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """A server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> S3Objects:
    """An empty bucket with a prefix in it."""
    from minio import Minio

    for name, value in (("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")):
        monkeypatch.setenv(name, value)
    name = f"ecluse-{os.getpid()}-{time.monotonic_ns()}"
    client = Minio(s3_server.removeprefix("http://"), access_key="key", secret_key="secret", secure=False)
    client.make_bucket(name)
    return S3Objects(Place.parse(f"s3://{name}/ci/results?endpoint={s3_server}&region=us-east-1"), os.environ)


@pytest.fixture(params=["folder", "shared folder", "s3"])
def machines(request: pytest.FixtureRequest, tmp_path: Path) -> Machines:
    """Machines by name: the same name is the same machine; with the plain folder there is only one."""
    objects: Objects | None = None
    if request.param == "s3":
        objects = request.getfixturevalue("bucket")
    elif request.param == "shared folder":
        objects = FolderObjects(tmp_path / "shared")

    def machine(name: str) -> Machine:
        return alone(tmp_path / "one") if objects is None else sharing(tmp_path / name, objects)

    return machine


def entry(storage: Storage, *, word: str = "a", stage: str = "unit", created: datetime = MOMENT) -> ReuseEntry:
    """An entry with a log, an artifact and a layer, all of which are stored."""
    inputs = {"commands": digest_of(word), "files": "tree"}
    log, _ = storage.put(io.BytesIO(f"log of {word}".encode()))
    layer, _ = storage.put(io.BytesIO(f"layer of {word}".encode() * 1000))
    wheel, size = storage.put(io.BytesIO(f"wheel of {word}".encode()))
    return ReuseEntry(
        key=digest_of(inputs),
        stage=stage,
        run="01jdq",
        number=12,
        installation="1" * 32,
        attempt=1,
        created=created,
        inputs=inputs,
        products=Products(
            artifacts=(Artifact(name="wheels", path="dist/a.whl", digest=wheel, size=size),),
            tests=TestReport(cases=(TestCase(suite="s", classname="c", name="n", status=TestStatus.PASSED),)),
            coverage=CoverageReport(covered=3, total=4),
            findings=(Finding(check="secrets", tool="t", rule="r", severity=FindingSeverity.HIGH, message="found it"),),
            image=BuiltImage(id="sha256:1", reference="ecluse-local/x:1", size=5),
            outputs={"VERSION": "1.2"},
        ),
        reason="1 passed",
        log=log,
        log_lines=1,
        layer=layer,
        seconds=1.5,
    )


def test_an_entry_is_found_as_it_was_saved_also_on_another_machine(machines: Machines) -> None:
    here = machines("here")
    saved = entry(here.storage)
    here.store.save(saved, repository="shop", scope="branch")
    assert here.store.close() == ()
    there = machines("there")
    assert there.store.find(saved.key, ("protected", "branch")) == saved
    for digest in saved.blobs:
        with there.storage.open(digest) as content:
            assert content.read()


def test_what_is_not_there_is_not_found(machines: Machines) -> None:
    store = machines("here").store
    assert store.find(digest_of("x"), ("branch",)) is None
    assert store.nearest("shop", "unit", ("branch",)) is None
    assert store.find_cache("shop", "pip", ("p",), ("branch",)) is None
    assert store.listing("tree") is None
    assert store.close() == ()


def test_an_entry_stays_until_it_is_to_be_replaced(machines: Machines) -> None:
    machine = machines("here")
    first = entry(machine.storage)
    second = replace(first, run="01jdz", number=13)
    machine.store.save(first, repository="shop", scope="branch")
    machine.store.save(second, repository="shop", scope="branch")
    assert machine.store.find(first.key, ("branch",)) == first
    machine.store.save(second, repository="shop", scope="branch", replace=True)
    machine.store.close()
    assert machine.store.find(first.key, ("branch",)) == second
    assert machines("there").store.find(first.key, ("branch",)) == second


@pytest.mark.parametrize("scope", ["branch", "protected", "untrusted/12", "untrusted/13"])
def test_only_scopes_of_ones_own_or_a_higher_level_are_read(machines: Machines, scope: str) -> None:
    machine = machines("here")
    saved = entry(machine.storage)
    cache = CacheEntry(key="pip-1", digest=saved.log, size=1, created=MOMENT)
    machine.store.save(saved, repository="shop", scope=scope)
    machine.store.save_cache("shop", cache, scope=scope)
    machine.store.close()
    for other in (machine, machines("there")):
        for trust, proposal in ((Trust.PROTECTED, ""), (Trust.BRANCH, ""), (Trust.UNTRUSTED, "12")):
            reads = reads_from(trust, proposal)
            expected = scope in reads
            assert (other.store.find(saved.key, reads) is not None) is expected
            assert (other.store.nearest("shop", "unit", reads) is not None) is expected
            assert (other.store.find_cache("shop", "pip-1", ("pip",), reads) is not None) is expected
    assert writes_to(Trust.UNTRUSTED, "12") == "untrusted/12"


def test_the_nearest_is_the_newest_of_its_stage_and_repository(machines: Machines) -> None:
    machine = machines("here")
    for hours, word, stage in ((1, "a", "unit"), (3, "b", "unit"), (9, "c", "lint")):
        saved = entry(machine.storage, word=word, stage=stage, created=MOMENT + timedelta(hours=hours))
        machine.store.save(saved, repository="shop", scope="protected" if word == "a" else "branch")
    machine.store.close()
    nearest = machines("there").store.nearest("shop", "unit", ("branch", "protected"))
    assert nearest is not None
    assert nearest.inputs["commands"] == digest_of("b")
    assert machine.store.nearest("other", "unit", ("branch", "protected")) is None


def test_caches_fall_back_to_the_newest_of_the_first_prefix(machines: Machines) -> None:
    machine = machines("here")
    for hours, key in ((1, "pip-1"), (5, "pip-2/ü"), (9, "npm-1"), (3, "p")):
        digest, size = machine.storage.put(io.BytesIO(key.encode()))
        cache = CacheEntry(
            key=key, digest=digest, size=size, created=MOMENT + timedelta(hours=hours), paths=("/root/.cache",)
        )
        machine.store.save_cache("shop", cache, scope="branch")
    machine.store.close()
    for store in (machine.store, machines("there").store):
        assert [
            found.key if (found := store.find_cache("shop", key, fallback, ("branch",))) else ""
            for key, fallback in (
                ("pip-1", ()),
                ("pip-2/ü", ("npm",)),
                ("pip-3", ("yarn-", "pip-", "npm-")),
                ("pip-3", ()),
                ("x", ("n",)),
            )
        ] == ["pip-1", "pip-2/ü", "pip-2/ü", "", "npm-1"]
        assert store.find_cache("other", "pip-1", ("pip",), ("branch",)) is None


def test_listings_are_kept_under_the_digest_that_they_explain(machines: Machines) -> None:
    machine = machines("here")
    machine.store.save_listing("globs:1f", {"src/a.py": "100644 12", "src/ü.py": "100755 13"})
    machine.store.close()
    assert machines("there").store.listing("globs:1f") == {"src/a.py": "100644 12", "src/ü.py": "100755 13"}


def test_a_dropped_entry_is_gone_everywhere(machines: Machines) -> None:
    machine = machines("here")
    saved = entry(machine.storage)
    machine.store.save(saved, repository="shop", scope="branch")
    machine.store.close()
    machine.store.drop(saved.key, ("branch",))
    assert machine.store.find(saved.key, ("branch",)) is None
    assert machines("there").store.find(saved.key, ("branch",)) is None


def test_every_blob_that_is_named_is_referred_to(machines: Machines) -> None:
    machine = machines("here")
    saved = entry(machine.storage)
    cached, size = machine.storage.put(io.BytesIO(b"cached"))
    machine.store.save(saved, repository="shop", scope="branch")
    cache = CacheEntry(key="k", digest=cached, size=size, created=MOMENT)
    machine.store.save_cache("shop", cache, scope="branch")
    assert machine.store.referenced_blobs() == {*saved.blobs, cached}


# Damage ---------------------------------------------------------------------------------------------------------------


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _other_run(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"01jdq", b"01evil"))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _signed_anew(path: Path) -> None:
    """A careful forger: other inputs under the same key, with a digest that fits."""
    import hashlib

    body = path.read_bytes().partition(b"\n")[2].replace(b'"files":"tree"', b'"files":"evil"')
    path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


@pytest.mark.parametrize("damage", [_cut, _other_run, _empty, _signed_anew])
def test_an_altered_entry_is_dropped(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    machine = alone(tmp_path)
    saved = entry(machine.storage)
    machine.store.save(saved, repository="shop", scope="branch")
    path = tmp_path / "reuse" / entry_name("branch", saved.key)
    damage(path)
    assert machine.store.find(saved.key, ("branch",)) is None
    assert not path.exists()
    assert machine.store.nearest("shop", "unit", ("branch",)) is None


def test_an_entry_of_another_key_is_no_answer(tmp_path: Path) -> None:
    machine = alone(tmp_path)
    mine, other = entry(machine.storage), entry(machine.storage, word="b")
    for saved in (mine, other):
        machine.store.save(saved, repository="shop", scope="branch")
    folder = tmp_path / "reuse"
    (folder / entry_name("branch", mine.key)).write_bytes((folder / entry_name("branch", other.key)).read_bytes())
    assert machine.store.find(mine.key, ("branch",)) is None


def test_an_entry_without_one_of_its_blobs_is_dropped(tmp_path: Path) -> None:
    for index in range(3):
        machine = alone(tmp_path / str(index))
        saved = entry(machine.storage)
        machine.store.save(saved, repository="shop", scope="branch")
        machine.storage.delete(saved.blobs[index])
        assert machine.store.find(saved.key, ("branch",)) is None
        assert not (tmp_path / str(index) / "reuse" / entry_name("branch", saved.key)).exists()


def test_a_blob_of_the_shared_store_with_other_content_is_not_believed(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path / "shared")
    here = sharing(tmp_path / "here", objects)
    saved = entry(here.storage)
    here.store.save(saved, repository="shop", scope="branch")
    here.store.close()
    (tmp_path / "shared" / blob_name(saved.layer)).write_bytes(b"evil")
    there = sharing(tmp_path / "there", objects)
    assert there.store.find(saved.key, ("branch",)) == saved
    with pytest.raises(Exception, match="damaged"):
        there.storage.open(saved.layer)
    assert not objects.has(blob_name(saved.layer))
    assert list(there.storage.digests()) == []


# A shared store that fails --------------------------------------------------------------------------------------------


def test_a_shared_store_that_does_not_answer_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")):
        monkeypatch.setenv(name, value)
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))  # bound, and nobody listens
    address = f"127.0.0.1:{silent.getsockname()[1]}"
    place = Place.parse(f"s3://bucket/x?endpoint=http://{address}&region=us-east-1")
    environment = dict(os.environ)
    machine = sharing(tmp_path, S3Objects(place, environment))
    saved = entry(machine.storage)
    machine.store.save(saved, repository="shop", scope="branch")
    assert machine.store.find(saved.key, ("branch",)) == saved
    assert machine.store.find(digest_of("other"), ("branch",)) is None
    (note,) = machine.store.close()
    assert note.startswith("the shared store was left alone: cannot ")
    assert address in note
    silent.close()


def test_an_entry_whose_layer_lies_only_in_a_store_that_fails_is_kept_for_later(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path / "shared")
    here, there = sharing(tmp_path / "here", objects), sharing(tmp_path / "there", objects)
    saved = entry(here.storage)
    here.store.save(saved, repository="shop", scope="branch")
    here.store.close()
    assert there.store.find(saved.key, ("branch",)) == saved
    (tmp_path / "shared").rename(tmp_path / "gone")
    (tmp_path / "shared").write_text("no folder")
    cut_off = sharing(tmp_path / "there", FolderObjects(tmp_path / "shared" / "below"))
    cut_off_find = cut_off.store.find(saved.key, ("branch",))
    assert cut_off_find is None or cut_off_find == saved
    (tmp_path / "shared").unlink()
    (tmp_path / "gone").rename(tmp_path / "shared")
    assert sharing(tmp_path / "there", objects).store.find(saved.key, ("branch",)) == saved


# Pruning --------------------------------------------------------------------------------------------------------------


def _aged(home: Path, key: str, hours: float) -> None:
    path = home / "reuse" / entry_name("branch", key)
    moment = time.time() - hours * 3600
    os.utime(path, (moment, moment))


def test_prune_drops_what_was_not_used_and_then_what_does_not_fit(tmp_path: Path) -> None:
    machine = alone(tmp_path)
    saved = [entry(machine.storage, word=word) for word in "abcd"]
    for item, hours in zip(saved, (100, 30, 20, 0.1), strict=True):
        machine.store.save(item, repository="shop", scope="branch")
        _aged(tmp_path, item.key, hours)
    week = datetime.now(UTC) - timedelta(hours=50)
    assert machine.store.prune(before=week, most=ANY_SIZE) == 1
    sizes = sum(machine.storage.size(digest) for digest in saved[3].blobs) * 2
    assert machine.store.prune(before=week, most=sizes) == 1
    left = [item.key in {found.key for found in saved if machine.store.find(found.key, ("branch",))} for item in saved]
    assert left == [False, False, True, True]


def test_prune_keeps_what_was_just_used_whatever_its_size(tmp_path: Path) -> None:
    machine = alone(tmp_path)
    saved = entry(machine.storage)
    machine.store.save(saved, repository="shop", scope="branch")
    _aged(tmp_path, saved.key, 30)
    assert machine.store.find(saved.key, ("branch",)) == saved
    assert machine.store.prune(before=datetime.now(UTC), most=0) == 0
    _aged(tmp_path, saved.key, 30)
    assert machine.store.prune(before=datetime.now(UTC), most=0) == 1


def test_blobs_that_two_entries_share_count_once(tmp_path: Path) -> None:
    machine = alone(tmp_path)
    first = entry(machine.storage)
    inputs = {"commands": "other"}
    second = replace(first, key=digest_of(inputs), inputs=inputs)
    for item in (first, second):
        machine.store.save(item, repository="shop", scope="branch")
        _aged(tmp_path, item.key, 30)
    size = sum(machine.storage.size(digest) for digest in first.blobs)
    assert machine.store.prune(before=MOMENT - timedelta(days=9000), most=size) == 0
