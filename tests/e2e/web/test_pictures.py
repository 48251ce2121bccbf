"""The pictures of the documentation, by the same pages that are tested; `--pictures` writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from page_ground import Served, Visit

PICTURES = Path(__file__).resolve().parents[3] / "docs/pictures"


@pytest.mark.parametrize(
    ("name", "path", "settled"),
    [
        pytest.param("web-board", "/board", ".flight", id="board"),
        pytest.param("web-run", "/r/tea/shop/runs/19", ".graph", id="run"),
        pytest.param("web-log", "/r/tea/shop/runs/19/stages/build", ".log.windowed", id="log"),
    ],
)
def test_pictures_of_the_documentation_can_be_taken(
    shop: Served,
    visit: Callable[..., Visit],
    pytestconfig: pytest.Config,
    tmp_path: Path,
    name: str,
    path: str,
    settled: str,
) -> None:
    seen = visit(shop, path)
    seen.page.wait_for_selector(settled)
    folder = PICTURES if pytestconfig.getoption("--pictures") else tmp_path
    seen.page.screenshot(path=folder / f"{name}.png")
    assert (folder / f"{name}.png").stat().st_size > 5_000
    assert not seen.errors
