"""What is decided, who may write, and what the ledger alone can make anew, against real databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.errors import LeaseLostError, NotFoundError, RecordsError
from pipeline.model.decision import Answer, Approval, Block, BlockKind, Lease
from pipeline.model.ledger import Chain, link_of, verify
from pipeline.model.release import Measurement, Promotion, PromotionKind, Release
from pipeline.model.status import PromotionState
from pipeline.records import SqlRecords
from pipeline.records.database import Database
from pipeline.records.tables import metadata

NOON = datetime(2026, 11, 27, 12, 0, 0, 250000, tzinfo=UTC)
DERIVED = ("releases", "promotions", "approvals", "blocks")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def ulid(number: int) -> str:
    return f"01jd{number:022d}"


RELEASE = Release(
    repository="shop",
    commit="4f1c0de",
    images={"push": "r/shop@sha256:" + "1" * 64},
    pipeline_digest="sha256:" + "1" * 64,
    name="41-4f1c0de",
    run=ulid(9),
    dirty=False,
    created=NOON,
)
PROMOTION = Promotion(
    id=ulid(1),
    release=RELEASE.id,
    environment="prod",
    kind=PromotionKind.PROMOTE,
    state=PromotionState.WAITING,
    requested_by="anna",
    reason="tea is late",
    created=NOON,
    plan="sha256:plan",
)
APPROVAL = Approval(
    id=ulid(2),
    promotion=PROMOTION.id,
    plan="sha256:plan",
    person="bob",
    answer=Answer.APPROVE,
    reason="looks good",
    time=NOON,
    proof='{"payload": "…"}',
)
HOLD = Block(
    id=ulid(3),
    kind=BlockKind.HOLD,
    repository="shop",
    environment="prod",
    owner="anna",
    reason="stocktaking",
    created=NOON,
)


@dataclass
class Place:
    """One database that several may open, under a clock of the test."""

    url: str
    seconds: float = 0.0
    opened: list[SqlRecords] = field(default_factory=list)

    def open(self) -> SqlRecords:
        """Another process, as far as the database can tell."""
        made = SqlRecords(self.url, now=lambda: at(self.seconds))
        self.opened.append(made)
        return made

    def execute(self, *statements: str) -> None:
        """Behind the records' back."""
        database = Database(self.url, wait=5)
        with database.durable() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))
        database.close()

    def derived(self) -> Mapping[str, list[Any]]:
        """All rows of the derived tables."""
        database = Database(self.url, wait=5)
        with database.reading() as connection:
            found = {name: _rows(connection, metadata.tables[name]) for name in DERIVED}
        database.close()
        return found


def _rows(connection: sa.Connection, table: sa.Table) -> list[Any]:
    return [dict(row._mapping) for row in connection.execute(sa.select(table).order_by(table.c.id))]


@pytest.fixture
def place(database_url: str) -> Iterator[Place]:
    made = Place(database_url)
    yield made
    for records in made.opened:
        records.close()


@pytest.fixture
def records(place: Place) -> SqlRecords:
    """With a promotion that waits."""
    made = place.open()
    made.save_release(RELEASE)
    made.save_promotion(PROMOTION, actor="anna", action="promotion.waiting", data={})
    return made


class TestFindingAPromotion:
    @pytest.mark.parametrize("reference", [ulid(1), ulid(1).upper(), ulid(1)[:-2], "000001", f" {ulid(1)[-8:]} "])
    def test_by_id_beginning_or_end(self, records: SqlRecords, reference: str) -> None:
        assert records.find_promotion(reference) == PROMOTION

    @pytest.mark.parametrize(
        ("reference", "message"),
        [
            pytest.param("00001", "there is no promotion '00001'", id="too short"),
            pytest.param("999999", "there is no promotion '999999'", id="not there"),
            pytest.param("%%%%%%", "there is no promotion", id="wildcards are letters"),
            pytest.param(ulid(1)[:8], f"may be promotion {ulid(1)} or {ulid(100)}", id="two of them"),
        ],
    )
    def test_not(self, records: SqlRecords, reference: str, message: str) -> None:
        other = replace(PROMOTION, id=ulid(100))
        records.save_promotion(other, actor="anna", action="promotion.waiting", data={})
        with pytest.raises(NotFoundError, match=message) as caught:
            records.find_promotion(reference)
        assert caught.value.hint


