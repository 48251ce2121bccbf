"""A stored line as a page shows it: coloured text stays text, whatever else it holds is dropped."""

from __future__ import annotations

import pytest

from pipeline.web.pages.log_lines import shown

STAMP = b"2026-11-27T12:00:01.123Z "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"plain", ["plain", ""], id="plain"),
        pytest.param(b"", ["", ""], id="empty"),
        pytest.param(b"\x1b[1;36m$ make\x1b[0m", ["$ make", "c"], id="a command"),
        pytest.param(b"\x1b[2m\xc2\xb7 pulled\x1b[0m", ["· pulled", "o"], id="a note of ours"),
        pytest.param(b"\x1b[31mred\x1b[0m rest", [[["a31", "red"], ["", " rest"]], ""], id="a colour"),
        pytest.param(
            b"\x1b[1m\x1b[32mok\x1b[39m!\x1b[m", [[["a1 a32", "ok"], ["a1", "!"]], ""], id="bold and a colour"
        ),
        pytest.param(b"\x1b[38;5;196mfar\x1b[0m", ["far", ""], id="one of 256 colours"),
        pytest.param(b"10%\r50%\r100%", ["100%", ""], id="overwrote itself"),
        pytest.param(b"\x1b]8;;javascript:x\x07link\x1b]8;;\x07", ["link", ""], id="a link"),
        pytest.param("a\u202eb".encode(), ["ab", ""], id="turned around"),
        pytest.param(b"\xff<b>&", ["\ufffd<b>&", ""], id="no UTF-8, and markup"),
    ],
)
def test_lines(text: bytes, expected: list[object]) -> None:
    assert shown(STAMP + text) == ["12:00:01.123", *expected]
