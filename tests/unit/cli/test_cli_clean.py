"""Other people's bytes on a terminal and in a file: colours stay within their line, what else is obeyed goes."""

from __future__ import annotations

from pipeline.cli.render.clean import for_file, for_terminal


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