class TestApprovals:
    def test_an_answer_comes_back_whole_with_its_entry(self, records: SqlRecords) -> None:
        entry = records.save_approval(APPROVAL, actor="bob")
        assert records.approvals(promotion=PROMOTION.id) == [APPROVAL]
        assert (entry.action, entry.subject, entry.actor, entry.reason) == (
            "promotion.approved",
            PROMOTION.id,
            "bob",
            "looks good",
        )
        rejected = replace(APPROVAL, id=ulid(4), person="eve", answer=Answer.REJECT, time=at(1))
        assert records.save_approval(rejected, actor="eve").action == "promotion.rejected"
        assert records.approvals(promotion=PROMOTION.id) == [APPROVAL, rejected]
        assert records.approvals(promotion=ulid(77)) == []

    def test_the_last_answer_of_a_person_to_a_plan_counts(self, records: SqlRecords) -> None:
        records.save_approval(APPROVAL, actor="bob")
        other_plan = replace(APPROVAL, id=ulid(5), plan="sha256:other", time=at(1))
        second = replace(APPROVAL, id=ulid(6), answer=Answer.REJECT, reason="no", time=at(2))
        for item in (other_plan, second):
            records.save_approval(item, actor="bob")
        assert records.approvals(promotion=PROMOTION.id) == [other_plan, second]
        assert [entry.action for entry in records.ledger()][2:] == [
            "promotion.approved",
            "promotion.approved",
            "promotion.rejected",
        ]

    def test_to_a_promotion_that_is_not_there(self, records: SqlRecords) -> None:
        with pytest.raises(NotFoundError, match=f"there is no promotion '{ulid(8)}'"):
            records.save_approval(replace(APPROVAL, promotion=ulid(8)), actor="bob")
        assert len(records.ledger()) == 2


class TestBlocks:
    def test_they_come_back_by_place_and_time(self, records: SqlRecords) -> None:
        freeze = replace(HOLD, id=ulid(4), kind=BlockKind.FREEZE, environment="", created=at(1), until=at(60))
        bar = replace(HOLD, id=ulid(5), kind=BlockKind.BAR, environment="dev", created=at(2), release=RELEASE.id)
        other = replace(HOLD, id=ulid(6), repository="other")
        for block in (HOLD, freeze, bar, other):
            entry = records.save_block(block, actor="anna", action=f"{block.kind}.set")
            assert (entry.action, entry.subject) == (f"{block.kind}.set", block.id)
        assert records.blocks(repository="shop") == [bar, freeze, HOLD]
        assert records.blocks(repository="shop", environment="prod") == [freeze, HOLD]
        assert records.blocks(repository="shop", environment="prod", open_at=at(60)) == [HOLD]
        lifted = replace(HOLD, lifted=at(30), lifted_by="bob")
        records.save_block(lifted, actor="bob", action="hold.lifted")
        assert records.blocks(repository="shop", environment="prod", open_at=at(59)) == [freeze]
        assert records.blocks(repository="shop", environment="prod") == [freeze, lifted]


