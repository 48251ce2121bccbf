"""Telling people of a run's end: whom the pipeline names, when the run ended in a way that they want to hear of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC

from pipeline.errors import EcluseError
from pipeline.model.definition import NotifyRule
from pipeline.model.permission import check_secret, distrusted
from pipeline.model.plan import Plan
from pipeline.model.run import Run
from pipeline.model.source import Event
from pipeline.model.status import Conclusion, RunState
from pipeline.monitoring.notices import SECRET, Notice, masked, send
from pipeline.ports.application import Application
from pipeline.ports.records import RunFilter

FIXED, BROKEN = "fixed", "broken"
_LOOK_BACK = 30
"""How many earlier runs are looked at for the last one of this pipeline that ended by itself."""
_WELL = frozenset({Conclusion.SUCCEEDED, Conclusion.WARNED})
_BADLY = frozenset({Conclusion.FAILED, Conclusion.TIMED_OUT, Conclusion.ERRORED})


def notify(app: Application, plan: Plan, run: Run, *, note: Callable[[str], None]) -> None:
    """Tell each address of the plan that wants to hear of this end. Nothing that goes wrong leaves: it is noted.

    An untrusted run tells nobody: its file could name any address of this network.
    """
    conclusion = run.conclusion
    if conclusion is None or not plan.notify:
        return
    if distrusted(plan.event):
        note("nobody is notified of an untrusted run")
        return
    words = {conclusion.value}
    try:
        if any({FIXED, BROKEN} & set(rule.on) for rule in plan.notify):
            words |= change_words(conclusion, _before(app, run))
    except EcluseError as error:
        note(f"notify: the run before is not known: {error.message}")
    for rule in plan.notify:
        wanted = [word for word in rule.on if word in words]
        if wanted:
            _tell(app, plan, run, rule, word=BROKEN if BROKEN in wanted else wanted[-1], note=note)


def change_words(now: Conclusion, before: Conclusion | None) -> frozenset[str]:
    """`fixed` after a run that ended badly, `broken` after one that ended well, or as the first."""
    if now in _WELL and before in _BADLY:
        return frozenset({FIXED})
    if now in _BADLY and before not in _BADLY:
        return frozenset({BROKEN})
    return frozenset()


def _before(app: Application, run: Run) -> Conclusion | None:
    """How the last earlier run of this pipeline on this branch or tag ended that was not cancelled. A pull request's
    branch has whatever name its author gave it, so only runs of the same level and occasion count."""
    earlier = app.records.runs(
        RunFilter(repository=run.repository, branch=run.branch, state=RunState.DONE, limit=_LOOK_BACK)
    )
    for other in earlier:
        alike = (other.pipeline, other.tag, other.trust, other.proposal) == (
            run.pipeline,
            run.tag,
            run.trust,
            run.proposal,
        )
        if alike and other.id < run.id and other.conclusion in _WELL | _BADLY:
            return other.conclusion
    return None


def _tell(app: Application, plan: Plan, run: Run, rule: NotifyRule, *, word: str, note: Callable[[str], None]) -> None:
    try:
        address = SECRET.sub(lambda match: _secret(app, match["name"], plan.event), rule.to)
        send(address, _notice(plan, run, word), timeout=app.settings.notify_timeout)
    except EcluseError as error:
        note(f"notify {masked(rule.to)}: {error.message}")
    else:
        note(f"notified {masked(rule.to)}: {word}")


def _secret(app: Application, name: str, event: Event) -> str:
    from urllib.parse import quote

    from pipeline.errors import SecretError

    check_secret(name, app.settings.secrets.get(name), event, environment="")
    value = app.secrets.get(name)
    if value is None:
        raise SecretError(f"the secret '{name}' is not known", hint=f"set ECLUSE_SECRET_{name}")
    return quote(value, safe="")


def _notice(plan: Plan, run: Run, word: str) -> Notice:
    place = run.tag or run.branch
    number = f" #{run.number}" if run.number else ""
    wrong = [
        f"{stage.name} {stage.conclusion.value}: {stage.outcome.reason}"
        for stage in run.stages
        if stage.outcome and stage.conclusion and stage.conclusion in _BADLY
    ]
    ended = run.finished.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if run.finished else ""
    facts: Mapping[str, str] = {
        "commit": f"{run.commit[:12]} {run.message} ({run.author})",
        "ended": ended,
        "page": run.url,
    }
    lines = [*wrong, *(f"{key}: {value}" for key, value in facts.items() if value)]
    conclusion = run.conclusion.value if run.conclusion else ""
    said = word if word == conclusion else f"{word} ({conclusion})"
    return Notice(
        title=f"{plan.name}{number} on {place}: {said.replace('_', ' ')}", body="\n".join(lines), bad=bool(wrong)
    )
