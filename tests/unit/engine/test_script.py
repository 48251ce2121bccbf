"""The script of a stage's commands, in a real shell: secrets are believed whole or not at all."""

from __future__ import annotations

import subprocess

import pytest

from pipeline.engine.script import compose, exports, shell_command
from pipeline.model.container import UNFED

SECRETS = {"TOKEN": "s3cr3t 'quoted' $HOME `x`", "KEY": "first line\nsecond line"}


def run(stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    script = compose(['printf "%s|%s|" "$TOKEN" "$KEY"', "cat"], secrets=True)
    return subprocess.run(shell_command(None, script), input=stdin, capture_output=True, check=False)


def test_whole_secrets_arrive_and_standard_input_is_empty_behind_them() -> None:
    done = run(exports(SECRETS))
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"|".join(value.encode() for value in SECRETS.values()) + b"|" in done.stdout


@pytest.mark.parametrize("cut", range(len(exports(SECRETS)) - 1))
def test_no_command_runs_where_the_secrets_were_cut_off(cut: int) -> None:
    done = run(exports(SECRETS)[:cut])
    assert (done.returncode, done.stdout) == (UNFED, b"")


def test_the_last_line_end_is_not_needed() -> None:
    assert run(exports(SECRETS)[:-1]).returncode == 0


def test_an_error_stands_below_its_command() -> None:
    script = compose(["echo one; ls /nowhere || true", "echo two >&2", "echo three"], secrets=False)
    done = subprocess.run(shell_command(None, script), capture_output=True, check=True)
    said = [line for line in done.stdout.decode().splitlines() if "\033" not in line]
    assert done.stderr == b""
    assert (said[0], "nowhere" in said[1], said[2:]) == ("one", True, ["two", "three"])
