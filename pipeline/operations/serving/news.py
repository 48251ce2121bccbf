"""What a forge is told of a run: its status, and the summary below its pull request."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.model.outgoing import COMMENT, STATUS, CommitStatus, ProposalComment, StatusState
from pipeline.model.run import Run
from pipeline.model.status import Conclusion, RunState
from pipeline.model.work import WorkItem, WorkState
from pipeline.operations.serving.proposal_comment import comment_text, mark_of

NOT_STARTED = "not started"
"""How the detail of an item begins whose event starts no run."""
_LONGEST = 250
_WENT: dict[Conclusion, StatusState] = {
    Conclusion.FAILED: StatusState.FAILED,
    Conclusion.TIMED_OUT: StatusState.FAILED,
    Conclusion.CANCELLED: StatusState.CANCELLED,
    Conclusion.ERRORED: StatusState.ERRORED,
}

News = tuple[str, str, CommitStatus | ProposalComment]
"""Kind, key and body of a message."""


def news_of(item: WorkItem, run: Run | None, *, site: str) -> Sequence[News] | None:
    """The messages for the run of an item as both stand; None where its commit is not known yet, but will be."""
    sha = run.commit if run is not None else item.request.sha
    if not _is_commit(sha):
        return () if item.state is WorkState.DONE or item.state is WorkState.QUEUED else None
    url = _page(item, run, site)
    event = item.request.event
    status = CommitStatus(
        sha=sha,
        context=f"ecluse/{event.kind}",
        state=_state(item, run),
        description=_description(item, run),
        url=url,
        ref=event.tag or event.branch,
    )
    found: list[News] = [(STATUS, f"status:{sha}:{status.context}", status)]
    if run is not None and run.state in (RunState.DONE, RunState.PARKED) and event.proposal.isdecimal():
        comment = ProposalComment(
            proposal=event.proposal,
            text=comment_text(run, url=url),
            mark=mark_of(item.request.repository, event.proposal),
        )
        found.append((COMMENT, f"comment:{event.proposal}", comment))
    return found


def _page(item: WorkItem, run: Run | None, site: str) -> str:
    place = f"{site}/r/{item.request.repository}"
    return f"{place}/runs/{run.number}" if run is not None and run.number else place


def _state(item: WorkItem, run: Run | None) -> StatusState:
    if item.state is WorkState.TAKEN:
        return StatusState.RUNNING
    if item.state is not WorkState.DONE:
        return StatusState.PENDING
    if run is not None and run.conclusion is not None:
        return _WENT.get(run.conclusion, StatusState.SUCCEEDED)
    if item.cancel:
        return StatusState.CANCELLED
    return StatusState.SUCCEEDED if item.detail.startswith(NOT_STARTED) else StatusState.ERRORED


def _description(item: WorkItem, run: Run | None) -> str:
    """One line of plain text."""
    match item.state:
        case WorkState.QUEUED:
            words = "waits for a worker"
        case WorkState.TAKEN:
            words = "runs"
        case WorkState.PARKED:
            words = item.detail or "waits for a person or a gate"
        case WorkState.DONE:
            words = _ended(run) if run is not None and run.conclusion is not None else item.detail or "ended"
    line = "".join(letter if letter.isprintable() else " " for letter in words)
    return " ".join(line.split())[:_LONGEST]


def _ended(run: Run) -> str:
    word = run.conclusion.value.replace("_", " ") if run.conclusion else ""
    wrong = [stage.name for stage in run.stages if stage.conclusion is not None and stage.conclusion.went_wrong]
    return f"{word}: {', '.join(wrong[:5])}" if wrong else word


def _is_commit(text: str) -> bool:
    return len(text) in (12, 40, 64) and not set(text) - set("0123456789abcdef")
