"""Whose an approval is: the envelope that somebody signed, held against the keys of the policy's people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.errors import EcluseError
from pipeline.model.decision import Approval
from pipeline.model.policy import Policy
from pipeline.model.statement import APPROVAL, VOUCHED, approval_statement, vouched_statement
from pipeline.ports.signing import Signing


def signed(approval: Approval, *, signing: Signing, key: Path) -> Approval:
    """The approval with its proof. SigningError where the key cannot be used."""
    return replace(approval, proof=signing.sign(approval_statement(approval), key=key))


def vouched(approval: Approval, *, means: str, signing: Signing, key: Path) -> Approval:
    """The approval with a server's proof that its person was signed in. SigningError where the key cannot be used."""
    return replace(approval, proof=signing.sign(vouched_statement(approval, means=means), key=key))


def doubt(approval: Approval, *, signing: Signing, policy: Policy) -> str:
    """Why an approval is not proven to be its person's, as the end of a sentence; "" where it is.

    A proof counts for exactly the approval that was signed: the same promotion, plan, answer, reason and time. It is
    the person's own, or of a server that the policy believes.
    """
    if not approval.proof:
        return "nobody signed it"
    person = policy.people.get(approval.person)
    if person is None:
        return f"the policy knows no '{approval.person}'"
    if _by_server(approval, signing=signing, policy=policy):
        return ""
    if not person.keys:
        return f"the policy knows no key of {approval.person}"
    try:
        found = signing.opened(approval.proof, kind=APPROVAL, keys=person.keys)
    except EcluseError as error:
        return f"its signature does not prove it: {error.message}"
    if dict(found.body) != dict(approval_statement(approval).body):
        return "something else was signed than what it says"
    return ""


def _by_server(approval: Approval, *, signing: Signing, policy: Policy) -> bool:
    if not policy.servers:
        return False
    try:
        found = signing.opened(approval.proof, kind=VOUCHED, keys=policy.servers)
    except EcluseError:
        return False
    return {**approval_statement(approval).body, "means": found.body.get("means")} == dict(found.body)