class TestTheLedger:
    def test_head_and_notes(self, place: Place, records: SqlRecords) -> None:
        assert place.open().head() == records.ledger()[-1]
        noted = records.note(actor="anna", action="verdict", subject="prod", reason="", data={"promotion": ulid(1)})
        assert records.head() == noted
        assert verify(records.ledger()) is None

    def test_its_links_are_those_of_its_entries(self, place: Place, records: SqlRecords) -> None:
        for number in range(4):
            place.seconds = number * 0.25  # with and without a fraction
            data: dict[str, Any] = {"é": "☕\u2028", "nul\0": '"\\\n', "z": [number / 7], "a": {}}
            records.note(actor="anna\0", action="ü", subject="s", reason='"', data=data)
        links = records.links()
        assert links == [link_of(entry) for entry in records.ledger()]
        assert {link.hash == link.hashed for link in links} == {True}
        assert records.links(after=2, limit=2) == links[2:4]

    def test_entries_that_an_earlier_program_spelled_otherwise_hold(self, place: Place, records: SqlRecords) -> None:
        place.execute(self.disarmed(place), "UPDATE ledger SET data = replace(data, ',', ' , ')")
        assert [(link.hash == link.hashed) for link in records.links()] == [True, True]
        assert records.ledger()[1].data != {}

    @pytest.mark.parametrize(
        "change",
        [
            *(
                pytest.param(f"{name} = substr({name}, 2) || 'x'", id=name)
                for name in ("time", "actor", "action", "subject", "reason", "data", "previous", "hash")
            ),
            pytest.param("data = replace(data, '2026', '2027')", id="a value within data"),
            pytest.param("time = replace(time, '2026', '2027')", id="another year"),
            pytest.param("seq = 20", id="its place"),
        ],
    )
    def test_any_column_that_is_altered_is_found(self, place: Place, records: SqlRecords, change: str) -> None:
        records.note(actor="anna", action="told", subject="prod", reason="tea", data={"a": "2026"})
        place.execute(self.disarmed(place), f"UPDATE ledger SET {change} WHERE seq = 3")  # noqa: S608
        chain = Chain()
        found = [found.seq for link in records.links() if (found := chain.follow(link))]
        assert found == [3]

    @pytest.mark.parametrize(
        ("statement", "message"),
        [
            pytest.param("UPDATE ledger SET actor = 'x' WHERE seq = 1", "append-only", id="change"),
            pytest.param("DELETE FROM ledger WHERE seq = 2", "append-only", id="remove"),
            pytest.param(
                "INSERT INTO ledger SELECT seq + 5, time, actor, action, subject, reason, data, previous, hash "
                "FROM ledger WHERE seq = 2",
                "must follow the last one",
                id="leave a gap",
            ),
        ],
    )
    def test_the_database_refuses_to(self, place: Place, records: SqlRecords, statement: str, message: str) -> None:
        before = records.ledger()
        with pytest.raises(RecordsError, match=message):
            place.execute(statement)
        assert records.ledger() == before

    def disarmed(self, place: Place) -> str:
        """The triggers would refuse it."""
        postgresql = place.url.startswith("postgresql")
        return "ALTER TABLE ledger DISABLE TRIGGER USER" if postgresql else "DROP TRIGGER ledger_refuses_update"

    def test_an_empty_one_has_no_head(self, place: Place) -> None:
        assert place.open().head() is None

    @pytest.mark.parametrize("name", ["promotion", "release", "approval", "block"])
    def test_a_note_derives_nothing(self, records: SqlRecords, name: str) -> None:
        with pytest.raises(ValueError, match=f"'{name}' of a ledger entry"):
            records.note(actor="anna", action="verdict", subject="prod", reason="", data={name: {"id": "x"}})
        assert len(records.ledger()) == 2

    def test_entries_by_action_subject_actor_and_time(self, place: Place) -> None:
        records = place.open()
        for number in range(12):
            place.seconds = number
            records.note(
                actor="even" if number % 2 == 0 else "odd",
                action=("a", "b", "c")[number % 3],
                subject=f"s{number % 4}",
                reason="",
                data={},
            )

        def seqs(**chosen: Any) -> list[int]:
            return [entry.seq for entry in records.entries(**chosen)]

        assert seqs() == list(range(1, 13))
        assert seqs(newest=2) == [11, 12]
        assert seqs(actions=["a"]) == [1, 4, 7, 10]
        assert seqs(actions=["a", "c", "absent"]) == [1, 3, 4, 6, 7, 9, 10, 12]
        assert seqs(actions=["a", "c"], newest=3) == [9, 10, 12]
        assert seqs(subjects=["s1", "s3"]) == [2, 4, 6, 8, 10, 12]
        assert seqs(subjects=["s1", "s3"], actions=["a"]) == [4, 10]
        assert seqs(subjects=[f"s{number}" for number in range(1, 1000)], newest=1) == [12]
        assert seqs(actor="even", actions=["b"]) == [5, 11]
        assert seqs(since=at(3), until=at(5)) == [4, 5]


