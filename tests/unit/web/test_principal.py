"""Who may do what: grants, tokens, repositories, environments."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RefusedError
from pipeline.model.account import Grant, Role, Token
from pipeline.web.access.principal import Principal, allowed

NOW = datetime(2026, 11, 27, tzinfo=UTC)
WORDS = st.sampled_from(["*", "shop/web", "shop/*", "prod", "staging", "[ab]*", ""])


def grant(role: Role, repository: str = "*", environment: str = "*") -> Grant:
    return Grant(
        id="g", login="anna", role=role, repository=repository, environment=environment, created=NOW, created_by="t"
    )


def token(role: Role, repository: str = "*", environment: str = "*") -> Token:
    return Token(
        id="t",
        login="anna",
        name="ci",
        digest="",
        role=role,
        repository=repository,
        environment=environment,
        created=NOW,
    )


V, D, R, O, A = Role  # noqa: E741


@pytest.mark.parametrize(
    ("grants", "means", "asked", "answer"),
    [
        pytest.param([], None, (V, "", ""), False, id="nobody"),
        pytest.param([grant(V)], None, (V, "", ""), True, id="viewer of all"),
        pytest.param([grant(V)], None, (D, "shop/web", ""), False, id="a viewer starts nothing"),
        pytest.param([grant(A)], None, (V, "shop/web", "prod"), True, id="an admin looks"),
        pytest.param([grant(D, "shop/*")], None, (D, "shop/web", ""), True, id="a glob of repositories"),
        pytest.param([grant(D, "shop/*")], None, (D, "post/web", ""), False, id="another repository"),
        pytest.param([grant(A, "shop/*")], None, (A, "", ""), False, id="an admin of some is none of all"),
        pytest.param([grant(R, "shop/web", "staging")], None, (R, "shop/web", "staging"), True, id="an environment"),
        pytest.param([grant(R, "shop/web", "staging")], None, (R, "shop/web", "prod"), False, id="another one"),
        pytest.param([grant(R, "shop/web", "staging")], None, (V, "shop/web", "prod"), False, id="not even looking"),
        pytest.param([grant(R, "shop/web", "staging")], None, (V, "shop/web", ""), True, id="but at the repository"),
        pytest.param(
            [grant(R, "shop/web", "staging")], None, (D, "shop/web", ""), False, id="and starts no runs there"
        ),
        pytest.param([grant(R, "*", "staging")], None, (R, "", "staging"), True, id="everywhere in one environment"),
        pytest.param([grant(R, "[ab]*", "x")], None, (V, "a/web", ""), True, id="a glob of characters"),
        pytest.param([grant(R, "[ab]*", "x")], None, (V, "[ab]*", ""), False, id="a name that looks like the glob"),
        pytest.param([grant(A)], token(V), (D, "shop/web", ""), False, id="a token that only looks"),
        pytest.param([grant(V)], token(A), (D, "shop/web", ""), False, id="a token never can more than its person"),
        pytest.param([grant(A)], token(A, "shop/web"), (D, "shop/api", ""), False, id="a token of one repository"),
        pytest.param([grant(A)], token(A, "shop/web"), (A, "", ""), False, id="and of no server"),
        pytest.param([grant(A)], token(R, "*", "staging"), (R, "shop/web", "prod"), False, id="of one environment"),
        pytest.param([grant(A)], token(R, "*", "staging"), (R, "shop/web", "staging"), True, id="of this environment"),
        pytest.param(
            [grant(V), grant(O, "shop/web", "prod")], None, (O, "shop/web", "prod"), True, id="the best grant counts"
        ),
        pytest.param(
            [grant(O, "shop/web", "staging"), grant(V, "shop/web", "prod")],
            None,
            (O, "shop/web", "prod"),
            False,
            id="grants do not add up to one that nobody gave",
        ),
    ],
)
def test_who_may_what(grants: list[Grant], means: Token | None, asked: tuple[Role, str, str], answer: bool) -> None:
    assert allowed(grants, means, *asked) is answer


@given(
    st.lists(st.builds(grant, st.sampled_from(Role), WORDS, WORDS), max_size=4),
    st.builds(token, st.sampled_from(Role), WORDS, WORDS),
    st.sampled_from(Role),
    WORDS,
    WORDS,
)
def test_a_token_only_takes_away_and_a_lesser_role_is_always_there(
    grants: list[Grant], means: Token, role: Role, repository: str, environment: str
) -> None:
    whole, less = (allowed(grants, used, role, repository, environment) for used in (None, means))
    assert whole or not less
    if whole:
        assert all(allowed(grants, None, other, repository, environment) for other in Role if other.rank < role.rank)


@pytest.mark.parametrize(
    ("grants", "means", "way"),
    [
        pytest.param([grant(V)], None, "an admin of this server", id="without the role"),
        pytest.param([grant(V)], token(V), "an admin of this server", id="without the role, by a token"),
        pytest.param([grant(A)], token(V), "make one that can", id="with the role, by a token that only looks"),
    ],
)
def test_a_refusal_says_what_would_help(grants: list[Grant], means: Token | None, way: str) -> None:
    person = Principal(login="anna", grants=tuple(grants), token=means)
    with pytest.raises(RefusedError) as refused:
        person.must(D, "shop/web")
    assert way in refused.value.hint
