"""No secret passes the masker, however the stream is cut and in whatever spelling."""

from __future__ import annotations

import base64
import json
import random
import re
import string
import tempfile
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.cli.render.clean import for_terminal
from pipeline.engine.masking import CARRY_LIMIT, LineCutter, Masker
from pipeline.engine.stage_log import AttemptLog
from pipeline.model.container import Stream

SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), min_size=6, max_size=40).filter(
    lambda text: len(text.strip()) >= 6 and text.strip() == text and "***" not in text
)


def through(masker: Masker, stream: bytes, cuts: list[int]) -> bytes:
    cutter = LineCutter(masker)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    pieces = [stream[low:high] for low, high in pairwise(edges)]
    return b"".join(cutter.feed(piece) for piece in pieces) + cutter.finish()


@given(SECRETS, st.text(max_size=20), st.text(max_size=20), st.lists(st.integers(0, 10_000), max_size=8))
@settings(max_examples=500, deadline=None)
def test_a_secret_is_masked_across_any_chunk_border(secret: str, before: str, after: str, cuts: list[int]) -> None:
    masker = Masker()
    masker.add(secret)
    output = through(masker, f"{before}{secret}{after}\n".encode(), cuts)
    assert secret.encode() not in output
    assert b"***" in output


SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "in clear": lambda secret: secret,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64, one byte before it": lambda secret: base64.b64encode(b"x" + secret.encode() + b"yz").decode(),
    "base64, two bytes before it": lambda secret: base64.b64encode(b"ab" + secret.encode()).decode(),
    "base64, URL alphabet": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "base64, URL alphabet, moved": lambda secret: base64.urlsafe_b64encode(b"~" + secret.encode()).decode(),
    "URL-encoded": lambda secret: quote(secret, safe=""),
    "URL-encoded in small letters": lambda secret: re.sub("%..", lambda code: code[0].lower(), quote(secret, safe="")),
    "as a path": quote,
    "form-encoded": quote_plus,
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "JSON, not ASCII": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "Python": lambda secret: repr(secret)[1:-1],
    "a shell's trace": lambda secret: secret.replace("'", "'\\''"),
}
COLOURED: Mapping[str, Callable[[str], str]] = {
    "with a colour around each character": lambda secret: "".join(f"\x1b[31m{letter}\x1b[0m" for letter in secret),
    "with a colour in its middle": lambda secret: f"{secret[:3]}\x1b[01;31m\x1b[K{secret[3:]}\x1b[m",
    "with control characters": "\0".join,
    "with marks of direction": lambda secret: f"{secret[:2]}\u202e\x9b1m{secret[2:]}",
    "base64 in colour": lambda secret: "\x1b[1m".join(base64.b64encode(secret.encode()).decode()),
}
"""As a terminal shows them, which is all the same."""
ALPHABET = string.ascii_letters + string.digits + "+/=&%$#@!?-_ .:;'\"\\<>|{}éß"


def random_secret(drawn: random.Random) -> str:
    while True:
        secret = "".join(drawn.choices(ALPHABET, k=drawn.randint(8, 60))).strip()
        if len(secret) >= 8:
            return secret


def test_none_of_ten_thousand_random_secrets_leaks() -> None:
    drawn = random.Random(7)  # noqa: S311 - made-up secrets
    ways = {**SPELLINGS, **COLOURED}
    names = list(ways)
    for index in range(10_000):
        secret, name = random_secret(drawn), names[index % len(names)]
        masker = Masker()
        masker.add(secret)
        stream = f"<{ways[name](secret)}>\n".encode()
        output = through(masker, stream, drawn.choices(range(len(stream)), k=4))
        shown = for_terminal(output, colour=False).strip(b"<>\n").replace(b"***", b"")
        # base64 keeps what stands before and behind the secret: at most two characters on either side, and padding
        assert len(shown) <= 8, (name, secret, output)
        assert not shown or name.startswith("base64"), (name, secret, output)


@pytest.mark.parametrize("name", SPELLINGS)
@given(secret=SECRETS)
@settings(max_examples=25, deadline=None)
def test_every_spelling_is_masked_at_every_chunk_border(name: str, secret: str) -> None:
    masker = Masker()
    masker.add(secret)
    stream = f"before\nx={SPELLINGS[name](secret)};\nafter\n".encode()
    whole = through(masker, stream, [])
    assert SPELLINGS[name](secret).encode() not in whole
    assert b"***" in whole
    for border in range(len(stream)):
        assert through(masker, stream, [border]) == whole
    assert through(masker, stream, list(range(len(stream)))) == whole


@pytest.mark.parametrize("name", COLOURED)
@given(secret=st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=6, max_size=20))
@settings(max_examples=15, deadline=None)
def test_what_a_terminal_does_not_show_hides_no_secret(name: str, secret: str) -> None:
    assume(secret not in "before after")
    masker = Masker()
    masker.add(secret)
    stream = f"\x1b[32mbefore\x1b[0m\nx={COLOURED[name](secret)};\x1b[1mafter\x1b[m\n".encode()
    whole = through(masker, stream, [])
    assert whole.startswith(b"\x1b[32mbefore\x1b[0m\n")
    assert whole.endswith(b";\x1b[1mafter\x1b[m\n")
    shown = for_terminal(whole, colour=False)
    assert secret.encode() not in shown
    assert b"***" in shown
    for border in range(len(stream)):
        assert through(masker, stream, [border]) == whole


