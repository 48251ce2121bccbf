"""Methods of dataclasses that are compiled when they are first used do what the library's do."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

PROGRAM = """
import dataclasses
{first}

@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    x: int
    y: tuple[int, ...] = ()

@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Deep(Point):
    z: str = "z"

@dataclasses.dataclass
class Loose:
    a: int
    b: list[int] = dataclasses.field(default_factory=list, compare=False)

def tried(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__, str(error)

@dataclasses.dataclass(frozen=True)
class Checked:
    low: int
    high: int = 9

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError(f"{{self.low}} > {{self.high}}")

print(Checked(1), Checked(low=1, high=2), tried(lambda: Checked(3, 2)), tried(lambda: Checked(1, 2, 3)))
print(tried(lambda: Point()), tried(lambda: Point(1)), tried(lambda: Deep(x=1, w=2)), Deep(x=1, y=(3,), z="y"))
p, q, d = Point(x=1), Point(x=1, y=(2,)), Deep(x=1)
for _ in range(2):
    print(p == Point(x=1), p == q, p != q, p == d, d == p, p == 7)
    print(hash(p) == hash(Point(x=1)), len({{p, q, Point(x=1), d}}))
    print(p, d, Loose(1), Loose(1, [2]) == Loose(1))
    print(tried(lambda: setattr(p, "x", 2)), tried(lambda: setattr(d, "nothing", 2)), tried(lambda: delattr(d, "z")))
    print(tried(lambda: hash(Loose(1))), dataclasses.replace(d, x=5), dataclasses.asdict(d), Point.__eq__(p, 7))
"""


def _said(first: str) -> str:
    ended = subprocess.run([sys.executable, "-c", PROGRAM.format(first=first)], capture_output=True, text=True)
    assert ended.stderr == ""
    return ended.stdout


@pytest.mark.skipif(not hasattr(dataclasses, "_create_fn"), reason="compiled at once by this Python")
def test_they_do_the_same() -> None:
    later = "from pipeline.cli.quick_dataclasses import compile_later; compile_later()"
    assert _said(later) == _said("pass") != ""
