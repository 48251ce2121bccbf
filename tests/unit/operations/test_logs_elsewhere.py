"""A copy of a log that grows elsewhere is the log, however it grows, begins anew, and is looked at."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.operations.log_carrier import ROOT, LogCarrier, clear
from pipeline.operations.log_elsewhere import bring
from pipeline.storage.objects import FolderObjects

LOG = f"{ROOT}r1/unit.1.log"
WORDS = st.lists(st.text("ab \n", max_size=30), max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), WORDS),
        st.tuples(st.sampled_from(["anew", "send", "look", "other", "killed"]), st.just([])),
    ),
    max_size=40,
)


class Elsewhere:
    """A run's folder there, the shared store between, and the copy here."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderObjects(folder / "store")
        self.log = folder / "there" / "unit.1.log"
        self.copy = folder / "here" / "r1" / "unit.1.log"
        self.log.parent.mkdir()
        self.lines = 0
        self.token = 0
        self.taken_over()

    def taken_over(self) -> None:
        """By another process, which knows nothing of what the one before had sent."""
        self.token += 1
        self.carrier = LogCarrier(self.store, self.log.parent, run="r1", token=self.token, block=100, joined=3)

    def grow(self, texts: list[str], mode: str = "ab") -> None:
        """Each line has its time, as in real logs: no two are the same."""
        with self.log.open(mode) as file:
            for text in texts:
                self.lines += 1
                file.write(f"{self.lines:024d}Z {text}".encode())

    @property
    def whole(self) -> bytes:
        content = self.log.read_bytes() if self.log.exists() else b""
        return content[: content.rfind(b"\n") + 1]


@given(steps=STEPS)
def test_the_copy_is_the_log_up_to_its_last_whole_line(steps: list[tuple[str, list[str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Elsewhere(Path(folder))
        for step, texts in steps:
            match step:
                case "grow":
                    place.grow(texts)
                case "anew":
                    place.grow([], mode="wb")
                case "send":
                    place.carrier.round()
                case "look":
                    bring(place.store, place.copy, LOG)
                case "other":
                    place.taken_over()
                case "killed" if place.copy.exists():
                    with place.copy.open("ab") as file:
                        file.write(b"half a blo")
                case _:
                    pass
        place.grow(["the end\n"])
        place.carrier.round()
        bring(place.store, place.copy, LOG)
        bring(place.store, place.copy, LOG)
        assert place.copy.read_bytes() == place.whole


def test_who_comes_late_asks_for_few_blocks(tmp_path: Path) -> None:
    place = Elsewhere(tmp_path)
    for number in range(9):
        place.grow([f"{number}\n"])
        place.carrier.round()
    sizes = [len(place.store.get(kept.name) or b"") for kept in place.store.names(f"{LOG}/1-1/")]
    assert max(sizes) == 3 * min(sizes)
    bring(place.store, place.copy, LOG)
    assert place.copy.read_bytes() == place.whole


def test_at_its_end_nothing_is_left(tmp_path: Path) -> None:
    place = Elsewhere(tmp_path)
    place.grow(["a\n"])
    with place.carrier:
        place.carrier.round()
        assert list(place.store.names(ROOT))
    assert not list(place.store.names(ROOT))
    assert bring(place.store, place.copy, LOG) == ""
    clear(place.store, ROOT)
