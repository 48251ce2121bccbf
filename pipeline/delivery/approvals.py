"""The gate `approvals`: so many different people of a group have said yes to exactly this plan, and none no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from pipeline.delivery.case import Case
from pipeline.delivery.saying import failed, listed, passed, spoken, waiting
from pipeline.model.decision import Answer, Approval
from pipeline.model.gate import ApprovalRule, GateAnswer, GateDefinition
from pipeline.model.gate_facts import GateFacts
from pipeline.model.policy import NO_POLICY


def approved(gate: GateDefinition, rule: ApprovalRule, case: Case) -> GateAnswer:
    """A rejection fails it; so does an author whom the policy does not know, where authors are excluded.

    Without a policy there are no groups: then anybody's word counts where the environment takes uncommitted changes,
    and nobody's elsewhere.
    """
    answers = _answers(case, rule)
    members = case.facts.policy.members(rule.group)
    if not members and not _anybody(case):
        return failed(gate, f"nobody is in the group '{rule.group}': the policy names its people")
    for answer in answers.values():
        if answer.answer is Answer.REJECT and _signed(answer, case):
            return failed(gate, f"{answer.person} rejected it: {answer.reason or 'no reason given'}")
    excluded = _excluded(gate, rule, case.facts)
    if isinstance(excluded, GateAnswer):
        return excluded
    able = [person for person in members if person not in excluded]
    if len(able) < rule.count and not _anybody(case):
        why = "; ".join(f"{name} {reason}" for name, reason in excluded.items() if name in members) or listed(able)
        return failed(gate, f"needs {rule.count} of {rule.group}, of whom only {len(able)} may approve it: {why}")
    reasons = {person: _objection(answer, rule, case, excluded) for person, answer in answers.items()}
    yes = [person for person, reason in reasons.items() if not reason]
    if len(yes) >= rule.count:
        return passed(gate, f"approved by {listed(yes)}")
    words = f"{len(yes)} of {rule.count} approvals of {rule.group}" + (f" ({listed(yes)})" if yes else "")
    left = [person for person in able if person not in yes]
    wanted = f"waits for {rule.count - len(yes)} of {listed(left)}" if left else f"waits for {rule.count - len(yes)}"
    notes = [f"{person} does not count: {reason}" for person, reason in reasons.items() if reason]
    return waiting(gate, "; ".join([words, wanted, *notes, *_lapsed(case, rule, yes)]))


def _anybody(case: Case) -> bool:
    return case.facts.policy.revision == NO_POLICY and case.environment.allow_dirty


def _belongs(person: str, rule: ApprovalRule, case: Case) -> bool:
    return _anybody(case) or person in case.facts.policy.members(rule.group)


def _answers(case: Case, rule: ApprovalRule) -> Mapping[str, Approval]:
    """The last answer of each member of the group to this plan."""
    answers: dict[str, Approval] = {}
    for approval in sorted(case.facts.approvals, key=lambda item: (item.time, item.id)):
        if approval.plan == case.facts.plan and _belongs(approval.person, rule, case):
            answers[approval.person] = approval
    return answers


def _signed(approval: Approval, case: Case) -> bool:
    """A name of this machine alone is no proof of who somebody is."""
    return bool(approval.proof) or case.environment.allow_dirty


def _objection(approval: Approval, rule: ApprovalRule, case: Case, excluded: Mapping[str, str]) -> str:
    """Why an answer is no approval that counts; "" where it is one."""
    if approval.answer is not Answer.APPROVE:
        return "the rejection is not signed"
    if approval.person in excluded:
        return excluded[approval.person]
    if not _signed(approval, case):
        return "not signed"
    if rule.expires is not None and case.now >= (ends := approval.time + timedelta(seconds=rule.expires)):
        return f"expired at {spoken(ends)}"
    return ""


def _excluded(gate: GateDefinition, rule: ApprovalRule, facts: GateFacts) -> Mapping[str, str] | GateAnswer:
    """Person → why they may not approve; an answer where that cannot be told."""
    found: dict[str, str] = {}
    if "requester" in rule.excluded and facts.requester:
        found[facts.requester] = "asked for it"
    if "authors" not in rule.excluded:
        return found
    if facts.authors is None:
        return waiting(gate, "authors may not approve, and the commits are not here to tell who they are: fetch them")
    unknown = sorted({author.address or "an empty address" for author in facts.authors if not author.person})
    if unknown:
        return failed(gate, f"authors may not approve, and the policy does not know whose address is {listed(unknown)}")
    for author in facts.authors:
        found[author.person] = f"wrote {author.commit[:12]}" if author.commit else "is an author"
    return found


def _lapsed(case: Case, rule: ApprovalRule, yes: list[str]) -> Iterator[str]:
    """Who approved a plan that has changed since."""
    others = {item.person for item in case.facts.approvals if item.answer is Answer.APPROVE} - {*yes}
    now_answered = _answers(case, rule)
    for person in sorted(others):
        if person not in now_answered and _belongs(person, rule, case):
            yield f"{person} approved another plan than this one"
