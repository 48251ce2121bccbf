"""Durations, sizes and image references as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.duration import spell_duration
from pipeline.model.quantity import image_parts, seconds, size_in_bytes


@pytest.mark.parametrize(
    ("text", "value"),
    [("500ms", 0.5), ("30s", 30), ("20m", 1200), ("1h30m", 5400), ("30d", 2592000), ("1.5h", 5400), ("0s", 0)],
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "20", "20 m", "m", "1h 30m", "-1s", "1y", "1e3s", "20minutes", "１s", "1s\n"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


@given(st.integers(1, 10**7))
def test_whole_seconds_are_spelled_so_that_they_are_read_back_within_their_smallest_unit(value: int) -> None:
    again = seconds(spell_duration(value))
    assert again <= value
    assert value - again < (60 if value < 86400 else 3600)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1GiB", 2**30),
        ("512MiB", 2**29),
        ("1.5 KiB", 1536),
        ("512m", 2**29),
        ("1g", 2**30),
        ("2MB", 2_000_000),
        ("7", 7),
    ],
)
def test_sizes(text: str, value: int) -> None:
    assert size_in_bytes(text) == value


@pytest.mark.parametrize("text", ["", "GiB", "1 GiBi", "-1MiB", "1e3", "1,5GiB", "1GiB\n"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size_in_bytes(text)


DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("python", ("python", "", "")),
        ("python:3.12-slim", ("python", "3.12-slim", "")),
        ("registry.example.org/team/shop:1.0", ("registry.example.org/team/shop", "1.0", "")),
        ("localhost:5000/shop", ("localhost:5000/shop", "", "")),
        ("127.0.0.1:5555/shop:a_b", ("127.0.0.1:5555/shop", "a_b", "")),
        ("[::1]:5000/shop", ("[::1]:5000/shop", "", "")),
        (f"a/b@{DIGEST}", ("a/b", "", DIGEST)),
        (f"a:1@{DIGEST}", ("a", "1", DIGEST)),
        ("Registry.example.org/a__b-c.d", ("Registry.example.org/a__b-c.d", "", "")),
    ],
)
def test_image_references(reference: str, expected: tuple[str, str, str]) -> None:
    assert image_parts(reference) == expected


@pytest.mark.parametrize(
    "reference",
    ["", "Python", "a:", "a:-1", "a/", "/a", "a b", "a@sha256:1", "a..b", "a:" + "x" * 129, "-a", "a\n", "x" * 2000],
)
def test_no_image_references(reference: str) -> None:
    with pytest.raises(ValueError, match="is not an image reference"):
        image_parts(reference)
