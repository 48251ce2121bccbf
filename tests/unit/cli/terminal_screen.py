"""A terminal's screen, as far as the live view uses one: text, line ends, cursor up, erase line, colours."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


class Screen:
    """Obeys what is written to it; raises ValueError for a sequence that the view must not use."""

    def __init__(self) -> None:
        self.rows: list[str] = [""]
        self.cursor_shown = True
        self._row = 0
        self._column = 0

    @property
    def text(self) -> str:
        """What a person sees, without empty rows at the end."""
        return "\n".join(row.rstrip() for row in self.rows).rstrip("\n")

    def write(self, output: str) -> None:
        """Obey."""
        position = 0
        while position < len(output):
            match = _TOKEN.match(output, position)
            if match is None:
                raise ValueError(f"the screen does not know {output[position : position + 10]!r}")
            position = match.end()
            parameters, command, carriage, newline, text = match.groups()
            if text:
                row = self.rows[self._row].ljust(self._column)
                self.rows[self._row] = row[: self._column] + text + row[self._column + len(text) :]
                self._column += len(text)
            elif carriage:
                self._column = 0
            elif newline:
                self._row += 1
                if self._row == len(self.rows):
                    self.rows.append("")
            else:
                self._obey(parameters, command)

    def _obey(self, parameters: str, command: str) -> None:
        if command == "m":
            return
        if command == "A":
            self._row = max(self._row - int(parameters or 1), 0)
        elif command == "K" and parameters == "2":
            self.rows[self._row] = ""
        elif command in "hl" and parameters == "?25":
            self.cursor_shown = command == "h"
        else:
            raise ValueError(f"the screen does not know CSI {parameters}{command}")
