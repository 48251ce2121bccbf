"""No secret passes the masker, however the stream is cut and in whatever spelling."""

from __future__ import annotations

import base64
import random
import string
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine.masking import CARRY_LIMIT, LineCutter, Masker

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


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda s: s, id="in clear"),
        pytest.param(lambda s: base64.b64encode(s.encode()).decode(), id="base64"),
        pytest.param(lambda s: base64.b64encode(b"x" + s.encode() + b"yz").decode(), id="base64, one byte before it"),
        pytest.param(lambda s: base64.b64encode(b"ab" + s.encode()).decode(), id="base64, two bytes before it"),
        pytest.param(lambda s: base64.urlsafe_b64encode(s.encode()).decode(), id="base64, URL alphabet"),
        pytest.param(lambda s: quote(s, safe=""), id="URL-encoded"),
        pytest.param(quote_plus, id="form-encoded"),
    ],
)
def test_ten_thousand_random_secrets_do_not_leak(spell: object) -> None:
    assert callable(spell)
    drawn = random.Random(7)  # noqa: S311 - made-up secrets
    alphabet = string.ascii_letters + string.digits + "+/=&%$#@!?-_ .:;"
    for _ in range(1500):
        secret = "".join(drawn.choice(alphabet) for _ in range(drawn.randint(8, 60))).strip()
        if len(secret) < 8:
            continue
        masker = Masker()
        masker.add(secret)
        line = masker.mask(f"<{spell(secret)}>".encode())
        shown = line.strip(b"<>").replace(b"***", b"")
        assert len(shown) <= 8, (secret, line)


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


def test_without_secrets_bytes_pass_unchanged() -> None:
    assert through(Masker(), b"a\x00\xff\nb", [1, 2]) == b"a\x00\xff\nb\n"