@given(st.lists(SECRETS, min_size=2, max_size=4), st.data())
@settings(max_examples=200, deadline=None)
def test_secrets_that_overlap_are_both_masked(secrets: list[str], data: st.DataObject) -> None:
    first, second = secrets[:2]
    shared = data.draw(st.integers(1, min(len(first), len(second)) - 1))
    second = first[-shared:] + second[shared:]
    masker = Masker()
    masker.add(first)
    masker.add(second)
    assert masker.mask((first + second[shared:]).encode()) == b"***"


@given(SECRETS, SECRETS, st.lists(st.booleans(), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_two_streams_cut_into_each_other_leak_nothing(one: str, other: str, turns: list[bool]) -> None:
    masker = Masker()
    masker.add(one)
    masker.add(other)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        log = AttemptLog(path, masker=masker, follower=lambda _: None, limit=1 << 20)
        left = {Stream.OUT: f"a {one} z\n".encode(), Stream.ERR: f"b {other} y\n".encode()}
        for turn in (*turns, True, False):
            stream = Stream.OUT if turn else Stream.ERR
            size = 3 if len(left[Stream.OUT]) + len(left[Stream.ERR]) > 6 else 100
            log.write(stream, left[stream][:size])
            left[stream] = left[stream][size:]
        for stream, rest in left.items():
            log.write(stream, rest)
        log.close()
        written = path.read_bytes()
    assert one.encode() not in written
    assert other.encode() not in written
    assert written.count(b"***") >= 2


@pytest.mark.parametrize("width", [60, 64, 76])
@pytest.mark.parametrize("moved", range(0, 90, 7))
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_base64_that_is_broken_into_lines_is_masked_over_their_ends(width: int, moved: int, end: bytes) -> None:
    secret = "correct-horse battery staple, and more of it than one line of base64 can hold: " + "0123456789" * 4
    masker = Masker()
    masker.add(secret)
    coded = base64.b64encode(b"." * moved + secret.encode() + b"." * 20)
    lines = [coded[at : at + width] for at in range(0, len(coded), width)]
    cutter = LineCutter(masker)
    output = b"".join(cutter.feed(line + end) for line in (*lines, b"done")) + cutter.finish()
    assert output.count(b"\n") == len(lines) + 1
    assert output.endswith(b"done" + end)
    clear = base64.b64encode(b"." * moved + b"\0" * len(secret) + b"." * 20)
    shown = output.replace(end, b"").replace(b"***", b"")
    assert len(shown) <= len(clear) - 4 * (len(secret) - 3) // 3 + len(b"done")


def test_a_line_waits_only_where_it_may_be_the_beginning_of_a_secret() -> None:
    masker = Masker()
    masker.add("correct-horse battery staple")
    cutter = LineCutter(masker)
    for line in (b"plain text\n", b"!" * 80 + b"\n", b"$" * 40 + b"A" * 44 + b"\n"):
        assert cutter.feed(line) == line


@pytest.mark.parametrize("before", [b"", b"x", b"xy"])
@pytest.mark.parametrize("after", [b"", b"\n"])
def test_base64_leaves_none_of_the_bits_behind_that_a_secret_ends_with(before: bytes, after: bytes) -> None:
    masker = Masker()
    masker.add("correct-horse")
    shown = masker.mask(b"> " + base64.b64encode(before + b"correct-horse" + after) + b" <")
    assert len(shown.removeprefix(b"> ").removesuffix(b" <").replace(b"***", b"")) <= 3, shown


def test_every_line_of_a_multi_line_secret_is_masked() -> None:
    masker = Masker()
    masker.add("-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nqwertyuiopasdf\n-----END KEY-----\n")
    assert masker.mask(b"> qwertyuiopasdf <\n") == b"> *** <\n"


def test_an_endless_line_is_given_on_in_pieces_without_cutting_a_secret() -> None:
    masker = Masker()
    masker.add("hunter2hunter2")
    cutter = LineCutter(masker)
    stream = b"x" * (CARRY_LIMIT - 4) + b"hunter2hunter2" + b"y" * CARRY_LIMIT + b"\n"
    output = b"".join(cutter.feed(stream[at : at + 65_536]) for at in range(0, len(stream), 65_536))
    output += cutter.finish()
    assert b"hunter2" not in output
    assert output.replace(b"\n", b"").replace(b"***", b"") == b"x" * (CARRY_LIMIT - 4) + b"y" * CARRY_LIMIT


def test_an_endless_line_in_colour_is_cut_through_no_secret() -> None:
    masker = Masker()
    masker.add("hunter2hunter2")
    cutter = LineCutter(masker)
    stream = b"x" * (CARRY_LIMIT - 40) + b"\x1b[1;31m".join(b"%c" % letter for letter in b"hunter2hunter2") + b"y" * 99
    output = b"".join(cutter.feed(stream[at : at + 7]) for at in range(0, len(stream), 7)) + cutter.finish()
    assert for_terminal(output, colour=False).replace(b"\n", b"").strip(b"xy") == b"***"


def test_without_secrets_bytes_pass_unchanged() -> None:
    assert through(Masker(), b"a\x00\xff\nb", [1, 2]) == b"a\x00\xff\nb\n"
