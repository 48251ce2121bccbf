"""The programs that run on nodes, as texts that a node's Python is given on its command line."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

PYTHON = ("python3", "-c")
_FUTURE = "from __future__ import annotations\n"
_CARRY = "from pipeline.executors.swarm.node_carry import"


@cache
def program(name: str) -> tuple[str, ...]:
    """The first words of a command that runs `node_<name>.py`; its arguments follow."""
    lines = _text(name).splitlines(keepends=True)
    own = "".join(line for line in lines if not line.startswith((_FUTURE, _CARRY)))
    before = _text("carry") if any(line.startswith(_CARRY) for line in lines) else _FUTURE
    return (*PYTHON, f"{before}\n{own}")


def _text(name: str) -> str:
    return (files("pipeline.executors.swarm") / f"node_{name}.py").read_text()
