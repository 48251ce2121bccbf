"""The real `ecluse` in processes that are forked from one that has read its modules already: quick, for long tables."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from .command import Command, Result

_READ = ("pipeline.cli.door", "pipeline.cli.commands", "pipeline.remote.there", "pipeline.remote.here", "requests")


class ForkedCommand(Command):
    """As `Command`, a new process for each call; it lacks only the time in which Python reads modules."""

    def __call__(
        self,
        *words: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = 300,
    ) -> Result:
        """Runs `ecluse WORDS…` to its end."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(_READ))
        with TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "in").write_text(stdin)
            where, variables = str(cwd or self._folder), self.environment(env)
            process = context.Process(target=_run, args=(words, place, where, variables))
            process.start()
            process.join(timeout)
            assert process.exitcode is not None, f"ecluse {' '.join(words)} did not end"
            code = process.exitcode
            return Result(code=code, out=(folder / "out").read_text(), err=(folder / "err").read_text())


def _run(words: tuple[str, ...], folder: str, where: str, variables: dict[str, str]) -> None:
    for number, (name, flags) in enumerate((("in", os.O_RDONLY), ("out", os.O_WRONLY), ("err", os.O_WRONLY))):
        os.dup2(os.open(Path(folder) / name, flags | (os.O_CREAT if flags else 0), 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = open(0, closefd=False), open(1, "w"), open(2, "w")  # noqa: SIM115
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(where)
    sys.argv = ["ecluse", *words]
    from pipeline.cli.door import main

    main()
