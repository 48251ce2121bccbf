"""Other people's text on a terminal and on a page: colours may stay, everything that would be obeyed goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.clean import bare, first_line, one_line, shown

SEQUENCES = st.sampled_from("ab\x1b[]0;1mJK\x07\\\x9b\x9cP?\r\n\x08 \u202e\u2066")
HOSTILE = st.text(alphabet=st.one_of(SEQUENCES, st.characters()))
TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
OBEYED = ({*map(chr, range(32)), *map(chr, range(0x7F, 0xA0))} - {"\t", "\n"}) | TURNING


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
def test_control_sequences_go_and_colours_stay(hostile: str, safe: str) -> None:
    assert shown(hostile) == safe


@given(HOSTILE)
def test_nothing_that_is_obeyed_survives_any_mixture(text: str) -> None:
    safe = bare(text)
    assert not OBEYED & set(safe)
    assert bare(safe) == safe
    assert safe.encode().decode() == safe
    assert bare(shown(text)) == safe


@given(HOSTILE)
def test_one_line_has_no_line_end_and_the_first_line_is_its_beginning(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert one_line(text).startswith(first_line(text))
    assert bool(first_line(text)) == bool(one_line(text))


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"])))
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert shown(text) == bare(text) == text


def test_one_line_is_one_line() -> None:
    assert one_line("a\nb\r\n\x1b[31mc\x1b[0m\td") == "a b c d"
