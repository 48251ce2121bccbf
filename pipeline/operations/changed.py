"""What changed, and since when: for the event, and for each stage since it last succeeded.

Every case has a stated answer, which is kept with the run: see `docs/pipeline-file.md`, What counts as changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from pipeline.model.source import Changes, Event, Source
from pipeline.operations.git_history import GitHistory
from pipeline.ports.records import StageHistory

_FETCH = "fetch the whole history: `git fetch --unshallow`, in a CI job `fetch-depth: 0` or `GIT_DEPTH: 0`"
_UNKNOWN = "so everything counts as changed"


class ChangedPaths:
    """Answers for one source and one event; neither git nor the records are asked before somebody asks.

    `histories` gives what is remembered of each stage on the event's branch, by the stage's name.
    """

    def __init__(self, source: Source, event: Event, histories: Callable[[], Mapping[str, StageHistory]]) -> None:
        self._event = event
        self._git = GitHistory(source)
        self._ask_histories = histories

    @cached_property
    def of_event(self) -> Changes:
        """For the event as a whole: triggers, and expressions that read `changed`."""
        event = self._event
        if event.kind == "pull_request":
            return self._proposed()
        if event.tag and not event.branch:
            return self._tagged()
        if self._was_here:
            return self._since(event.before, "the branch before this push")
        if event.before.strip("0") and event.before != self._git.head and self._git.shallow:
            return self._unknown(self._why_not_before())
        return self._branched(self._why_not_before())

    def of_stage(self, stage: str) -> Changes:
        """For one stage: pushes are compared with the commit at which it last succeeded on the branch."""
        if self._event.kind == "pull_request" or not self._event.branch:
            return self.of_event
        history = self._histories.get(stage)
        if history is None:
            if self._was_here:
                return self.of_event
            return self._branched(self._why_not_before() or "this stage never ran on the branch", settled=False)
        if history.commit and self._git.is_ancestor(history.commit):
            return self._since(history.commit, "last success of this stage")
        if history.commit and self._git.shallow:
            return self._unknown(f"shallow clone without the last success at {history.commit[:12]} ({_FETCH})")
        if history.commit:
            why = f"its last success at {history.commit[:12]} is no longer part of the branch"
        else:
            why = "this stage never succeeded on the branch"
        return self._branched(why, settled=False)

    @cached_property
    def _histories(self) -> Mapping[str, StageHistory]:
        return self._ask_histories()

    def _since(self, base: str, reason: str) -> Changes:
        return Changes(paths=self._git.paths_since(base), base=base, reason=reason)

    def _unknown(self, why: str) -> Changes:
        return Changes(paths=None, reason=f"{why}, {_UNKNOWN}")

    def _proposed(self) -> Changes:
        event, git = self._event, self._git
        if event.base and git.is_ancestor(event.base):
            return self._since(event.base, event.base_reason or f"merge base with {event.target}")
        target = event.target or git.default_branch[1]
        ref = git.ref_of(target) if target else ""
        if ref and (base := git.merge_base(ref)):
            return self._since(base, f"merge base with {target}")
        if git.shallow:
            return self._unknown(f"shallow clone without the merge base with {target or 'the target'} ({_FETCH})")
        if not ref:
            return self._unknown(f"the branch {target or 'of the target'} is not in this clone (fetch it)")
        return self._unknown(f"there is no common history with {target}")

    def _tagged(self) -> Changes:
        git = self._git
        if previous := git.previous_tag:
            return self._since(git.commit_of(f"refs/tags/{previous}"), f"the previous tag {previous}")
        if git.shallow:
            return self._unknown(f"shallow clone without an earlier tag ({_FETCH})")
        return self._everything("there is no earlier tag")

    @cached_property
    def _was_here(self) -> bool:
        """Whether the push went on from where the branch was."""
        before = self._event.before
        return before != self._git.head and self._git.is_ancestor(before)

    def _branched(self, why: str, *, settled: bool = True) -> Changes:
        """Since the branch left the default one. On that itself since the commit before, where what came before that
        is settled."""
        git = self._git
        ref, name = git.default_branch
        also = f"; {why}" if why else ""
        base = git.merge_base(ref) if ref else ""
        if ref and name != self._event.branch:
            if base:
                return self._since(base, f"merge base with {name}{also}")
            cut = f"shallow clone without the merge base with {name} ({_FETCH})"
            return self._unknown(cut if git.shallow else f"there is no common history with {name}")
        return self._on_the_default_branch(base, also) if settled else self._unknown(why)

    def _on_the_default_branch(self, pushed: str, also: str) -> Changes:
        """Since what the remote has, else since the commit before; or where nobody knows a default branch."""
        git, before = self._git, self._event.before
        if not git.has_parents:
            return self._everything("the first commit")
        if not git.parent:
            return self._unknown(f"shallow clone without the commit before ({_FETCH})")
        if before and before != git.head:
            parted = git.merge_base(before) if before.strip("0") else ""
            if parted:
                return self._since(parted, f"where it parted from {before[:12]}, which was here before a forced push")
            return self._unknown(also.removeprefix("; "))
        if pushed and pushed != git.head:
            return self._since(pushed, f"merge base with {self._event.branch} as the remote has it")
        return self._since(git.parent, "the commit before")

    def _everything(self, why: str) -> Changes:
        return Changes(paths=self._git.paths_since(""), reason=f"{why}, so every file counts as changed")

    def _why_not_before(self) -> str:
        before = self._event.before
        if not before.strip("0"):
            return "new branch" if before else ""
        if before == self._git.head:
            return ""
        if self._git.shallow:
            return f"shallow clone without {before[:12]}, where the branch was ({_FETCH})"
        return f"{before[:12]}, where the branch was, is no longer part of it"
