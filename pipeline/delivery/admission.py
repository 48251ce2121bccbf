"""Whether a promotion may enter now: the gates' verdict with what blocks it, written down with every answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from pipeline.delivery.promotion import OVERRIDDEN
from pipeline.errors import ParkedError, RefusedError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import GateAnswer, GateState, Override, Verdict
from pipeline.model.release import Promotion, PromotionPlan, Release
from pipeline.model.value import Value, canonical
from pipeline.ports.clock import Clock
from pipeline.ports.records import Records

VERDICT = "verdict"
"""What the ledger calls it when gates were judged; the subject is the promotion."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What gates are asked. `promotion` is None while one only looks at what would be."""

    release: Release
    environment: EnvironmentDefinition
    plan: PromotionPlan
    requester: str
    automatic: bool
    """Nobody asked: a run, or a verified deployment to what comes before, brings it in."""
    promotion: Promotion | None = None
    override: Override | None = None


Judge = Callable[[Question], Verdict]
"""All gates of an environment, those included that nobody writes: blocks, rights, what comes before, uncommitted
changes. It may ask servers and run commands; what goes wrong with that is an answer. RecordsError may leave."""


OVERRIDE = "override"
"""What answers call the right to open gates by force."""


class Admission:
    """Judges promotions on behalf of somebody. Errors that may leave: RecordsError, and what `require` says."""

    def __init__(self, *, actor: str, records: Callable[[], Records], judge: Judge, clock: Clock) -> None:
        self._actor = actor
        self._records = records
        self._judge = judge
        self._clock = clock

    def verdict(self, question: Question) -> Verdict:
        """Every gate's answer. Who has overridden the promotion does so for as long as it is under way."""
        promotion = question.promotion
        if promotion is not None and promotion.override and question.override is None:
            question = replace(question, override=self._override(promotion))
        return self._judge(question)

    def require_override(self, promotion: Promotion, question: Question, reason: str) -> None:
        """RefusedError where this actor may not open these gates by force; the promotion stays as it is."""
        override = Override(person=self._actor, reason=reason, time=self._clock.now())
        verdict = self._judge(replace(question, promotion=promotion, override=override))
        denied = [item for item in verdict.answers if item.gate == OVERRIDE and item.state is GateState.FAILED]
        if denied:
            raise RefusedError(
                f"'{question.environment.name}': " + _sentences(denied), hint="leave --override away to wait instead"
            )

    def _override(self, promotion: Promotion) -> Override:
        """By whoever opened it: who asked for it at first, or who has taken it up by force since."""
        told = self._records().entries(actions=(OVERRIDDEN,), subjects=(promotion.id,), newest=1)
        person = told[-1].actor if told else promotion.requested_by
        return Override(person=person, reason=promotion.override, time=self._clock.now())

    def require(self, promotion: Promotion, question: Question) -> Verdict:
        """The verdict where it lets the promotion in, written to the ledger if it is not the one that stands there.

        RefusedError where a gate has said no for good; ParkedError, with what is missing and when it may open, else.
        """
        verdict = self.verdict(replace(question, promotion=promotion))
        self._write(promotion, verdict)
        where = question.environment.name
        if verdict.refused:
            failed = [item for item in verdict.answers if item.state is GateState.FAILED]
            raise RefusedError(
                f"'{where}' does not take release {question.release.name}: " + _sentences(failed),
                hint=f"`ecluse promote {question.release.name} --to {where} --plan` shows all gates",
            )
        if not verdict.allowed:
            opens = f" (not before {verdict.opens:%Y-%m-%d %H:%M} UTC)" if verdict.opens else ""
            raise ParkedError(
                f"promotion {promotion.id} to '{where}' waits for {_sentences(verdict.missing)}{opens}",
                hint=f"`ecluse approve {promotion.id}`, then `ecluse promote --resume {promotion.id}`",
                promotion=promotion.id,
            )
        return verdict

    def _write(self, promotion: Promotion, verdict: Verdict) -> None:
        if not verdict.answers and verdict.override is None:
            return
        told = verdict_data(promotion, verdict)
        last = self._records().entries(actions=(VERDICT,), subjects=(promotion.id,), newest=1)
        if last and canonical(last[-1].data) == canonical(told):
            return
        word = "allowed" if verdict.allowed else "refused" if verdict.refused else "waiting"
        self._records().note(actor=self._actor, action=VERDICT, subject=promotion.id, reason=word, data=told)


def verdict_data(promotion: Promotion, verdict: Verdict) -> Mapping[str, Value]:
    """A verdict as the ledger keeps it: every answer, the plan and the policy's revision."""
    return {
        "environment": promotion.environment,
        "plan": promotion.plan,
        "policy": verdict.policy,
        "allowed": verdict.allowed,
        "override": verdict.override.reason if verdict.override else "",
        "overridden_by": verdict.override.person if verdict.override else "",
        "opens": verdict.opens.isoformat() if verdict.opens else None,
        "answers": [
            {
                "gate": item.gate,
                "kind": item.kind,
                "state": item.state.value,
                "reason": item.reason,
                "opens": item.opens.isoformat() if item.opens else None,
            }
            for item in verdict.answers
        ],
    }


def _sentences(answers: Iterable[GateAnswer]) -> str:
    return "; ".join(f"{item.gate}: {item.reason}" for item in answers)
