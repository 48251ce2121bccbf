"""Every conclusion, reason and exit code of `docs/semantics.md`, each with a real container.

What needs a deployment (rolled back, exit 5) is in test_delivery, a restart of the host in test_resume.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from environment.command import Command
from environment.repository import Repository

HEAD = """\
version: 1
name: meaning
defaults: {image: "BUSYBOX"}
"""
JUNIT = (
    '<testsuite tests="3" failures="2"><testcase classname="a" name="x"><failure message="no"/></testcase>'
    '<testcase classname="a" name="y"><failure message="no"/></testcase><testcase classname="a" name="z"/></testsuite>'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a run with `--json` told: its code, how each stage ended, its own conclusion."""

    code: int
    stages: Mapping[str, Mapping[str, Any]]
    conclusion: str
    state: str
    events: tuple[Mapping[str, Any], ...]

    def outcome(self, stage: str) -> tuple[str, str]:
        return self.stages[stage]["conclusion"], self.stages[stage]["reason"]


Run = Callable[..., Told]


def told_rows(rows: Iterable[str]) -> tuple[Mapping[str, Any], ...]:
    return tuple(json.loads(row) for row in rows if row.startswith("{"))


def told(code: int, out: str) -> Told:
    events = told_rows(out.splitlines())
    ends = {event["stage"]: event["outcome"] for event in events if event["event"] == "stage_finished"}
    last = [event for event in events if event["event"] == "run_finished"][-1]
    return Told(code=code, stages=ends, conclusion=last["conclusion"] or "", state=last["state"], events=events)


@pytest.fixture
def written(git_repo: Callable[..., Repository], images: Any, registry: str) -> Callable[..., Repository]:
    """A repository with a pipeline of these stages (and what stands above them)."""

    def make(stages: str, *, top: str = "", name: str = "meaning") -> Repository:
        text = HEAD + top + "stages:\n" + stages
        text = text.replace("BUSYBOX", images.busybox).replace("REGISTRY", registry)
        return git_repo({"pipeline.yml": text}, name=name)

    return make


@pytest.fixture
def run(ecluse: Command, written: Callable[..., Repository], engine: str) -> Run:
    """Runs these stages to their end."""

    def play(stages: str, *words: str, top: str = "", env: Mapping[str, str] | None = None) -> Told:
        ended = ecluse("run", "--json", *words, cwd=written(stages, top=top).path, env=env)
        assert ended.out, ended.err
        return told(ended.code, ended.out)

    return play