class TestRebuilding:
    def fill(self, records: SqlRecords) -> None:
        """Something of everything, changed more than once."""
        second = replace(RELEASE, commit="5", name="nul\0 and \udc80", created=at(1))
        records.save_release(second)
        seen = Measurement(check="http /", passed=True, seen="nul\0", wanted="200", time=NOON, seconds=0.125)
        moved = replace(
            PROMOTION,
            state=PromotionState.DEPLOYED,
            finished=at(2),
            gap=0.1,
            measurements=(seen, replace(seen, seconds=2.0)),
        )
        records.save_promotion(moved, actor="anna", action="promotion.deployed", data={"runs": [{"x": 1.5}]})
        records.save_promotion(replace(moved, detail="gone"), actor="anna", action="removed", data={})
        back = replace(PROMOTION, id=ulid(10), release=second.id, kind=PromotionKind.ROLLBACK, gap=3.0)
        records.save_promotion(back, actor="anna", action="promotion.waiting", data={})
        for item in (
            APPROVAL,
            replace(APPROVAL, id=ulid(5), person="eve"),
            replace(APPROVAL, id=ulid(6), answer=Answer.REJECT, proof=""),
        ):
            records.save_approval(item, actor=item.person)
        for block in (
            HOLD,
            replace(HOLD, id=ulid(4), kind=BlockKind.FREEZE, environment="", until=at(60)),
            replace(HOLD, lifted=at(30), lifted_by="bob"),
        ):
            records.save_block(block, actor="anna", action="hold.set")
        records.note(actor="anna", action="verdict", subject="prod", reason="", data={"promotion": ulid(1)})

    @pytest.mark.parametrize(
        "statements",
        [
            pytest.param((), id="as they are"),
            pytest.param([f"DELETE FROM {name}" for name in reversed(DERIVED)], id="emptied"),  # noqa: S608
            pytest.param(
                [
                    "UPDATE promotions SET environment = 'x', gap = 7",
                    "UPDATE approvals SET answer = 'approve'",
                    "UPDATE blocks SET lifted = NULL",
                    "DELETE FROM blocks WHERE kind = 'freeze'",
                    "UPDATE releases SET images = '{}'",
                ],
                id="falsified",
            ),
        ],
    )
    def test_the_ledger_alone_makes_them_again(
        self, place: Place, records: SqlRecords, statements: tuple[str, ...]
    ) -> None:
        self.fill(records)
        before, entries = place.derived(), records.ledger()
        place.execute(*statements)
        assert (place.derived() == before) is (not statements)
        heard: list[int] = []
        assert records.rebuild(progress=heard.append) == {"releases": 2, "promotions": 2, "approvals": 2, "blocks": 2}
        assert place.derived() == before
        assert records.ledger() == entries

    def test_tables_that_were_dropped_come_again_empty_and_are_filled(self, place: Place, records: SqlRecords) -> None:
        self.fill(records)
        before = place.derived()
        records.close()
        place.execute(*(f"DROP TABLE {name}" for name in reversed(DERIVED)))
        database = Database(place.url, wait=5)
        with database.durable() as connection:
            metadata.create_all(connection, tables=[metadata.tables[name] for name in DERIVED])
        database.close()
        place.open().rebuild()
        assert place.derived() == before

    def test_a_ledger_that_does_not_hold_changes_nothing(self, place: Place, records: SqlRecords) -> None:
        self.fill(records)
        before = place.derived()
        postgresql = place.url.startswith("postgresql")
        disarm = "ALTER TABLE ledger DISABLE TRIGGER USER" if postgresql else "DROP TRIGGER ledger_refuses_update"
        place.execute(disarm, "UPDATE ledger SET actor = 'mallory' WHERE seq = 4")
        with pytest.raises(RecordsError, match="does not hold at entry 4: it was altered"):
            records.rebuild()
        assert place.derived() == before


