"""The policy file: what it becomes, its revision, and the exact words about what is wrong in it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.errors import DefinitionError, UsageError
from pipeline.language.diagnostics import render
from pipeline.language.policy import compose_policy, load_policy
from pipeline.model.gate import ApprovalRule
from pipeline.model.policy import Person, Policy, Protected, Right

FILE = "policy.yml"
KEY = "ed25519:" + "A" * 43 + "="
GOOD = f"""\
version: 1
people:
  anna: {{git: [anna@example.org, Anna@Home.example], keys: "{KEY}"}}
  bob: {{}}
groups: {{release-managers: [anna, bob], ops: bob}}
rights: {{override: ops, promote: [ops, release-managers]}}
protected: {{shop: {{branches: main, tags: ["v*"]}}}}
environments:
  dev: {{target: {{docker: {{}}}}}}
  prod:
    target: {{docker: {{}}}}
    after: dev
    gates:
      - approvals: {{from: release-managers, count: 2}}
      - check: {{image: 'a:1', command: [./gates/ticket.sh, --now]}}
"""
SCRIPTS = {"gates/ticket.sh": b"exit 0\n"}


def policy(text: str, scripts: Mapping[str, bytes] = SCRIPTS) -> Policy:
    """The policy of a text; its scripts are those given."""

    def script(path: str) -> bytes:
        if path not in scripts:
            raise UsageError(f"there is no {path}", hint="write it")
        return scripts[path]

    return load_policy(text.encode(), file=FILE, script=script)[0]


def said(text: str) -> str:
    """Everything that is said about a text."""
    with pytest.raises(DefinitionError) as caught:
        policy(text)
    return render(caught.value.diagnostics, {FILE: text.encode()})


def test_what_it_becomes() -> None:
    found = policy(GOOD)
    assert found.people["anna"] == Person(name="anna", git=("anna@example.org", "Anna@Home.example"), keys=(KEY,))
    assert found.groups == {"release-managers": ("anna", "bob"), "ops": ("bob",)}
    assert found.rights == {Right.OVERRIDE: ("ops",), Right.PROMOTE: ("ops", "release-managers")}
    assert found.protected == {"shop": Protected(branches=("main",), tags=("v*",))}
    assert found.environments is not None
    dev, prod = found.environments
    assert (dev.name, prod.after, prod.gates[0].rule) == (
        "dev", ("dev",), ApprovalRule(group="release-managers", count=2),
    )  # fmt: skip
    assert prod.gates[0].position.line == 14
    assert found.scripts == SCRIPTS
    assert [found.may("bob", right) for right in Right] == [True] * 5
    assert [found.may("anna", right) for right in Right] == [True, True, False, True, True]
    assert [found.person_of(address) for address in ("ANNA@home.example", "eve@example.org", "")] == ["anna", "", ""]


def test_without_environments_those_of_the_pipeline_file_count() -> None:
    assert policy("version: 1\n").environments is None
    assert policy("version: 1\nenvironments: {}\n").environments == ()


def test_the_revision_is_of_the_file_and_of_its_scripts() -> None:
    revisions = {
        policy(GOOD).revision,
        policy(GOOD + "# a word\n").revision,
        policy(GOOD, {"gates/ticket.sh": b"exit 1\n"}).revision,
    }
    assert len(revisions) == 3
    assert policy(GOOD, {**SCRIPTS, "gates/other.sh": b""}).revision == policy(GOOD).revision


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "policy.yml:1:1 error: the file is empty", id="empty"),
        pytest.param("- a\n", "policy.yml:1:1 error: the file must hold keys and values at its top", id="a-list"),
        pytest.param("people: {}\n", "policy.yml:1:1 error: the file has no 'version'", id="no-version"),
        pytest.param("version: 2\n", "policy.yml:1:10 error: 'version' must be 1, not 2", id="another-version"),
        pytest.param("version: 1\npeple: {}\n", "policy.yml:2:1 error: unknown key 'peple' at the top of the file",
                     id="unknown-key"),
        pytest.param("version: 1\npeople: {Anna: {}}\n", "policy.yml:2:10 error: 'Anna' is not a name", id="name"),
        pytest.param("version: 1\npeople: {a: {git: anna}}\n",
                     "policy.yml:2:19 error: 'anna' is not an address ('git[1]' of person 'a')", id="address"),
        pytest.param("version: 1\npeople: {a: {keys: rsa}}\n",
                     "policy.yml:2:20 error: 'rsa' is not a key ('keys[1]' of person 'a')", id="key"),
        pytest.param("version: 1\npeople: {a: {git: a@b}, b: {git: A@B}}\n",
                     "policy.yml:2:34 error: person 'b' has the same address as 'a'", id="one-address-of-two"),
        pytest.param("version: 1\npeople: {anna: {}}\ngroups: {ops: [ana]}\n",
                     "policy.yml:3:16 error: group 'ops' names the person 'ana', which does not exist", id="nobody"),
        pytest.param("version: 1\nrights: {override: ops}\n",
                     "policy.yml:2:20 error: the right 'override' names the group 'ops', which does not exist",
                     id="no-group"),
        pytest.param("version: 1\nrights: {fly: []}\n", "policy.yml:2:10 error: unknown key 'fly' in 'rights'",
                     id="no-right"),
        pytest.param(GOOD.replace("from: release-managers", "from: release-manager"),
                     "policy.yml:14:27 error: environment 'prod' names the group 'release-manager', "
                     "which does not exist", id="unknown-group"),
        pytest.param(GOOD.replace("count: 2", "count: 3"),
                     "policy.yml:14:20 error: environment 'prod' wants 3 approvals of 'release-managers', which has 2",
                     id="more-than-there-are"),
        pytest.param(GOOD.replace("ticket.sh", "tickets.sh"),
                     "policy.yml:15:9 error: the gate 'check' of environment 'prod' cannot be asked: "
                     "there is no gates/tickets.sh", id="no-script"),
        pytest.param(GOOD.replace("after: dev", "after: deev"),
                     "policy.yml:12:12 error: environment 'prod' names the environment 'deev', which does not exist",
                     id="unknown-environment"),
        pytest.param(GOOD.replace("dev: {target", "dev: {after: prod, target"),
                     "policy.yml:9:16 error: environments wait for each other: dev → prod → dev", id="circle"),
        pytest.param(GOOD.replace("after: dev", "url: '${{ branch }}'"),
                     "policy.yml:12:10 error: a policy holds no expressions: nothing of a run may change it",
                     id="expression"),
    ],
)  # fmt: skip
def test_words(text: str, expected: str) -> None:
    words = said(text)
    assert words.splitlines()[0] == expected
    assert "1 error" in words


def test_all_problems_at_once() -> None:
    text = (
        GOOD.replace("[anna, bob]", "[anna, eve]").replace("ticket.sh", "tickets.sh").replace("after: dev", "after: x")
    )
    assert "3 errors" in said(text)


def test_editors_are_told_the_same() -> None:
    schema = compose_policy()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(yaml.safe_load(GOOD))
    assert not validator.is_valid({"version": 1, "environments": {"prod": {}}})
    assert not validator.is_valid({"version": 1, "rights": {"fly": []}})


WORDS = st.sampled_from(
    [
        "version",
        "people",
        "groups",
        "rights",
        "environments",
        "anna",
        "git",
        "keys",
        "ops",
        "override",
        "target",
        "docker",
        "gates",
        "approvals",
        "from",
        "count",
        "check",
        "image",
        "command",
        "prod",
        "after",
        "1",
        "null",
        "${{a}}",
        "x-y",
    ]
)
VALUES = st.recursive(
    st.one_of(WORDS, st.text(max_size=6)),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(WORDS, below, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(WORDS, VALUES, max_size=6))
@settings(max_examples=150, deadline=None)
def test_whatever_stands_in_it_is_a_policy_or_a_list_of_problems(written: dict[str, object]) -> None:
    try:
        found: Policy | DefinitionError = policy(json.dumps({"version": 1, **written}))
    except DefinitionError as error:
        found = error
    places = found.diagnostics if isinstance(found, DefinitionError) else ()
    assert isinstance(found, Policy) or places
    assert all(item.position.file == FILE and item.position.line >= 1 for item in places)