@pytest.mark.parametrize(
    ("stages", "stage", "conclusion", "reason", "run_conclusion", "code"),
    [
        pytest.param("  a: {commands: 'true'}\n", "a", "succeeded", "exit 0", "succeeded", 0, id="succeeded"),
        pytest.param(
            "  a: {commands: exit 1, allow_failure: true}\n", "a", "warned", "exit 1, allowed", "warned", 0, id="warned"
        ),
        pytest.param(
            "  a: {commands: 'true', when: {branch: [release]}}\n",
            "a",
            "skipped",
            "when: branch is 'main', wants 'release'",
            "succeeded",
            0,
            id="skipped",
        ),
        pytest.param(
            "  a: {commands: exit 2}\n  b: {commands: 'true'}\n  c: {commands: 'true'}\n",
            "c",
            "blocked",
            "needs a: failed",
            "failed",
            1,
            id="blocked-at-a-distance",
        ),
        pytest.param("  a: {commands: exit 2}\n", "a", "failed", "exit 2", "failed", 1, id="failed"),
        pytest.param(
            f"  a: {{kind: test, commands: ['echo ''{JUNIT}'' > r.xml'], reports: {{junit: r.xml}}}}\n".replace(
                '"', '\\"'
            )
            .replace("['", '["')
            .replace("r.xml']", 'r.xml"]')
            .replace("''", "'"),
            "a",
            "failed",
            "2 tests failed",
            "failed",
            1,
            id="tests-failed",
        ),
        pytest.param(
            "  a: {commands: tail /dev/zero, resources: {memory: 16MiB}}\n",
            "a",
            "failed",
            "out of memory (16 MiB)",
            "failed",
            1,
            id="out-of-memory",
        ),
        pytest.param(
            "  a: {commands: ['true', sleep 60], timeout: 4s}\n",
            "a",
            "timed_out",
            "timeout 4s in step 2",
            "timed_out",
            1,
            id="timed-out",
        ),
        pytest.param(
            "  a: {commands: [{run: sleep 60, timeout: 1s}, 'true']}\n",
            "a",
            "timed_out",
            "timeout 1s in step 1",
            "timed_out",
            1,
            id="step-timed-out",
        ),
        pytest.param(
            "  a: {commands: sleep 60, timeout: 1s, allow_failure: true}\n",
            "a",
            "warned",
            "timeout 1s, allowed",
            "warned",
            0,
            id="timed-out-allowed",
        ),
        pytest.param(
            "  a: {image: 'REGISTRY/no/such:1', commands: 'true', allow_failure: true}\n",
            "a",
            "errored",
            "image REGISTRY/no/such:1 not found",
            "errored",
            3,
            id="image-not-found-is-never-softened",
        ),
        pytest.param(
            "  a: {commands: 'true', outputs: [VERSION]}\n",
            "a",
            "failed",
            "outputs: it has not written VERSION to $ECLUSE_OUTPUT",
            "failed",
            1,
            id="output-missing",
        ),
        pytest.param(
            "  a: {commands: exit 3, retry: {max: 1, on: exit 3, backoff: 0s}}\n",
            "a",
            "failed",
            "exit 3",
            "failed",
            1,
            id="retried-in-vain",
        ),
    ],
)
def test_conclusions(
    run: Run, registry: str, stages: str, stage: str, conclusion: str, reason: str, run_conclusion: str, code: int
) -> None:
    reason = reason.replace("REGISTRY", registry)
    ended = run(stages)
    got, why = ended.outcome(stage)
    assert (got, why.startswith(reason)) == (conclusion, True), why
    assert (ended.conclusion, ended.code) == (run_conclusion, code)


def test_an_earlier_result_serves(ecluse: Command, written: Callable[..., Repository], engine: str) -> None:
    place = written("  a: {commands: [echo made, echo N=5 >> $ECLUSE_OUTPUT], outputs: [N], reuse: true}\n").path
    first = ecluse("run", "--json", cwd=place)
    assert told(first.code, first.out).outcome("a") == ("succeeded", "exit 0")
    second = ecluse("run", "--json", cwd=place)
    ended = told(second.code, second.out)
    conclusion, reason = ended.outcome("a")
    assert (conclusion, reason.startswith("reused from run 1"), ended.code) == ("succeeded", True, 0), reason
    run = next(event["run"] for event in told(first.code, first.out).events)
    assert {event["reused"] for event in ended.events if "reused" in event} == {run}


def test_the_engine_cannot_be_reached(run: Run, tmp_path: Path) -> None:
    ended = run("  a: {commands: 'true'}\n", env={"DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"})
    assert (ended.conclusion, ended.code) == ("errored", 3)
    conclusion, reason = ended.outcome("checkout")
    assert (conclusion, reason.startswith("engine unreachable: ")) == ("errored", True), reason
    assert ended.outcome("a") == ("blocked", "needs checkout: errored")


def test_the_runs_timeout_cancels_it(run: Run) -> None:
    ended = run("  a: {commands: sleep 60}\n  b: {commands: 'true'}\n", top="timeout: 3s\n")
    assert ended.outcome("a") == ("cancelled", "timeout of the run: 3s")
    assert ended.outcome("b") == ("cancelled", "timeout of the run: 3s")
    assert (ended.conclusion, ended.code) == ("cancelled", 130)


def test_after_commands_run_whatever_happened_and_never_change_the_outcome(run: Run) -> None:
    ended = run("  a: {commands: [echo made > f, sleep 60], after: [cat f, exit 9], timeout: 4s}\n")
    assert ended.outcome("a") == ("timed_out", "timeout 4s in step 2")
    text = "".join(event["text"] for event in ended.events if event["event"] == "stage_output")
    assert "made\n" in text
    assert "after: exit 9; this does not change the outcome" in text


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, id="ctrl-c"), pytest.param(signal.SIGTERM, id="a-ci-host-cancels")]
)
def test_a_signal_cancels(
    ecluse: Command, written: Callable[..., Repository], number: signal.Signals, engine: str
) -> None:
    place = written("  a: {commands: [echo begun, sleep 60]}\n  b: {commands: 'true'}\n").path
    with ecluse.started("run", "--json", cwd=place) as process:
        rows = _until(process, "begun\\n")
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    ended = told(process.returncode, "".join(rows) + out)
    assert ended.outcome("a")[0] == "cancelled"
    assert ended.outcome("b")[0] == "cancelled"
    assert (ended.conclusion, ended.code) == ("cancelled", 130)


