"""A stage writes further stages while the run goes on: they are checked, planned, shown, recorded and run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from environment.command import Command
from environment.repository import Repository

STAGES = """\
version: 1
name: shop
defaults: {{image: "{busybox}"}}
stages:
  split:
    emits: made/stages.yml
    commands:
      - mkdir made
      - cp {file} made/stages.yml
      - echo from-the-emitter > made/word
  report:
    needs: [{{stage: split, emitted: true}}]
    commands: cat made/word one.txt two.txt
"""
EMITTED = """\
stages:
  one: {needs: [split], commands: ['cat made/word', 'echo 1 > one.txt']}
  two: {needs: [one], commands: ['echo 2 > two.txt', 'echo N=5 >> $ECLUSE_OUTPUT'], outputs: [N]}
  three: {needs: [two], commands: 'echo "n is $N"', env: {N: '${{ stages.two.outputs.N }}'}}
"""


@pytest.fixture
def shop(git_repo: Callable[..., Repository], images: Any) -> Callable[..., Repository]:
    def make(emitted: str, *, file: str = "emitted.yml") -> Repository:
        emitted = emitted.replace("{needs", f'{{image: "{images.busybox}", needs')
        return git_repo({"pipeline.yml": STAGES.format(busybox=images.busybox, file=file), "emitted.yml": emitted})

    return make


def test_emitted_stages_run(ecluse: Command, shop: Callable[..., Repository], engine: str) -> None:
    place = shop(EMITTED)
    ended = ecluse("run", "--json", cwd=place.path)
    assert ended.code == 0, ended.out + ended.err
    events = [json.loads(row) for row in ended.out.splitlines()]
    (extended,) = [event for event in events if event["event"] == "plan_extended"]
    assert [(item["name"], item["needs"]) for item in extended["stages"]] == [
        ("one", ["split"]),
        ("two", ["one"]),
        ("three", ["two"]),
    ]
    ends = [event["stage"] for event in events if event["event"] == "stage_finished"]
    assert set(ends) == {"checkout", "split", "one", "two", "three", "report"}
    assert ends.index("report") > max(ends.index(name) for name in ("one", "two", "three"))
    text = {
        stage: "".join(
            event["text"] for event in events if event["event"] == "stage_output" and event["stage"] == stage
        )
        for stage in ends
    }
    assert "from-the-emitter\n" in text["one"]
    assert "from-the-emitter\n1\n2\n" in text["report"]
    assert "n is 5\n" in text["three"]
    assert "emitted one, two, three" in text["split"]

    shown = json.loads(ecluse("show", "1", "--json", cwd=place.path).out)
    stages = shown.get("run", shown)["stages"]
    assert {stage["name"] for stage in stages} == {"checkout", "split", "one", "two", "three", "report"}
    plain = ecluse("run", "--plain", cwd=place.path)
    assert "○ 3 more stages: one, two, three\n" in plain.out


@pytest.mark.parametrize(
    ("emitted", "said"),
    [
        pytest.param("stages: {a: {needs: [], comands: x}}\n", "unknown key 'comands'", id="unknown-key"),
        pytest.param("stages: {a: {image: x:1, commands: x}}\n", "must write its needs", id="no-needs"),
        pytest.param("stages: {report: {needs: [], commands: x}}\n", "has a stage 'report' already", id="taken"),
        pytest.param("stages: {a: {needs: [nobody], commands: x}}\n", "nobody", id="unknown-need"),
    ],
)
def test_what_is_wrong_with_them_fails_their_emitter(
    ecluse: Command, shop: Callable[..., Repository], engine: str, emitted: str, said: str
) -> None:
    ended = ecluse("run", "--plain", cwd=shop(emitted).path)
    assert ended.code == 1, ended.out + ended.err
    assert "✕ split failed" in ended.out
    assert said in ended.out
    assert "report blocked" in ended.out


def test_a_file_that_was_not_written_fails_the_emitter(
    ecluse: Command, shop: Callable[..., Repository], engine: str
) -> None:
    place = shop(EMITTED)
    text = (place.path / "pipeline.yml").read_text().replace("cp emitted.yml made/stages.yml", "'true'")
    place.write({"pipeline.yml": text})
    ended = ecluse("run", "--plain", cwd=place.path)
    assert (ended.code, "emits: it has not written made/stages.yml" in ended.out) == (1, True), ended.out


def test_an_emitted_manual_stage_parks_and_is_resumed(
    ecluse: Command, shop: Callable[..., Repository], engine: str
) -> None:
    place = shop("stages: {go: {needs: [split], commands: 'cat made/word', when: {manual: true}}}\n")
    text = (place.path / "pipeline.yml").read_text().replace("cat made/word one.txt two.txt", "cat made/word")
    place.write({"pipeline.yml": text})
    first = ecluse("run", "--plain", cwd=place.path)
    assert (first.code, "○ go waits: a person has to start it" in first.out) == (0, True), first.out + first.err
    then = ecluse("resume", "1", "--start", "go", "--plain", cwd=place.path)
    assert (then.code, "[go] from-the-emitter" in then.out) == (0, True), then.out + then.err
    assert "● report succeeded" in then.out


def test_emitted_stages_survive_a_kill(ecluse: Command, shop: Callable[..., Repository], engine: str) -> None:
    place = shop(
        "stages:\n  one: {needs: [split], commands: [echo begun, sleep 3, 'echo 1 > one.txt']}\n"
        "  two: {needs: [one], commands: 'echo 2 > two.txt'}\n"
    )
    with ecluse.started("run", "--plain", cwd=place.path) as process:
        assert process.stdout is not None
        for row in process.stdout:
            if row == "[one] begun\n":
                break
        process.kill()
        process.wait()
    then = ecluse("resume", "--plain", cwd=place.path)
    assert then.code == 0, then.out + then.err
    rows = then.out.splitlines()
    assert [row for row in rows if row.startswith("[split]")] == []
    assert [row for row in rows if row.startswith("[report]")] == [
        "[report] $ cat made/word one.txt two.txt",
        "[report] from-the-emitter",
        "[report] 1",
        "[report] 2",
    ]
