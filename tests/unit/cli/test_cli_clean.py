"""Other people's bytes on a terminal: colours stay, everything that a terminal would obey goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.render.clean import bare, for_file, for_terminal, one_line, shown


@pytest.mark.parametrize(
    ("hostile", "safe"),
    [
        pytest.param("plain text\tand tabs", "plain text\tand tabs", id="plain"),
        pytest.param("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m", id="colours-stay"),
        pytest.param("\x1b[38;2;1;2;3ma\x1b[38:5:9mb", "\x1b[38;2;1;2;3ma\x1b[38:5:9mb", id="true-colour"),
        pytest.param("a\x1b[2J\x1b[Hb", "ab", id="clear-and-home"),
        pytest.param("a\x1b[3A\x1b[2Kforged", "aforged", id="cursor-up"),
        pytest.param("a\x1b]0;title\x07b", "ab", id="title-bell"),
        pytest.param("a\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\b", "alinkb", id="hyperlink"),
        pytest.param("a\x1b]52;c;cm0gLXJm\x07b", "ab", id="clipboard"),
        pytest.param("a\x1bP+q544e\x1b\\b", "ab", id="device-control-string"),
        pytest.param("a\x1b[6nb\x1b[cb", "abb", id="reports"),
        pytest.param("a\x1b[?1049hb", "ab", id="other-screen"),
        pytest.param("a\x1b[>4;1mb", "ab", id="private-sgr-is-no-colour"),
        pytest.param("a\x1b(0b\x1bcb", "abb", id="charset-and-reset"),
        pytest.param("a\x9b2Jb", "ab", id="c1-csi"),
        pytest.param("a\x9d0;title\x9cb", "ab", id="c1-osc"),
        pytest.param("a\x08\x08\x08forged\x00\x7f", "aforged", id="backspaces"),
        pytest.param("10%\r100%\r\n", "10%\n100%\n", id="carriage-return"),
        pytest.param("a\u202egnp.exe", "agnp.exe", id="bidi-override"),
        pytest.param("a\x1b", "a", id="lone-escape-at-the-end"),
        pytest.param("a\x1b]0;never ends", "a", id="open-string"),
    ],
)
def test_control_sequences_never_reach_a_terminal(hostile: str, safe: str) -> None:
    assert shown(hostile) == safe


@given(st.text(alphabet=st.sampled_from("ab\x1b[]0;1mJK\x07\\\x9b\x9cP?\r\n\x08 ")))
def test_nothing_but_colours_survives_any_mixture(text: str) -> None:
    safe = bare(text)
    assert not any(ord(character) < 32 and character not in "\t\n" for character in safe)
    assert "\x1b" not in safe
    assert "\x9b" not in safe


def test_a_colour_left_on_ends_with_its_line() -> None:
    block = b"\x1b[31mred\nplain\n"
    assert for_terminal(block, colour=True) == b"\x1b[31mred\x1b[0m\nplain\n"


def test_without_colours_a_terminal_gets_text_only() -> None:
    assert for_terminal(b"\x1b[31mred\x1b[0m \xff\n", colour=False) == "red \ufffd\n".encode()


def test_plain_ascii_goes_through_as_it_is() -> None:
    block = b"line 1\nline 2\t.\n"
    assert for_terminal(block, colour=True) is block
    assert for_file(block) is block


def test_a_file_gets_every_byte_but_escape_sequences() -> None:
    assert for_file(b"\x1b[1mbold\x1b[0m \xfe\x00 \x1b]0;t\x07end\n") == b"bold \xfe\x00 end\n"


def test_one_line_is_one_line() -> None:
    assert one_line("a\nb\r\n\x1b[31mc\x1b[0m\td") == "a b c d"
