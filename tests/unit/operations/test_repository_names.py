"""Names of repositories: one that somebody has is nobody else's, whatever the address of another says."""

from __future__ import annotations

import pytest

from pipeline.operations.repositories import named

OURS, THEIRS = "https://git.example.org/shop/web.git", "https://elsewhere.example/shop/web.git"


@pytest.mark.parametrize(
    ("url", "known", "name"),
    [
        pytest.param(OURS, {OURS: "shop/web"}, "shop/web", id="looked after"),
        pytest.param(OURS, {OURS: "team/site"}, "team/site", id="by its own name"),
        pytest.param(THEIRS, {}, "shop/web", id="by its address"),
        pytest.param(THEIRS, {OURS: "shop/web"}, "shop/web-66b4d5fd", id="one that somebody has"),
        pytest.param("/srv/git/shop/web", {OURS: "shop/web"}, "shop/web-c3c4875b", id="of a folder"),
    ],
)
def test_a_name_is_of_one_repository(url: str, known: dict[str, str], name: str) -> None:
    found = named(url, known)
    assert found == name
    assert (found in known.values()) == (url in known)
    assert found.count("/") == 1