class TestLeases:
    def test_one_of_two_gets_it_until_it_runs_out(self, place: Place) -> None:
        ours, theirs = place.open(), place.open()
        first = ours.take_lease("prod", holder="a", seconds=10)
        assert first == Lease(name="prod", holder="a", token=1, expires=at(10))
        place.seconds = 9.9
        assert theirs.take_lease("prod", holder="b", seconds=10) is None
        assert theirs.lease("prod") == first
        place.seconds = 10
        assert theirs.take_lease("prod", holder="b", seconds=10) == Lease(
            name="prod", holder="b", token=2, expires=at(20)
        )
        assert ours.take_lease("dev", holder="a", seconds=10) == Lease(name="dev", holder="a", token=1, expires=at(20))

    def test_the_same_holder_gets_its_own_again(self, place: Place) -> None:
        records = place.open()
        for seconds in (0, 5, 100):  # in time, and after its end when nobody else took it
            place.seconds = seconds
            taken = records.take_lease("prod", holder="a", seconds=10)
            assert taken == Lease(name="prod", holder="a", token=1, expires=at(seconds + 10))

    def test_a_heartbeat_moves_its_end(self, place: Place) -> None:
        records = place.open()
        lease = taken(records, "a")
        place.seconds = 8
        renewed = records.renew_lease(lease, seconds=10)
        assert renewed == replace(lease, expires=at(18))
        place.seconds = 17
        assert records.take_lease("prod", holder="b", seconds=10) is None
        place.seconds = 30
        assert records.renew_lease(renewed, seconds=10).expires == at(40)  # it ran out, but nobody took it

    def test_tokens_grow_over_release(self, place: Place) -> None:
        records = place.open()
        tokens = []
        for holder in ("a", "b", "a", "a"):
            lease = taken(records, holder)
            tokens.append(lease.token)
            records.release_lease(lease)
            assert records.lease("prod") is None
        assert tokens == [1, 2, 3, 4]

    @pytest.mark.parametrize(
        "act",
        [
            pytest.param(lambda records, lease: records.renew_lease(lease, seconds=10), id="renewing"),
            pytest.param(
                lambda records, lease: records.save_promotion(
                    replace(PROMOTION, state=PromotionState.DEPLOYED),
                    actor="anna",
                    action="promotion.deployed",
                    data={},
                    lease=lease,
                ),
                id="writing",
            ),
        ],
    )
    @pytest.mark.parametrize("how", ["taken by another", "given up", "given up and taken by the same again"])
    def test_what_holds_an_old_token_is_refused(
        self, place: Place, records: SqlRecords, how: str, act: Callable[[SqlRecords, Lease], object]
    ) -> None:
        lease, entries = taken(records, "a"), records.ledger()
        act_before = act(records, lease)
        assert act_before is not None
        entries = records.ledger()
        before = place.derived()
        if how == "taken by another":
            place.seconds = 100
            newer = taken(place.open(), "b")
        else:
            records.release_lease(lease)
            newer = taken(records, "a") if "again" in how else None
        with pytest.raises(LeaseLostError, match="b has it now" if newer and newer.holder == "b" else "lost"):
            act(records, lease)
        records.release_lease(lease)  # not ours to give up
        assert records.lease("prod") == newer
        assert records.ledger() == entries
        assert place.derived() == before

    def test_a_lease_that_nobody_ever_had(self, place: Place) -> None:
        records = place.open()
        assert records.lease("prod") is None
        ghost = Lease(name="prod", holder="a", token=1, expires=NOON)
        records.release_lease(ghost)
        with pytest.raises(LeaseLostError):
            records.renew_lease(ghost, seconds=1)

    def test_of_many_at_once_one_gets_it(self, place: Place) -> None:
        place.open().lease("prod")
        ready, won = threading.Barrier(6), []

        def race(name: str, records: SqlRecords) -> None:
            ready.wait()
            for turn in range(8):
                lease = records.take_lease(f"turn {turn}", holder=name, seconds=10)
                if lease is not None:
                    won.append(lease)

        threads = [threading.Thread(target=race, args=(name, place.open())) for name in "abcdef"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted((lease.name, lease.token) for lease in won) == [(f"turn {turn}", 1) for turn in range(8)]

    def test_writers_under_leases_leave_a_chain_in_the_order_of_their_tokens(
        self, place: Place, records: SqlRecords
    ) -> None:
        """Each takes the lease as soon as it can, and what it writes carries its token; nobody writes under an older
        one once a newer was given."""
        lost: list[str] = []

        def work(name: str, mine: SqlRecords) -> None:
            for turn in range(12):
                lease = mine.take_lease("prod", holder=name, seconds=0 if turn % 2 else 10)
                if lease is None:
                    continue
                try:
                    for _ in range(2):
                        mine.save_promotion(PROMOTION, actor=name, action="x", data={"t": lease.token}, lease=lease)
                except LeaseLostError:
                    lost.append(name)
                mine.release_lease(lease)

        threads = [threading.Thread(target=work, args=(name, place.open())) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        entries = records.ledger()
        tokens = [int(str(entry.data["t"])) for entry in entries if entry.action == "x"]
        assert tokens == sorted(tokens)
        assert len(set(tokens)) > 1
        assert verify(entries) is None

    def test_the_time_of_a_server_counts_where_several_machines_ask(self, database_url: str) -> None:
        records = SqlRecords(database_url)
        lease = records.take_lease("prod", holder="a", seconds=3600)
        assert lease is not None
        assert timedelta(minutes=50) < lease.expires - datetime.now(UTC) < timedelta(minutes=70)
        records.close()


def taken(records: SqlRecords, holder: str) -> Lease:
    lease = records.take_lease("prod", holder=holder, seconds=10)
    assert lease is not None
    return lease
