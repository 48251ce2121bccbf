"""`ecluse ledger`, as its user calls it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from environment.command import Command
from environment.repository import Repository

from pipeline.model.decision import Answer, Approval, Block, BlockKind
from pipeline.model.ledger import Anchor
from pipeline.model.release import LedgerEntry, Promotion, PromotionKind, Release
from pipeline.model.status import PromotionState
from pipeline.records import SqlRecords, sqlite_url

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
PROMOTION = "01kb000000000000000promot1"


@pytest.fixture
def entries(ecluse: Command) -> list[LedgerEntry]:
    """What was promoted, approved and held in the home of the command."""
    records = SqlRecords(sqlite_url(ecluse.home), now=lambda: NOW)
    release = Release(
        repository="shop",
        commit="c" * 40,
        images={"push": "r/shop@sha256:" + "1" * 64},
        pipeline_digest="sha256:2",
        name="41-4f1c0de",
        run="01r",
        dirty=False,
        created=NOW,
    )
    promotion = Promotion(
        id=PROMOTION,
        release=release.id,
        environment="prod",
        kind=PromotionKind.PROMOTE,
        state=PromotionState.WAITING,
        requested_by="anna",
        reason="tea\x1b[2J is late",
        created=NOW,
        plan="sha256:p",
    )
    records.save_release(release, actor="anna")
    records.save_promotion(promotion, actor="anna", action="promotion.waiting", data={})
    answer = Approval(
        id="01a", promotion=PROMOTION, plan="sha256:p", person="bob", answer=Answer.APPROVE, reason="good", time=NOW
    )
    records.save_approval(answer, actor="bob")
    hold = Block(
        id="01h", kind=BlockKind.HOLD, repository="shop", environment="prod", owner="eve", reason="count", created=NOW
    )
    records.save_block(hold, actor="eve", action="hold.set")
    made = list(records.ledger())
    records.close()
    return made


def test_entries_are_listed_by_what_they_are_about(ecluse: Command, entries: list[LedgerEntry]) -> None:
    listed = ecluse("ledger", "show")
    assert (listed.code, listed.err) == (0, "")
    rows = [line.split() for line in listed.out.splitlines()]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert rows[1] == ["2", "2026-11-27", "12:00:00", "UTC", "anna", "promotion.waiting", "prod:", "41-4f1c0de",
                       "tea", "is", "late"]  # fmt: skip

    def shown(*words: str) -> list[int]:
        return [entry["seq"] for entry in json.loads(ecluse("ledger", "show", "--json", *words).out)]

    assert shown() == [1, 2, 3, 4]
    assert shown("--subject", "promot1") == [2, 3]
    assert shown("--subject", "41-4f1c0de") == [1]
    assert shown("--action", "hold.set", "--action", "promotion.approved", "-n", "1") == [4]
    assert shown("--actor", "anna", "--since", "2026-11-27T12:00:00Z") == [1, 2]
    assert shown("--until", "2026-11-27T12:00:00Z") == []
    assert ecluse("ledger", "show", "--subject", "absent").out == "no entry of the ledger matches\n"

    whole = ecluse("ledger", "show", "2").out
    assert f"hash      {entries[1].hash}" in whole
    assert '"state": "waiting"' in whole
    assert "\x1b" not in whole
    assert json.loads(ecluse("ledger", "show", "2", "--json").out)["data"]["promotion"]["id"] == PROMOTION


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["show", "9"], "the ledger has no entry 9: its last entry is 4", id="entry"),
        pytest.param(["show", "--since", "soon"], "--since: 'soon' is no time", id="time"),
        pytest.param(["verify", "--anchor", "12"], "'12' is no anchor, and no file", id="anchor"),
        pytest.param(["verify", "absent"], "cannot read absent: No such file", id="export"),
        pytest.param(["verify", "--public-key", "ed25519:AAAA"], "there is no signed head", id="nothing signed"),
        pytest.param(["verify", "--people"], "the policy knows nobody with a key", id="no people"),
        pytest.param(["export", "--output", "no/folder/x"], "cannot write no/folder/x", id="output"),
        pytest.param(["export", "--note"], "there is no commit 'HEAD'", id="no repository"),
        pytest.param(["key", "show"], "which key?", id="key"),
    ],
)
def test_what_cannot_be_done_ends_with_2(
    ecluse: Command, entries: list[LedgerEntry], words: list[str], message: str
) -> None:
    ended = ecluse("ledger", *words)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_an_export_is_signed_and_verified_without_the_database(
    ecluse: Command, entries: list[LedgerEntry], tmp_path: Path
) -> None:
    key = ecluse("ledger", "key", "new", str(tmp_path / "key")).out.strip()
    signing = {"ECLUSE_LEDGER_KEY": str(tmp_path / "key")}
    assert ecluse("ledger", "key", "show", env=signing).out.strip() == key
    export = tmp_path / "ledger.jsonl"
    written = ecluse("ledger", "export", "-o", str(export), env=signing)
    head = Anchor.of(entries[-1])
    assert written.out == f"● 4 entries in {export}; head {head}, signed\n"
    assert ecluse("ledger", "export", env=signing).out == export.read_text()

    policy = tmp_path / "policy.yml"
    policy.write_text(f'version: 1\npeople: {{anna: {{git: [a@example.org], keys: ["{key}"]}}}}\n')
    elsewhere = {"ECLUSE_HOME": str(tmp_path / "nowhere"), "ECLUSE_POLICY": str(policy)}
    for words in (["--public-key", key], ["--people", "--anchor", str(head)]):
        found = ecluse("ledger", "verify", str(export), *words, env=elsewhere)
        assert (found.code, found.err) == (0, "")
        assert f"the ledger in {export}: 4 entries hold" in found.out
        assert "head signed by anna" in found.out or "--people" not in words
    assert not (tmp_path / "nowhere" / "records.db").exists()

    export.write_text(export.read_text().replace("bob", "eve"))
    found = ecluse("ledger", "verify", str(export), "--public-key", key, env=elsewhere)
    assert found.code == 1
    assert "does not hold at entry 3: it was altered" in found.out
    told = json.loads(ecluse("ledger", "verify", str(export), "--json", env=elsewhere).out)
    assert (told["holds"], told["entries"], told["broken"]["seq"]) == (False, 2, 3)


def test_a_cut_off_end_is_found_by_the_notes_of_the_repository(
    ecluse: Command, entries: list[LedgerEntry], git_repo: Callable[..., Repository]
) -> None:
    repository = git_repo({"a": "b"})
    noted = ecluse("ledger", "export", "--note", cwd=repository.path)
    assert f"head {Anchor.of(entries[-1])} noted at" in noted.out
    held = ecluse("ledger", "verify", "--note", cwd=repository.path)
    assert (held.code, "held against 1 place noted elsewhere" in held.out) == (0, True)
    with sqlite3.connect(ecluse.home / "records.db") as connection:
        connection.execute("DROP TRIGGER ledger_refuses_delete")
        connection.execute("DELETE FROM ledger WHERE seq = 4")
    connection.close()
    assert ecluse("ledger", "verify").code == 0
    cut = ecluse("ledger", "verify", "--note", cwd=repository.path)
    assert cut.code == 1
    assert "does not hold at entry 4: it is missing: an anchor knows entries up to 4" in cut.out


def test_what_is_derived_is_made_anew(ecluse: Command, entries: list[LedgerEntry]) -> None:
    with sqlite3.connect(ecluse.home / "records.db") as connection:
        for table in ("approvals", "blocks", "promotions", "releases"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
    connection.close()
    assert ecluse("ledger", "rebuild").out == (
        "● made anew from the ledger: 1 release, 1 promotion, 1 approval, 1 block\n"
    )
    records = SqlRecords(sqlite_url(ecluse.home))
    assert [item.person for item in records.approvals(promotion=PROMOTION)] == ["bob"]
    assert records.find_promotion(PROMOTION).environment == "prod"
    records.close()
    told = json.loads(ecluse("ledger", "rebuild", "--json").out)
    assert told == {"releases": 1, "promotions": 1, "approvals": 1, "blocks": 1}
