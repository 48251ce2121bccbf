"""`gc` over real stores: what has had its time goes, and nothing goes that something living refers to."""

from __future__ import annotations

import fcntl
import io
import os
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ground import NOW, Ground, Silence, gone

from pipeline.errors import DiskFullError, NotFoundError
from pipeline.model.container import ContainerSpec
from pipeline.model.identity import RunIdentity
from pipeline.model.outcome import succeeded
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.run import Artifact, Attempt, Products, Run, StageRun
from pipeline.model.status import Conclusion, PromotionState, RunState, StageState
from pipeline.model.ulid import ulid
from pipeline.model.value import digest_of
from pipeline.operations.prune import Prunable, PruneRequest, prunable, prune
from pipeline.operations.runner_process import claim, this_process
from pipeline.operations.runner_process import release as release_claim
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.reuse import ReuseEntry
from pipeline.records.sql import SqlRecords

OLD = timedelta(days=400)


def collect(ground: Ground, *, abandon: bool = False) -> Prunable:
    found = prunable(ground, PruneRequest(abandon=abandon), ["scripted"], progress=lambda _: None)
    return prune(ground, found, progress=lambda _: None)


def blob(ground: Ground, text: str) -> str:
    return ground.storage.put(io.BytesIO(text.encode()))[0]


def stage(ground: Ground, name: str = "unit", **more: object) -> StageRun:
    """A stage that is done, with a log, the log of a service, and an artifact."""
    kept = Artifact(name="wheels", path="a.whl", digest=blob(ground, f"wheel {random.random()}"), size=1)  # noqa: S311
    attempt = Attempt(
        number=1,
        started=NOW,
        finished=NOW,
        outcome=succeeded(),
        log=blob(ground, f"log {random.random()}"),  # noqa: S311
        service_logs={"db": blob(ground, f"service {random.random()}")},  # noqa: S311
        products=Products(artifacts=(kept,)),
    )
    done = StageRun(
        name=name,
        kind="run",
        state=StageState.DONE,
        outcome=succeeded(),
        started=NOW,
        finished=NOW,
        attempts=(attempt,),
    )
    return replace(done, **more)  # type: ignore[arg-type]  # fields of StageRun


def recorded(ground: Ground, age: timedelta, *stages: StageRun, state: RunState = RunState.DONE) -> Run:
    """A run of that age with these stages."""
    run = ground.begin(age=age, stages=stages, **({"runner": gone()} if state is RunState.RUNNING else {}))
    for item in stages:
        ground.records.save_stage(run.id, item)
    over = ground.clock.now() - age
    if state is RunState.DONE:
        ground.records.update_run(run.id, state=state, conclusion=Conclusion.SUCCEEDED, finished=over)
    elif state is RunState.PARKED:
        ground.records.update_run(run.id, state=state)
    return run


def young(ground: Ground) -> None:
    """So many new runs that old ones are not among those that stay anyway."""
    for _ in range(10):
        recorded(ground, timedelta(minutes=5))


def there(ground: Ground, run: Run) -> bool:
    """Whether the run is known, and then with all its blobs."""
    try:
        found = ground.records.find_run(run.id)
    except NotFoundError:
        return False
    digests = ground.records.blobs_by_run().get(found.id, frozenset())
    assert all(ground.storage.has(digest) for digest in digests)
    return True


def release(run: Run, number: int) -> Release:
    return Release(
        repository="shop", commit=f"{number:040x}", images={}, pipeline_digest="", name=f"r{number}", run=run.id,
        dirty=False, created=NOW,
    )  # fmt: skip


def promoted(ground: Ground, of: Release, number: int, **more: object) -> Promotion:
    ground.records.save_release(of)
    made = Promotion(
        id=ulid(NOW + timedelta(seconds=number), bytes(10)), release=of.id, environment="prod",
        kind=PromotionKind.PROMOTE, state=PromotionState.DEPLOYED, requested_by="anna", reason="",
        created=NOW + timedelta(seconds=number),
    )  # fmt: skip
    made = replace(made, **more)  # type: ignore[arg-type]  # fields of Promotion
    ground.records.save_promotion(made, actor="anna", action="deployed", data={})
    return made


