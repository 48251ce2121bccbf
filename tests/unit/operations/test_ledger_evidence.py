"""Exports, heads, notes and signatures of a ledger: whatever is done to it afterwards is found."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from environment.repository import Repository
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.bootstrap import Application
from pipeline.errors import SigningError, UsageError
from pipeline.model.ledger import Anchor, head_line
from pipeline.operations.ledger_export import NOTHING, Export, write_export, write_file
from pipeline.operations.ledger_head import Head, current_head, parse_head, read_anchor
from pipeline.operations.ledger_notes import REF, read_notes, write_note
from pipeline.operations.ledger_verify import Evidence, Verification, verify_export, verify_records

COUNT = 7
NOTED: dict[str, Any] = {"nested": {"previous": "x", "reason": ["é", 0.5], "hash": "y"}, "😀": 1, "\ue000": 2}


def quiet(_: int) -> None:
    return None


def application(home: Path, **variables: str) -> Application:
    return Application({"ECLUSE_HOME": str(home), **variables})


def filled(home: Path, count: int = COUNT, **variables: str) -> Application:
    """With entries of all sorts of texts."""
    app = application(home, **variables)
    for number in range(count):
        app.records.note(
            actor="anna", action="told", subject=f"s{number}", reason='":,"previous":"', data={**NOTED, "n": number}
        )
    return app


def exported(app: Application) -> bytes:
    out = io.BytesIO()
    write_export(app.records, current_head(app), out, progress=quiet)
    return out.getvalue()


def checked(app: Application, path: Path, content: bytes, **evidence: Any) -> Verification:
    path.write_bytes(content)
    return verify_export(Export(path), Evidence(**evidence), signing=app.signing, progress=quiet)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Application, Path, bytes]:
    """An application, a place for files, and an export of its ledger."""
    folder = tmp_path_factory.mktemp("kept")
    app = filled(folder / "home")
    return app, folder, exported(app)


class TestExports:
    def test_one_holds_and_is_what_the_ledger_says(self, kept: tuple[Application, Path, bytes]) -> None:
        app, folder, content = kept
        found = checked(app, folder / "whole", content)
        head = app.records.head()
        assert head is not None
        assert (found.holds, found.entries, found.head) == (True, COUNT, Anchor.of(head))
        lines = [json.loads(line) for line in content.splitlines()]
        assert [line["data"]["n"] for line in lines[:-1]] == list(range(COUNT))
        assert lines[-1]["head"]["hash"] == head.hash

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(data=st.data())
    def test_any_byte_of_an_entry_that_is_altered_is_found(
        self, kept: tuple[Application, Path, bytes], data: st.DataObject
    ) -> None:
        app, folder, content = kept
        entries = content[: content.rstrip(b"\n").rfind(b"\n")]
        at = data.draw(st.integers(0, len(entries) - 1))
        other = data.draw(st.integers(0, 255).filter(lambda value: value != content[at]))
        found = checked(app, folder / "altered", content[:at] + bytes([other]) + content[at + 1 :])
        assert found.broken is not None
        assert found.broken.seq == content[:at].count(b"\n") + 1

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(data=st.data())
    def test_lines_that_are_removed_repeated_or_reordered_are_found(
        self, kept: tuple[Application, Path, bytes], data: st.DataObject
    ) -> None:
        app, folder, content = kept
        lines = content.splitlines(keepends=True)
        order = data.draw(
            st.lists(st.integers(0, COUNT), max_size=COUNT + 3).filter(lambda seen: seen != list(range(COUNT + 1)))
        )
        found = checked(app, folder / "reordered", b"".join(lines[index] for index in order))
        assert not found.holds

    @pytest.mark.parametrize("cut", range(COUNT + 1))
    def test_a_cut_off_end_is_found(self, kept: tuple[Application, Path, bytes], cut: int) -> None:
        app, folder, content = kept
        lines = content.splitlines(keepends=True)
        found = checked(app, folder / "cut", b"".join(lines[:cut]))
        assert found.broken is not None
        assert (found.broken.seq, found.broken.what) == (cut + 1, "the export has no head: its end was cut off")

    def test_a_cut_off_end_with_a_head_of_its_own_is_found_by_an_anchor(
        self, kept: tuple[Application, Path, bytes]
    ) -> None:
        app, folder, content = kept
        lines = content.splitlines(keepends=True)
        last = json.loads(lines[3])
        forged = Head(ledger=json.loads(lines[0])["hash"], seq=4, hash=last["hash"], time=last["time"])
        shorter = b"".join(lines[:4]) + forged.line.encode() + b"\n"
        assert checked(app, folder / "short", shorter).holds
        head = app.records.head()
        assert head is not None
        for anchor in (Anchor.of(head), Anchor(hash=head.hash)):
            found = checked(app, folder / "short", shorter, anchors=[anchor])
            assert found.broken is not None
            assert found.broken.seq == 5

    @pytest.mark.parametrize(
        ("head", "seq", "what"),
        [
            pytest.param({"seq": COUNT - 1}, COUNT - 1, "another entry", id="an earlier place"),
            pytest.param({"hash": "f" * 64}, COUNT, "another entry", id="another hash"),
            pytest.param({"seq": COUNT + 2}, COUNT + 1, "is missing", id="a later place"),
            pytest.param({"ledger": "f" * 64}, 1, "begins otherwise", id="another ledger"),
        ],
    )
    def test_a_head_that_is_not_its_last_entry(
        self, kept: tuple[Application, Path, bytes], head: dict[str, Any], seq: int, what: str
    ) -> None:
        app, folder, content = kept
        lines = content.splitlines(keepends=True)
        true = parse_head(lines[-1].decode())
        assert true is not None
        found = checked(app, folder / "head", b"".join(lines[:-1]) + replace(true, **head).line.encode() + b"\n")
        assert found.broken is not None
        assert (found.broken.seq, what in found.broken.what) == (seq, True)

    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"[" * 200_000,
            b"{}",
            b"[]",
            b"null",
            b'{"seq":1}',
            b'{"seq":"\x1b","hash":"","previous":""}',
            b"\xff\xfe",
            b"0" * 9999,
        ],
    )
    def test_a_line_of_anything_is_no_entry(self, kept: tuple[Application, Path, bytes], line: bytes) -> None:
        app, folder, content = kept
        found = checked(app, folder / "odd", line + b"\n" + content)
        assert found.broken is not None
        assert found.broken.seq == 1

    def test_an_empty_ledger(self, tmp_path: Path) -> None:
        app = application(tmp_path / "home")
        assert exported(app) == NOTHING
        assert checked(app, tmp_path / "empty", NOTHING).holds
        assert verify_records(app, Evidence(), progress=quiet).holds

    def test_what_was_there_stays_until_all_is_written(self, tmp_path: Path) -> None:
        path = tmp_path / "export"
        path.write_text("before")

        def fails(out: object) -> int:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_file(path, fails)
        assert (path.read_text(), list(tmp_path.iterdir())) == ("before", [path])
        with pytest.raises(UsageError, match="cannot write"):
            write_file(tmp_path / "no" / "folder", lambda _: 0)


class TestTheDatabase:
    def tampered(self, app: Application, *statements: str) -> None:
        with sqlite3.connect(app.settings.home / "records.db") as connection:
            for name in ("update", "delete", "disorder"):
                connection.execute(f"DROP TRIGGER ledger_refuses_{name}")
            for statement in statements:
                connection.execute(statement)
        connection.close()

    @pytest.mark.parametrize(
        ("statements", "seq", "what"),
        [
            pytest.param(["UPDATE ledger SET actor = 'eve' WHERE seq = 3"], 3, "it was altered", id="altered"),
            pytest.param(["UPDATE ledger SET actor = 7 WHERE seq = 3"], 3, "it was altered", id="no text"),
            pytest.param(["UPDATE ledger SET data = '{' WHERE seq = 3"], 3, "it was altered", id="broken"),
            pytest.param(["DELETE FROM ledger WHERE seq = 3"], 3, "it is missing", id="removed"),
            pytest.param(
                ["DELETE FROM ledger WHERE seq = 3", "UPDATE ledger SET seq = seq - 1 WHERE seq > 3"],
                3,
                "it was altered",
                id="removed and closed up",
            ),
            pytest.param(
                [
                    "UPDATE ledger SET seq = 100 WHERE seq = 3",
                    "UPDATE ledger SET seq = 3 WHERE seq = 4",
                    "UPDATE ledger SET seq = 4 WHERE seq = 100",
                ],
                3,
                "it was altered",
                id="reordered",
            ),
        ],
    )
    def test_what_somebody_did_to_it_is_found(self, tmp_path: Path, statements: list[str], seq: int, what: str) -> None:
        app = filled(tmp_path / "home")
        self.tampered(app, *statements)
        found = verify_records(app, Evidence(), progress=quiet)
        assert found.broken is not None
        assert (found.broken.seq, found.entries, what in found.broken.what) == (seq, seq - 1, True)

    def test_a_cut_off_end_is_found_by_what_a_promotion_printed(self, tmp_path: Path) -> None:
        app = filled(tmp_path / "home")
        entry = app.records.ledger()[4]
        job = tmp_path / "job.log"
        job.write_text(f"2026-11-27 12:00 · {head_line(entry)}\nsomething else: 12:30\n")
        anchors, heads = read_anchor(str(job))
        assert (anchors, heads) == ([Anchor.of(entry)], [])
        assert verify_records(app, Evidence(anchors=anchors), progress=quiet).holds
        self.tampered(app, "DELETE FROM ledger WHERE seq >= 4")
        assert verify_records(app, Evidence(), progress=quiet).holds
        found = verify_records(app, Evidence(anchors=anchors), progress=quiet)
        assert found.broken is not None
        assert (found.broken.seq, found.broken.what) == (4, "it is missing: an anchor knows entries up to 5")


class TestAnchors:
    def test_every_way_to_write_one(self, tmp_path: Path) -> None:
        app = filled(tmp_path / "home")
        head = current_head(app)
        assert head is not None
        assert read_anchor(str(head.anchor)) == ([head.anchor], [])
        assert read_anchor(head.hash) == ([Anchor(hash=head.hash)], [])
        file = tmp_path / "file"
        file.write_text(f"{head.hash}\n{head.anchor}\n{head.line}\n")
        assert read_anchor(str(file)) == ([Anchor(hash=head.hash), head.anchor], [head])
        file.write_text(f'{{"event":"note","text":"ledger {head.anchor}"}}\n  "ledger": "{head.anchor}"\n')
        assert read_anchor(str(file)) == ([head.anchor], [])
        file.write_bytes(exported(app))
        assert read_anchor(str(file)) == ([], [head])

    def test_what_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="is no anchor, and no file"):
            read_anchor(str(tmp_path / "absent"))
        (tmp_path / "job.log").write_text("at 12:30\n")
        with pytest.raises(UsageError, match="no anchor stands in"):
            read_anchor(str(tmp_path / "job.log"))

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "{}",
            '{"head":null,"signature":null}',
            '{"head":{}}',
            '{"head":{"ledger":"a","seq":"x","hash":"b","time":"c"}}',
            '{"head":{"ledger":"a","seq":1,"hash":"b","time":"c"}}',
            '{"head"' + "[" * 200_000,
        ],
    )
    def test_lines_that_are_no_head(self, line: str) -> None:
        assert parse_head(line) is None


class TestSignatures:
    def test_heads_are_signed_with_the_key_of_the_settings(self, tmp_path: Path) -> None:
        signing = application(tmp_path / "home").signing
        key = signing.make_key(tmp_path / "key")
        app = filled(tmp_path / "home", ECLUSE_LEDGER_KEY=str(tmp_path / "key"))
        found = checked(app, tmp_path / "export", exported(app), keys={key: "anna"})
        assert (found.holds, found.signers) == (True, ("anna",))
        stranger = signing.make_key(tmp_path / "other")
        found = checked(app, tmp_path / "export", exported(app), keys={stranger: "eve"})
        assert (found.holds, found.broken, found.signers) == (False, None, ())
        assert found.unsigned == ("none of the known keys has signed this envelope",)

    def test_a_signature_of_another_head_is_none(self, tmp_path: Path) -> None:
        signing = application(tmp_path / "home").signing
        key = signing.make_key(tmp_path / "key")
        app = filled(tmp_path / "home", ECLUSE_LEDGER_KEY=str(tmp_path / "key"))
        early = current_head(app)
        app.records.note(actor="eve", action="told", subject="s", reason="", data={})
        late = current_head(app)
        assert early is not None
        assert late is not None
        lines = exported(app).splitlines(keepends=True)
        mixed = replace(late, envelope=early.envelope).line.encode() + b"\n"
        found = checked(app, tmp_path / "export", b"".join(lines[:-1]) + mixed, keys={key: ""})
        assert (found.holds, found.broken) == (False, None)
        assert "is of another one" in found.unsigned[0]

    def test_an_unsigned_export_is_no_signed_one(self, kept: tuple[Application, Path, bytes]) -> None:
        app, folder, content = kept
        found = checked(app, folder / "unsigned", content, keys={"ed25519:" + "A" * 43 + "=": ""})
        assert not found.holds
        assert "is not signed" in found.unsigned[0]

    def test_a_database_has_no_signed_head_of_its_own(self, kept: tuple[Application, Path, bytes]) -> None:
        with pytest.raises(UsageError, match="there is no signed head"):
            verify_records(kept[0], Evidence(keys={}), progress=quiet)

    def test_a_key_that_others_may_read_signs_nothing(self, tmp_path: Path) -> None:
        application(tmp_path / "home").signing.make_key(tmp_path / "key")
        (tmp_path / "key").chmod(0o644)
        with pytest.raises(SigningError, match="others than its owner"):
            current_head(filled(tmp_path / "home", ECLUSE_LEDGER_KEY=str(tmp_path / "key")))


class TestNotes:
    def test_heads_gather_in_the_notes_and_go_along(self, tmp_path: Path, git_repo: Callable[..., Repository]) -> None:
        app, repository = filled(tmp_path / "home"), git_repo({"a": "b"})
        first = self.noted(app, repository)
        app.records.note(actor="anna", action="told", subject="s", reason="", data={})
        second = self.noted(app, repository)
        clone = tmp_path / "clone"
        subprocess.run(["git", "clone", "-q", repository.path, clone], check=True)
        subprocess.run(["git", "-C", clone, "fetch", "-q", "origin", f"{REF}:{REF}"], check=True)
        assert read_notes(clone) == [first, second]
        found = verify_records(app, Evidence(noted=read_notes(clone)), progress=quiet)
        assert (found.holds, found.anchors, found.foreign) == (True, 2, 0)

    def test_notes_of_other_ledgers_are_left_aside_unless_there_are_no_others(
        self, tmp_path: Path, git_repo: Callable[..., Repository]
    ) -> None:
        app, other, repository = filled(tmp_path / "home"), filled(tmp_path / "other"), git_repo({"a": "b"})
        self.noted(other, repository)
        found = verify_records(app, Evidence(noted=read_notes(repository.path)), progress=quiet)
        assert found.broken is not None
        assert "none of the git notes" in found.broken.what
        self.noted(app, repository)
        found = verify_records(app, Evidence(noted=read_notes(repository.path)), progress=quiet)
        assert (found.holds, found.anchors, found.foreign) == (True, 1, 1)

    def test_a_ledger_that_was_cut_off_since(self, tmp_path: Path, git_repo: Callable[..., Repository]) -> None:
        app, repository = filled(tmp_path / "home"), git_repo({"a": "b"})
        self.noted(app, repository)
        TestTheDatabase().tampered(app, "DELETE FROM ledger WHERE seq = 7")
        found = verify_records(app, Evidence(noted=read_notes(repository.path)), progress=quiet)
        assert found.broken is not None
        assert found.broken.seq == 7

    def test_what_cannot_be_noted_or_read(self, tmp_path: Path, git_repo: Callable[..., Repository]) -> None:
        app, repository = filled(tmp_path / "home"), git_repo({"a": "b"})
        head = current_head(app)
        assert head is not None
        with pytest.raises(UsageError, match="no head of a ledger stands in the notes"):
            read_notes(repository.path)
        with pytest.raises(UsageError, match="there is no commit 'absent'"):
            write_note(repository.path, head, commit="absent")
        with pytest.raises(UsageError, match="there is no commit '--all'"):
            write_note(repository.path, head, commit="--all")

    def noted(self, app: Application, repository: Repository) -> Head:
        head = current_head(app)
        assert head is not None
        assert write_note(repository.path, head, commit="HEAD") == repository.git("rev-parse", "HEAD")
        return head
