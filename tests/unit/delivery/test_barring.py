"""A release that was taken back stays out where a check said no, and may come again where none could be asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from delivery_ground import REPOSITORY, Ground, release

from pipeline.model.check import Answer, HttpCheck, Verdict
from pipeline.model.decision import BlockKind
from pipeline.model.release import Measurement, Release
from pipeline.model.status import PromotionState
from pipeline.ports.verification import Verification


@dataclass
class Asked(Ground):
    """Its checks of release `b` answer this."""

    verdict: Verdict = Verdict.PASS

    def answer(self, wanted: Release) -> Verification:
        verdict = self.verdict if wanted == release("b") else Verdict.PASS
        answer = Answer(verdict=verdict, seen="something", wanted="else")
        measurement = Measurement(
            check="http /", passed=verdict is Verdict.PASS, seen="something", wanted="else", time=self.clock.now(),
            verdict=verdict.value,
        )  # fmt: skip
        return Verification(answers=((HttpCheck(name="http /", where="/"), answer),), measurements=(measurement,))


@pytest.mark.parametrize(
    ("verdict", "barred"),
    [
        pytest.param(Verdict.FAIL, True, id="it-said-no"),
        pytest.param(Verdict.ERROR, False, id="nobody-could-be-asked"),
        pytest.param(Verdict.INCONCLUSIVE, False, id="no-clear-answer"),
    ],
)
def test_only_a_no_bars_a_release(tmp_path: Path, verdict: Verdict, barred: bool) -> None:
    ground = Asked(tmp_path, verdict=verdict)
    ground.promote(release("a"))
    back = ground.promote(release("b"))
    assert (back.state, ground.live()) == (PromotionState.ROLLED_BACK, {release("a").id})
    bars = [item for item in ground.records.blocks(repository=REPOSITORY) if item.kind is BlockKind.BAR]
    assert [item.release for item in bars] == ([release("b").id] if barred else [])