def test_a_newer_run_supersedes(ecluse: Command, written: Callable[..., Repository], engine: str) -> None:
    stages = "  a: {commands: [echo begun, 'test \"$LONG\" = no || sleep 60'], env: {LONG: '${{ variables.LONG }}'}}\n"
    top = "variables: {LONG: 'yes'}\nconcurrency: {group: \"site-${{ branch }}\", policy: cancel_older}\n"
    place = written(stages, top=top).path
    with ecluse.started("run", "--json", cwd=place) as process:
        rows = _until(process, "begun\\n")
        newer = ecluse("run", "--json", "--var", "LONG=no", cwd=place)
        out, _ = process.communicate(timeout=60)
    older = told(process.returncode, "".join(rows) + out)
    assert older.outcome("a") == ("cancelled", "superseded by run 2")
    assert (older.conclusion, older.code) == ("cancelled", 130)
    second = told(newer.code, newer.out)
    assert (second.conclusion, second.code) == ("succeeded", 0)
    waits = [event["waits_for"] for event in second.events if event["event"] == "run_moved"]
    assert waits in ([""], ["waits for group 'site-main': run 1 is in it", ""])


def test_a_run_waits_for_the_one_before(ecluse: Command, written: Callable[..., Repository], engine: str) -> None:
    stages = "  a: {commands: [echo begun, 'test \"$LONG\" = no || sleep 600'], env: {LONG: '${{ variables.LONG }}'}}\n"
    place = written(stages, top="variables: {LONG: 'yes'}\nconcurrency: site\n").path
    with ecluse.started("run", "--json", cwd=place) as first:
        _until(first, "begun\\n")
        with ecluse.started("run", "--json", "--var", "LONG=no", cwd=place) as second:
            rows = _until(second, '"queued"')
            first.send_signal(signal.SIGINT)
            out, _ = second.communicate(timeout=60)
        first.communicate(timeout=60)
    ended = told(second.returncode, "".join(rows) + out)
    assert (first.returncode, ended.conclusion, ended.code) == (130, "succeeded", 0)
    waits = [event["waits_for"] for event in ended.events if event["event"] == "run_moved"]
    assert waits == ["waits for group 'site': run 1 is in it", ""]
    assert not any(event["event"] == "stage_moved" for event in told_rows(rows))


def test_a_newer_run_gives_way(ecluse: Command, written: Callable[..., Repository], engine: str) -> None:
    place = written("  a: {commands: [echo begun, sleep 60]}\n", top="concurrency: {group: s, policy: cancel_newer}\n")
    with ecluse.started("run", "--json", cwd=place.path) as process:
        _until(process, "begun\\n")
        newer = ecluse("run", "--json", cwd=place.path)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    second = told(newer.code, newer.out)
    assert second.outcome("a") == ("cancelled", "group 's' is taken by run 1")
    assert (second.conclusion, second.code) == ("cancelled", 130)


def test_a_stage_waits_for_its_group_while_others_run(
    ecluse: Command, written: Callable[..., Repository], engine: str
) -> None:
    stages = (
        "  a: {commands: [echo begun, sleep 600], concurrency: dev, when: {if: \"variables.A == 'yes'\"}}\n"
        "  c: {needs: [checkout], commands: echo third, concurrency: dev, when: {if: \"variables.A == 'no'\"}}\n"
        "  b: {needs: [checkout], commands: echo other}\n"
    )
    place = written(stages, top="variables: {A: 'yes'}\n").path
    with ecluse.started("run", "--json", cwd=place) as first:
        _until(first, "begun\\n")
        with ecluse.started("run", "--json", "--var", "A=no", "--parallel", "1", cwd=place) as second:
            rows = _until(second, '"stage_parked"')
            rows += _until(second, '"stage_finished","time":.*"stage":"b"')
            first.send_signal(signal.SIGINT)
            out, _ = second.communicate(timeout=60)
        first.communicate(timeout=60)
    ended = told(second.returncode, "".join(rows) + out)
    assert (ended.outcome("b"), ended.outcome("c")) == (("succeeded", "exit 0"), ("succeeded", "exit 0"))
    (parked,) = [event for event in ended.events if event["event"] == "stage_parked"]
    assert (parked["stage"], parked["waits_for"]) == ("c", "group 'dev': run 1, stage a is in it")


