"""`ecluse ledger`: the history that nobody can quietly change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_of, place_option, server_of, server_option
from pipeline.cli.complete import complete_action
from pipeline.cli.options import application, json_option, moment_of, output, show, show_json
from pipeline.cli.render.ledger import entries, entry_lines, one_entry_lines, verification_json, verification_lines
from pipeline.cli.render.lines import line
from pipeline.cli.render.words import count, shape
from pipeline.errors import ExitCode, UsageError
from pipeline.model.value import to_value
from pipeline.ports.application import Application

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.remote.servers import KnownServer

PATH = click.Path(dir_okay=False, path_type=Path)


@click.group()
def ledger() -> None:
    """Look at, check and take along the history that nobody can quietly change."""


@ledger.command("show")
@click.argument("seq", type=click.IntRange(1), required=False, metavar="[ENTRY]")
@click.option(
    "--action",
    "actions",
    multiple=True,
    shell_complete=complete_action,
    metavar="NAME",
    help="Only these, e.g. promotion.deployed; may be given again.",
)
@click.option("--subject", default="", metavar="WHAT", help="Only about this promotion, release or block.")
@click.option("--actor", default="", metavar="NAME", help="Only by this person.")
@click.option("--since", default=None, metavar="TIME", help="Only from then on: 2h, 7d, or 2026-11-24T03:00:00Z.")
@click.option("--until", default=None, metavar="TIME", help="Only before then.")
@click.option("--limit", "-n", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="The newest N.")
@server_option
@json_option
def show_entries(
    seq: int | None,
    actions: tuple[str, ...],
    subject: str,
    actor: str,
    since: str | None,
    until: str | None,
    limit: int,
    server: str | None,
    as_json: bool,
) -> None:
    """List entries of the ledger, the newest last; or show everything that one ENTRY says."""
    from pipeline.operations.ledger_shown import Wanted

    asked = asked_of(Path().absolute(), server)
    if seq is not None:
        entry = asked.entry(seq)
        show_json(entry) if as_json else show(one_entry_lines(entry))
        return
    wanted = Wanted(
        actions=actions,
        subject=subject,
        actor=actor,
        since=_time("--since", since),
        until=_time("--until", until),
        newest=limit,
    )
    found = asked.entries(wanted)
    show_json(to_value(found)) if as_json else show(entry_lines(found, width=output().width))


@ledger.command()
@click.argument("export", type=PATH, required=False, metavar="[EXPORT]")
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    metavar="ANCHOR",
    help="What was noted elsewhere: SEQ:HASH, or a file with heads or printed anchors.",
)
@click.option("--note", is_flag=True, help="Hold it against the heads in the repository's git notes.")
@click.option(
    "--public-key", "keys", multiple=True, metavar="KEY", help="Heads must be signed by one of these keys (ed25519:…)."
)
@click.option("--people", is_flag=True, help="Heads must be signed by one of the policy's people.")
@place_option
@server_option
@json_option
def verify(
    export: Path | None,
    anchors: tuple[str, ...],
    note: bool,
    keys: tuple[str, ...],
    people: bool,
    repository: Path | str,
    server: str | None,
    as_json: bool,
) -> int:
    """Check that no entry was altered, removed, added or put elsewhere: in the database, or in an EXPORT.

    Only what was noted elsewhere can tell that the end was cut off or all was written anew: give --anchor or --note.
    Ends with 1 where the ledger does not hold. With --server its ledger is fetched and checked here.
    """
    from pipeline.cli.asked import folder_of
    from pipeline.operations.ledger_export import Export
    from pipeline.operations.ledger_head import read_anchor
    from pipeline.operations.ledger_notes import read_notes
    from pipeline.operations.ledger_verify import Evidence, verify_export, verify_records

    app = application()
    given = [read_anchor(text) for text in anchors]
    evidence = Evidence(
        anchors=[anchor for found, _ in given for anchor in found],
        heads=[head for _, found in given for head in found],
        noted=read_notes(folder_of(repository)) if note else (),
        keys=_keys(app, keys, people=people),
    )
    known = server_of(server) if export is None else None
    with _counted("entries") as progress, _fetched(known, repository) as fetched:
        path = export or fetched
        if path is not None:
            found = verify_export(Export(path), evidence, signing=app.signing, progress=progress)
        else:
            found = verify_records(app, evidence, progress=progress)
    where = str(export) if export is not None else f"the ledger of {known.url}" if known else "the database"
    if as_json:
        show_json(verification_json(found, where=where))
    else:
        show(verification_lines(found, where=where))
    return ExitCode.SUCCEEDED if found.holds else ExitCode.FAILED


@ledger.command()
@click.option("--output", "-o", "path", type=PATH, default=None, metavar="FILE", help="A file; else standard output.")
@click.option("--head", "only_head", is_flag=True, help="The head alone: an anchor to keep elsewhere.")
@click.option("--note", is_flag=True, help="The head alone, into the git notes of a commit (refs/notes/ecluse-ledger).")
@click.option("--commit", default="HEAD", show_default=True, metavar="REV", help="With --note: the commit.")
@place_option
@server_option
def export(
    path: Path | None, only_head: bool, note: bool, commit: str, repository: Path | str, server: str | None
) -> None:
    """Write the ledger as JSON lines, its head behind them; signed where the setting 'ledger_key' names a key."""
    from pipeline.cli.asked import folder_of
    from pipeline.operations.ledger_export import NOTHING, write_file
    from pipeline.operations.ledger_notes import REF, write_note

    asked = asked_of(repository, server)
    head = asked.head()
    if note:
        if path is not None or head is None:
            raise UsageError(
                "the ledger is empty" if head is None else "--note writes no file",
                hint="" if head is None else "leave --output or --note away",
            )
        sha = write_note(folder_of(repository), head, commit=commit)
        show([line(shape("succeeded"), f" head {head.anchor} noted at {sha[:12]} in {REF}; push it with git push")])
        return
    told = head.line.encode() + b"\n" if head is not None else NOTHING
    with _counted("entries") as progress:
        if path is None:
            sys.stdout.flush()
            out = sys.stdout.buffer
            out.write(told) if only_head else asked.export(out, progress=progress)
            return
        written = write_file(
            path,
            lambda out: out.write(told) if only_head else asked.export(out, progress=progress),
        )
    signed = "signed" if head is not None and head.envelope else "not signed: the setting 'ledger_key' names no key"
    what = "the head" if only_head else entries(written)
    anchor = head.anchor if head is not None else "none"
    show([line(shape("succeeded"), f" {what} in {path}", (f"; head {anchor}, {signed}", "dim"))])


@ledger.command()
@json_option
def rebuild(as_json: bool) -> None:
    """Make releases, promotions, approvals and blocks anew from the ledger alone."""
    app = application()
    with _counted("entries") as progress:
        counts = app.records.rebuild(progress=progress)
    if as_json:
        show_json(counts)
        return
    parts = [count(number, name.removesuffix("s")) for name, number in counts.items()]
    show([line(shape("succeeded"), f" made anew from the ledger: {', '.join(parts)}")])


@ledger.group()
def key() -> None:
    """Make and show keys, for heads of the ledger and for approvals."""


@key.command()
@click.argument("file", type=PATH)
def new(file: Path) -> None:
    """Make a private key (Ed25519) in FILE, for its owner only, and print its public key."""
    sys.stdout.write(application().signing.make_key(file) + "\n")


@key.command("show")
@click.argument("file", type=PATH, required=False)
def show_key(file: Path | None) -> None:
    """Print the public key of the private key in FILE, by default of the setting 'ledger_key'."""
    app = application()
    named = file or (Path(app.settings.ledger_key).expanduser() if app.settings.ledger_key else None)
    if named is None:
        raise UsageError("which key?", hint="name its file, or set 'ledger_key'")
    sys.stdout.write(app.signing.public_key(named) + "\n")


def _keys(app: Application, keys: tuple[str, ...], *, people: bool) -> Mapping[str, str] | None:
    """Public keys with their owners; None where signatures are not asked for."""
    if not keys and not people:
        return None
    found = dict.fromkeys(keys, "")
    if people:
        from pipeline.operations.policy import policy_of

        policy = policy_of(app.settings)
        found |= {text: person.name for person in policy.people.values() for text in person.keys}
    if not found:
        raise UsageError("the policy knows nobody with a key", hint="set 'policy', or name keys with --public-key")
    return found


def _time(option: str, text: str | None) -> datetime | None:
    return moment_of(text, option) if text is not None else None


@contextmanager
def _fetched(server: KnownServer | None, repository: Path | str) -> Iterator[Path | None]:
    """A server's ledger as a file, for as long as the body runs; None without a server."""
    if server is None:
        yield None
        return
    from tempfile import TemporaryDirectory

    from pipeline.remote.there import There

    with TemporaryDirectory(prefix="ecluse-ledger-") as folder:
        path = Path(folder) / "ledger.jsonl"
        with path.open("wb") as out:
            There(server, repository).export(out, progress=lambda _: None)
        yield path


@contextmanager
def _counted(noun: str) -> Iterator[Callable[[int], None]]:
    """Tells a person at a terminal how far it is, once it takes longer than a second."""
    begun = monotonic()
    told = False

    def progress(number: int) -> None:
        nonlocal told
        if sys.stderr.isatty() and monotonic() - begun > 1:
            told = True
            sys.stderr.write(f"\r{number:,} {noun} …")
            sys.stderr.flush()

    try:
        yield progress
    finally:
        if told:
            sys.stderr.write("\r\x1b[K")