def test_an_old_run_goes_with_its_blobs_and_leaves_its_release_and_the_ledger(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    old = recorded(ground, OLD, stage(ground))
    promoted(ground, release(old, 1), 1, state=PromotionState.FAILED)
    young(ground)
    digests = ground.records.blobs_by_run()[old.id]
    found = prunable(ground, PruneRequest(), ["scripted"], progress=lambda _: None)
    assert found.old_runs == {old.id}
    assert {digest for digest, _ in found.blobs} == digests
    assert there(ground, old)
    done = prune(ground, found, progress=lambda _: None)
    assert {digest for digest, _ in done.blobs} == digests
    assert not there(ground, old)
    assert not any(ground.storage.has(digest) for digest in digests)
    assert [item.name for item in ground.records.releases()] == ["r1"]
    assert [entry.action for entry in ground.records.ledger()] == ["release.sealed", "deployed"]


def test_what_a_live_release_refers_to_stays(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ages = {
        name: OLD + timedelta(days=day) for day, name in enumerate(["ancient", "before", "live", "deployer", "taken"])
    }
    runs = {name: recorded(ground, age, stage(ground)) for name, age in ages.items()}
    young(ground)
    promoted(ground, release(runs["ancient"], 1), 1)
    before = release(runs["before"], 2)
    promoted(ground, before, 2)
    promoted(ground, release(runs["live"], 3), 3, run=runs["deployer"].id, replaces=before.id)
    promoted(ground, release(runs["taken"], 4), 4, environment="dev", state=PromotionState.ROLLED_BACK)
    collect(ground)
    assert {name for name, run in runs.items() if there(ground, run)} == {"before", "live", "deployer"}


def test_a_release_on_its_way_holds_its_run(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    run = recorded(ground, OLD, stage(ground))
    young(ground)
    promoted(ground, release(run, 1), 1, state=PromotionState.VERIFYING)
    collect(ground)
    assert there(ground, run)


@pytest.mark.parametrize("state", [RunState.PARKED, RunState.RUNNING])
def test_a_run_that_can_go_on_holds_what_it_reuses(tmp_path: Path, state: RunState) -> None:
    ground = Ground(tmp_path)
    source, other = recorded(ground, OLD, stage(ground)), recorded(ground, OLD, stage(ground))
    young(ground)
    waiting = recorded(ground, timedelta(hours=1), stage(ground, reused=source.id), state=state)
    collect(ground)
    assert [there(ground, run) for run in (source, other, waiting)] == [True, False, True]


def test_a_run_of_which_a_stage_is_kept_to_be_looked_into_stays(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.settings = replace(ground.settings, keep_runs_most=1)
    run = recorded(ground, OLD, stage(ground))
    young(ground)
    session = ground.executors["scripted"].session(RunIdentity(installation=ground.settings.installation, run=run.id))
    spec = ContainerSpec(stage="unit", attempt=1, step="main", image="busybox:1")
    session.execute(spec, output=Silence(), cancel=Cancellation())
    session.keep("unit")
    left = ground.executors["scripted"].leftovers(ground.settings.installation)
    assert [item.run for item in left if item.kept] == [run.id]
    ground.clock.time = left[0].kept + timedelta(hours=1)
    collect(ground)
    assert there(ground, run)
    ground.clock.time = left[0].kept + timedelta(hours=25)
    collect(ground)
    collect(ground)
    assert not there(ground, run)


def test_blobs_that_later_runs_may_reuse_stay_until_their_time(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    recorded(ground, timedelta(minutes=5))
    layer = blob(ground, "layer")
    entry = ReuseEntry(
        key=digest_of({}),
        stage="unit",
        run="r",
        attempt=1,
        created=NOW,
        inputs={},
        products=Products(),
        layer=layer,
    )
    ground.reuse.save(entry, repository="shop", scope="main")
    collect(ground)
    assert ground.storage.has(layer)
    entries = [path for path in (tmp_path / "reuse").rglob("*") if path.is_file()]
    assert entries
    for path in entries:
        os.utime(path, (1, 1))
    collect(ground)
    assert not ground.storage.has(layer)


def test_an_artifact_whose_own_time_is_over_leaves_its_name(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    made = stage(ground)
    (kept,) = made.attempts[0].products.artifacts
    short = replace(kept, keep=3600.0)
    attempt = replace(made.attempts[0], products=Products(artifacts=(short,)))
    run = recorded(ground, timedelta(hours=2), replace(made, attempts=(attempt,)))
    done = collect(ground)
    assert [item.path for item in done.artifacts] == ["a.whl"]
    assert not ground.storage.has(kept.digest)
    (left,) = ground.records.find_run(run.id).stage("unit").products.artifacts
    assert (left.name, left.digest) == ("wheels", "")
    assert there(ground, run)


def test_no_blob_goes_while_a_run_could_still_record_it(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    lost = blob(ground, "adopted, but not recorded when the process was killed")
    killed = recorded(ground, timedelta(hours=1), state=RunState.RUNNING)
    assert collect(ground).blobs == ()
    assert ground.storage.has(lost)
    collect(ground, abandon=True)
    collect(ground)
    assert not ground.storage.has(lost)
    assert there(ground, killed)


def test_no_blob_goes_where_the_records_were_lost(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    orphan = blob(ground, "log of a run, whose records may come back from a backup")
    assert collect(ground).lost
    assert ground.storage.has(orphan)
    assert not collect(ground, abandon=True).lost
    assert not ground.storage.has(orphan)
    assert not collect(ground).lost


class FullDisk(SqlRecords):
    """Records of which nothing can be written any more."""

    def save_stage(self, run: str, stage: StageRun, *, durable: bool = False) -> None:
        raise DiskFullError("no space is left")


@pytest.mark.parametrize("full", [False, True], ids=["room", "disk-full"])
def test_what_needs_no_record_goes_also_where_nothing_can_be_recorded(tmp_path: Path, full: bool) -> None:
    ground = Ground(tmp_path)
    begun = replace(stage(ground), state=StageState.RUNNING, outcome=None, finished=None)
    killed = recorded(ground, timedelta(hours=1), begun, state=RunState.RUNNING)
    over = recorded(ground, timedelta(hours=1))
    for run in (killed, over):
        ground.leave_container(run.id)
    folders = [tmp_path / "runs" / run for run in (killed.id, ulid(NOW - timedelta(days=2), bytes(10)))]
    for folder in folders:
        folder.mkdir(parents=True)
    if full:
        ground.records = FullDisk(f"sqlite:///{tmp_path / 'records.db'}")
        with pytest.raises(DiskFullError):
            collect(ground, abandon=True)
    else:
        collect(ground, abandon=True)
    left = ground.executors["scripted"].leftovers(ground.settings.installation)
    assert [item.run for item in left] == ([killed.id] if full else [])
    assert [folder.exists() for folder in folders] == [full, False]


def test_marks_and_mirrors_that_nobody_uses_go(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    long_ago = (NOW - timedelta(days=31)).timestamp()
    lately = (NOW - timedelta(days=29)).timestamp()
    cache = tmp_path / "cache"
    for name, used in (("old", long_ago), ("new", lately)):
        for path in (cache / "checked" / name, cache / "includes" / "own" / "files" / name):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
            os.utime(path, (used, used))
        for folder in (cache / "git" / name, cache / "includes" / "own" / name, cache / "git" / f"{name}-used"):
            (folder / "objects").mkdir(parents=True)
            folder.with_suffix(".lock").touch()
            os.utime(folder.with_suffix(".lock"), (used, used))
    with (cache / "git" / "old-used.lock").open("r") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        done = collect(ground)
    assert sorted(item.path.relative_to(cache).as_posix() for item in done.files) == [
        "checked/old",
        "git/old",
        "includes/own/files/old",
        "includes/own/old",
    ]
    left = {path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.name in ("old", "new", "old-used")}
    assert left == {"checked/new", "git/new", "git/old-used", "includes/own/new", "includes/own/files/new"}


def test_what_a_killed_trial_of_the_engine_left_goes_an_hour_after_it_was_seen(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.leave_container("probe-12ab34cd")

    def left() -> int:
        return len(ground.executors["scripted"].leftovers(ground.settings.installation))

    collect(ground)
    ground.clock.time += timedelta(minutes=59)
    collect(ground)
    assert left() == 1
    ground.clock.time += timedelta(minutes=1)
    collect(ground)
    assert left() == 0


@pytest.mark.parametrize("seed", range(6))
def test_whatever_stands_in_the_stores_nothing_that_is_referred_to_goes(tmp_path: Path, seed: int) -> None:
    drawn = random.Random(seed)  # noqa: S311 - made-up stores
    ground = Ground(tmp_path)
    ground.settings = replace(
        ground.settings, keep_runs_days=drawn.choice([0, 100]), keep_runs_most=drawn.choice([0, 12]),
        storage_limit=drawn.choice([0, 200]),
    )  # fmt: skip
    runs: list[Run] = []
    parked: list[Run] = []
    for number in range(30):
        source = drawn.choice(runs).id if runs and drawn.random() < 0.3 else ""
        state = RunState.PARKED if drawn.random() < 0.1 else RunState.DONE
        run = recorded(ground, timedelta(days=300 - 10 * number), stage(ground, reused=source), state=state)
        runs.append(run)
        parked += [run] if state is RunState.PARKED else []
    live: list[Release] = []
    for number in range(8):
        made = release(drawn.choice(runs), number)
        promoted(ground, made, number, environment=f"env{number % 3}", replaces=live[-3].id if number > 2 else "")
        live.append(made)
    held = {item.run for item in live[-3:]} | {item.run for item in live[-6:-3]} | {run.id for run in parked}
    held |= {ground.records.find_run(run.id).stage("unit").reused for run in parked} - {""}
    collect(ground)
    left = {run.id for run in runs if there(ground, run)}
    assert held <= left
    assert {run.id for run in runs[-5:]} <= left
    assert set(ground.storage.digests()) == ground.records.referenced_blobs()
    assert collect(ground).blobs == ()


def test_no_blob_goes_while_a_run_is_under_way_that_is_not_recorded_yet(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    recorded(ground, timedelta(minutes=5))
    lost = blob(ground, "put by a run that began a moment ago")
    folder = tmp_path / "runs" / ulid(NOW, os.urandom(10))
    claim(folder, this_process())
    assert collect(ground).blobs == ()
    assert ground.storage.has(lost)
    release_claim(folder)
    collect(ground)
    assert not ground.storage.has(lost)
