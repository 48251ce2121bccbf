"""What a container leaves to do harm: links out, devices, names, sparse files. Nothing of this machine comes along."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from environment.command import Command
from environment.repository import Repository

FILE = r"""
version: 1
name: hostile
fail_fast: false
defaults: {image: "BUSYBOX"}
stages:
  links:
    needs: []
    commands: |
      mkdir -p out/inner && cd out && echo own >own.txt
      ln -s HOST absolute
      ln -s ../../../../../../../../../..HOST above
      ln -s / root
      ln -s ../../.. up
      ln -s loop loop
      ln -s own.txt inside
      ln own.txt hard
      ln -s /proc/self/environ inner/environ
      mkfifo pipe
      mknod zero c 1 5 || true
    artifacts: [{name: made, paths: ["out/**"]}]
  names:
    needs: []
    commands: |
      mkdir -p out && cd out
      echo 1 >"$(printf 'new\nline')"
      echo 2 >"$(printf 'bad\377byte')"
      echo 3 >"$(printf '%0250d' 7)"
      echo 4 >"$(printf '<img src=x onerror=alert(1)>')"
      echo 5 >"$(printf 'a\\..\\..\\b')"
      echo 6 >-rf
      i=0; while [ $i -lt 60 ]; do mkdir "$(printf '%060d' 1)" && cd "$(printf '%060d' 1)" || break; i=$((i+1)); done
      echo 7 >deep || true
    artifacts: [{name: named, paths: ["out/**"]}]
  sparse:
    needs: []
    commands: mkdir out && dd if=/dev/zero of=out/sparse bs=1 count=0 seek=900000000000
    artifacts: [{name: huge, paths: ["out/**"]}]
  report:
    needs: []
    commands: ln -s HOST report.xml
    reports: {junit: report.xml}
  output:
    needs: []
    commands: rm -f $ECLUSE_OUTPUT && ln -s HOST $ECLUSE_OUTPUT
    outputs: [word]
  pipe:
    needs: []
    commands: rm -f $ECLUSE_OUTPUT && mkfifo $ECLUSE_OUTPUT
    outputs: [word]
"""
WORD = "tide-table-of-this-machine-7319"


def test_nothing_of_this_machine_comes_along(
    engine: str,
    ecluse: Command,
    git_repo: Callable[..., Repository],
    images: object,
    tmp_path: Path,
    tmp_home: Path,
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(WORD)
    busybox = str(images.busybox)  # type: ignore[attr-defined]
    repository = git_repo({"pipeline.yml": FILE.replace("BUSYBOX", busybox).replace("HOST", str(secret))})
    ended = ecluse("run", "--json", cwd=repository.path)
    rows = [json.loads(row) for row in ended.out.splitlines() if row.startswith("{")]
    text = json.dumps(rows)
    assert WORD not in ended.out + ended.err
    assert "Traceback" not in ended.err, ended.err

    assert '"run"' in text, ended.err
    shown = json.loads(ecluse("show", "1", "--json", cwd=repository.path).out)
    stages = {stage["name"]: stage for stage in shown["stages"]}
    assert ended.code == 3, ended.err
    ends = {name: stage["outcome"]["conclusion"] for name, stage in stages.items()}
    assert {ends["links"], ends["names"]} == {"succeeded"}, text
    said = ecluse("logs", "1", "sparse", cwd=repository.path).out
    assert "larger than 10 GiB" in stages["sparse"]["outcome"]["reason"], said
    assert ends["sparse"] != "succeeded"
    assert {ends["output"], ends["pipe"]} == {"failed"}, ends

    paths = {item["path"] for item in stages["links"]["attempts"][0]["products"]["artifacts"]}
    assert paths == {"out/own.txt", "out/inside", "out/hard"}
    names = {item["path"] for item in stages["names"]["attempts"][0]["products"]["artifacts"]}
    assert len(names) >= 6
    got = tmp_path / "got"
    fetched = ecluse("artifacts", "1", "--output", str(got), cwd=repository.path)
    assert "Traceback" not in fetched.err, fetched.err
    everything = [file for file in got.rglob("*") if not file.is_dir()]
    assert everything
    assert all(file.is_file() and not file.is_symlink() for file in everything)
    assert not (tmp_path / "b").exists()
    kept = [file for place in (tmp_home, got) for file in place.rglob("*") if file.is_file()]
    assert not [file for file in kept if WORD.encode() in file.read_bytes()]
    assert max(file.stat().st_size for file in kept) < 64 << 20
