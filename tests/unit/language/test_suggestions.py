"""The nearest known word, and none where looking for it would be the work."""

from __future__ import annotations

from language_file import HEAD, said

from pipeline.language.problems import suggestion


def test_the_nearest_of_a_few() -> None:
    assert suggestion("chekout", ["checkout", "run"]) == "did you mean 'checkout'?"
    assert suggestion("s1o", [f"s{number}" for number in range(300)]).startswith("did you mean 's")


def test_none_of_very_many() -> None:
    assert suggestion("s1o", [f"s{number}" for number in range(301)]) == ""
    assert suggestion("c" * 101, ["c" * 100]) == ""


def test_thousands_of_wrong_names_are_each_said_at_once() -> None:
    stages = "".join(f"  s{number}: {{image: x, needs: [zz{number}]}}\n" for number in range(3000))
    told = said(f"{HEAD}stages:\n{stages}")
    assert "'zz0'" in told
    assert "did you mean" not in told