def test_a_manual_stage_parks_the_run_and_a_person_starts_it(
    ecluse: Command, written: Callable[..., Repository], engine: str
) -> None:
    stages = (
        "  a: {commands: echo one > f}\n  b: {commands: cat f, when: {manual: true}}\n  c: {commands: cat f}\n"
        "  d: {needs: [checkout], commands: echo other}\n"
    )
    place = written(stages).path
    first = ecluse("run", "--json", cwd=place)
    parked = told(first.code, first.out)
    assert (parked.state, parked.code) == ("parked", 0)
    assert parked.events[-1]["waits_for"] == {"b": "a person has to start it"}
    assert set(parked.stages) == {"checkout", "a", "d"}
    again = ecluse("resume", "--json", cwd=place)
    assert told(again.code, again.out).state == "parked"
    wrong = ecluse("resume", "1", "--start", "c", cwd=place)
    assert wrong.code == 2
    started = ecluse("resume", "1", "--start", "b", "--json", cwd=place)
    ended = told(started.code, started.out)
    assert (ended.conclusion, ended.code) == ("succeeded", 0)
    assert set(ended.stages) == {"b", "c"}
    text = [event["text"] for event in ended.events if event["event"] == "stage_output"]
    assert sum("one\n" in item for item in text) == 2


def test_waiting_beside_a_parked_run(ecluse: Command, written: Callable[..., Repository], engine: str) -> None:
    place = written("  a: {commands: echo go, when: {manual: true}}\n").path
    with ecluse.started("run", "--json", "--wait", "5m", cwd=place) as process:
        rows = _until(process, "waits up to 5m")
        person = ecluse("resume", "--start", "a", "--plain", cwd=place)
        out, _ = process.communicate(timeout=60)
    assert (person.code, person.out) == (0, "· run 1 goes on in the process that waits beside it\n")
    ended = told(process.returncode, "".join(rows) + out)
    assert (ended.outcome("a"), ended.code) == (("succeeded", "exit 0"), 0)
    expired = ecluse("run", "--json", "--wait", "10ms", cwd=place)
    assert (told(expired.code, expired.out).state, expired.code) == ("parked", 4)
    assert ecluse("cancel", "2", cwd=place).code == 0


def test_the_file_is_wrong(ecluse: Command, written: Callable[..., Repository]) -> None:
    assert ecluse("run", cwd=written("  a: {comands: 'true'}\n").path).code == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.fail("this test mounts a small tmpfs: run the tests as root", pytrace=False)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_the_disk_is_full(
    ecluse: Command, written: Callable[..., Repository], small_disk: Path, installation: str, engine: str
) -> None:
    stages = "  a: {commands: head -c 20000000 /dev/zero > f, artifacts: [{name: big, paths: [f]}]}\n"
    (small_disk / "installation").write_text(installation + "\n")
    ended = ecluse("run", "--json", cwd=written(stages).path, env={"ECLUSE_HOME": str(small_disk)})
    outcome = told(ended.code, ended.out).outcome("a")
    assert (outcome[0], ended.code) == ("errored", 3), ended.out[-2000:]
    assert outcome[1].startswith("disk full: ")


def _until(process: subprocess.Popen[str], text: str) -> list[str]:
    """Reads lines up to the one that holds `text`, or that it matches."""
    assert process.stdout is not None
    rows = []
    for row in process.stdout:
        rows.append(row)
        if text in row or re.search(text, row):
            return rows
    raise AssertionError(f"{text!r} never came: {''.join(rows)[-2000:]}")
