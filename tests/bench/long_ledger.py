"""How long the command takes where much was promoted: `long_ledger.py [ENTRIES]` fills a home of its own and measures.

`LONG_LEDGER_DATABASE` names a PostgreSQL that is empty, to measure that instead of SQLite.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.model.decision import Answer, Approval
from pipeline.model.ledger import Chain, seal
from pipeline.model.release import LedgerEntry, Measurement, Promotion, PromotionKind, Release
from pipeline.model.status import PromotionState as State
from pipeline.model.ulid import ulid
from pipeline.model.value import Value, to_value
from pipeline.records import SqlRecords, sqlite_url
from pipeline.records import tables as t
from pipeline.records.rows import plain

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
ENVIRONMENTS = ("dev", "staging", "prod")
WAY = (State.PLANNED, State.WAITING, State.LOCKED, State.ROLLING_OUT, State.VERIFYING, State.DEPLOYED)
AT_ONCE = 500


def told(repository: str) -> Iterator[tuple[datetime, str, str, dict[str, Value]]]:
    """For ever: when, what, of what, with what data. Every release goes through all environments."""
    number = 0
    while True:
        begun = FIRST + timedelta(minutes=10 * number)
        release = Release(
            repository=repository,
            commit=f"{number:040x}",
            images={"push": f"registry.example.org/shop@sha256:{number:064x}"},
            pipeline_digest="sha256:" + "2" * 64,
            name=f"{number}-{number:07x}",
            run=ulid(begun, os.urandom(10)),
            dirty=False,
            created=begun,
        )
        number += 1
        yield begun, "release.sealed", release.id, {"release": to_value(release)}
        for place, environment in enumerate(ENVIRONMENTS):
            yield from _promotion(release, environment, begun + timedelta(minutes=2 * place))


def _promotion(
    release: Release, environment: str, begun: datetime
) -> Iterator[tuple[datetime, str, str, dict[str, Value]]]:
    made = Promotion(
        id=ulid(begun, os.urandom(10)),
        release=release.id,
        environment=environment,
        kind=PromotionKind.PROMOTE,
        state=State.PLANNED,
        requested_by="anna",
        reason=f"run {release.run}",
        created=begun,
        run=release.run,
        plan="sha256:" + "3" * 64,
    )
    seen = tuple(
        Measurement(check="http /healthz", passed=True, seen="200 in 12 ms", wanted="200", time=begun, seconds=0.012)
        for _ in range(3)
    )
    for second, state in enumerate(WAY):
        now = begun + timedelta(seconds=second)
        made = replace(made, state=state)
        if state is State.DEPLOYED:
            made = replace(made, measurements=seen, finished=now, detail="verified: 3 checks passed", gap=0.25)
        data = {"promotion": to_value(made), "release": to_value(release)}
        yield now, f"promotion.{state}", made.id, data
        if state is State.WAITING:
            yield now, "verdict", made.id, {"answers": [{"gate": "approvals", "state": "waiting"}] * 4}
            answer = Approval(
                id=ulid(now, os.urandom(10)),
                promotion=made.id,
                plan=made.plan,
                person="bob",
                answer=Answer.APPROVE,
                reason="good",
                time=now,
            )
            yield now, "promotion.approved", made.id, {"approval": to_value(answer)}


def fill(url: str, repository: str, entries: int) -> None:
    """So many entries, and the tables that are derived from them."""
    records = SqlRecords(url)
    records.head()
    database = records._database()
    last: LedgerEntry | None = None
    source = told(repository)
    with database.writing() as connection:
        for start in range(0, entries, AT_ONCE):
            rows: list[Mapping[str, object]] = []
            for _ in range(start, min(start + AT_ONCE, entries)):
                when, action, subject, data = next(source)
                last = seal(last, time=when, actor="anna", action=action, subject=subject, reason="tea", data=data)
                rows.append(plain(last))
            connection.execute(t.ledger.insert(), rows)
    begun = time.perf_counter()
    counts = records.rebuild()
    print(f"{time.perf_counter() - begun:8.2f} s  to make {counts} anew", flush=True)
    records.close()


def chain_rate(url: str) -> float:
    """Entries a second, from the database to the verdict, all libraries included."""
    records = SqlRecords(url)
    records.head()
    begun = time.perf_counter()
    chain, after = Chain(), 0
    while page := records.links(after=after):
        for link in page:
            if chain.follow(link) is not None:
                raise RuntimeError(f"the ledger breaks at {link.seq}")
        after = page[-1].seq
    rate = chain.seq / (time.perf_counter() - begun)
    records.close()
    return rate


COMMANDS = (
    ("--version",),
    ("releases",),
    ("history", "prod"),
    ("why", "prod"),
    ("board",),
    ("dora", "prod"),
    ("ledger", "show"),
    ("ledger", "show", "--action", "release.sealed"),
    ("ledger", "verify"),
    ("ledger", "export", "-o", "export.jsonl"),
    ("ledger", "verify", "export.jsonl"),
    ("gc", "--dry-run"),
)


def with_environments(repository: Path) -> None:
    """A repository whose pipeline has the environments of the ledger, one after the other."""
    subprocess.run(["git", "init", "-q", "--initial-branch=main", str(repository)], check=True)
    places = [
        f"  {name}: {{target: {{docker: {{}}}}{f', after: {before}' if before else ''}}}"
        for name, before in zip(ENVIRONMENTS, ("", *ENVIRONMENTS), strict=False)
    ]
    text = "version: 1\nname: shop\nstages: {unit: {image: busybox:1.36, commands: 'true'}}\nenvironments:\n"
    (repository / "pipeline.yml").write_text(text + "\n".join(places) + "\n")
    who = ("-c", "user.name=Marin Lock", "-c", "user.email=marin@example.org")
    for words in (("add", "--all"), (*who, "commit", "--quiet", "--message", "Start")):
        subprocess.run(["git", "-C", str(repository), *words], check=True)


def main() -> None:
    """One line a command: its seconds, its exit code, its lines."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(prefix="ecluse-long-") as folder:
        home, repository = Path(folder) / "home", Path(folder) / "shop"
        home.mkdir(mode=0o700)
        with_environments(repository)
        url = os.environ.get("LONG_LEDGER_DATABASE") or sqlite_url(home)
        begun = time.perf_counter()
        fill(url, str(repository), entries)
        print(f"{time.perf_counter() - begun:8.2f} s  to make {entries} entries", flush=True)
        print(f"{chain_rate(url):8.0f} entries a second are verified", flush=True)
        program = str(Path(sys.executable).with_name("ecluse"))
        environment = {**os.environ, "ECLUSE_HOME": str(home), "ECLUSE_DATABASE": url, "ECLUSE_EXECUTOR": "process"}
        for words in COMMANDS:
            begun = time.perf_counter()
            ended = subprocess.run([program, *words], env=environment, cwd=repository, capture_output=True, text=True)
            seconds, lines = time.perf_counter() - begun, ended.stdout.count("\n")
            print(f"{seconds:8.2f} s  exit {ended.returncode}  {lines:6d} lines  ecluse {' '.join(words)}", flush=True)
            if ended.returncode:
                print(ended.stderr.strip()[-600:])


if __name__ == "__main__":
    main()
