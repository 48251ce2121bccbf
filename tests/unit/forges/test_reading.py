"""Webhooks written for one question each: forks, actions that mean nothing, bodies that are wrong or hostile."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.forges.bitbucket import Bitbucket
from pipeline.forges.gitea import Gitea
from pipeline.forges.github import GitHub
from pipeline.forges.gitlab import GitLab
from pipeline.forges.plain import Plain
from pipeline.model.incoming import ForgeEvent, ForgeEventKind, HookDelivery
from pipeline.settings import Settings

SETTINGS = Settings(home=Path("/nowhere"))
GITHUB, GITLAB, GITEA, BITBUCKET, PLAIN = (kind(SETTINGS) for kind in (GitHub, GitLab, Gitea, Bitbucket, Plain))
OLD, NEW, ZEROS = "a" * 40, "b" * 40, "0" * 40
MISSING = object()


def delivery(event: str, body: bytes) -> HookDelivery:
    return HookDelivery(
        id="0" * 26, repository="a/b", key="k", event=event, headers={}, body=body, received=datetime.now(UTC)
    )


def read(forge: Any, event: str, body: object) -> list[ForgeEvent]:
    return list(forge.read(delivery(event, json.dumps(body).encode())))


def changed(body: Any, path: str, value: object) -> Any:
    """A body with one place replaced or taken away."""
    copy = json.loads(json.dumps(body))
    *way, last = path.split(".")
    place = copy
    for name in way:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return copy


PUSH = {
    "ref": "refs/heads/main",
    "before": OLD,
    "after": NEW,
    "repository": {"clone_url": "https://forge.example/o/n.git"},
    "sender": {"login": "ada"},
    "head_commit": {"message": "Say hello\n\nAt length.", "url": "https://forge.example/o/n/commit/b"},
}
REQUEST = {
    "action": "opened",
    "pull_request": {
        "number": 7,
        "title": "More",
        "head": {"ref": "more", "sha": NEW, "repo": {"id": 1}},
        "base": {"ref": "main", "repo": {"id": 1}},
    },
    "repository": {"clone_url": "https://forge.example/o/n.git"},
    "sender": {"login": "ada"},
}
MERGE_REQUEST = {
    "object_kind": "merge_request",
    "user": {"username": "ada"},
    "project": {"git_http_url": "https://forge.example/o/n.git"},
    "object_attributes": {
        "action": "open",
        "iid": 7,
        "title": "More",
        "source_branch": "more",
        "target_branch": "main",
        "source_project_id": 1,
        "target_project_id": 1,
        "last_commit": {"id": NEW},
    },
}
GITLAB_TAG = {
    "object_kind": "tag_push",
    "ref": "refs/tags/v1",
    "before": ZEROS,
    "after": OLD,
    "checkout_sha": NEW,
    "user_username": "ada",
    "project": {"git_http_url": "https://forge.example/o/n.git"},
}
ATLAS = {
    "pullrequest": {
        "id": 7,
        "title": "More",
        "source": {"branch": {"name": "more"}, "commit": {"hash": "b" * 12}, "repository": {"uuid": "{1}"}},
        "destination": {"branch": {"name": "main"}, "commit": {"hash": "a" * 12}, "repository": {"uuid": "{1}"}},
    },
    "repository": {"links": {"html": {"href": "https://forge.example/o/n"}}},
    "actor": {"nickname": "ada"},
}
MOVES = {
    "clone_url": "/srv/git/n.git",
    "actor": "ada",
    "changes": [
        {"ref": "refs/heads/main", "before": OLD, "after": NEW},
        {"ref": "refs/tags/v1", "before": ZEROS, "after": NEW},
        {"ref": "refs/heads/gone", "before": OLD, "after": ZEROS},
        {"ref": "refs/notes/commits", "before": OLD, "after": NEW},
    ],
}


@pytest.mark.parametrize(
    ("forge", "event", "body", "foreign"),
    [
        pytest.param(GITHUB, "pull_request", REQUEST, False, id="github-own"),
        pytest.param(GITHUB, "pull_request", changed(REQUEST, "pull_request.head.repo.id", 2), True, id="github-fork"),
        pytest.param(GITHUB, "pull_request", changed(REQUEST, "pull_request.head.repo", None), True, id="github-gone"),
        pytest.param(GITEA, "pull_request", changed(REQUEST, "pull_request.head.repo.id", 2), True, id="gitea-fork"),
        pytest.param(GITLAB, "Merge Request Hook", MERGE_REQUEST, False, id="gitlab-own"),
        pytest.param(
            GITLAB,
            "Merge Request Hook",
            changed(MERGE_REQUEST, "object_attributes.source_project_id", 2),
            True,
            id="gitlab-fork",
        ),
        pytest.param(
            GITLAB,
            "Merge Request Hook",
            changed(MERGE_REQUEST, "object_attributes.source_project_id", None),
            True,
            id="gitlab-gone",
        ),
        pytest.param(BITBUCKET, "pullrequest:created", ATLAS, False, id="bitbucket-own"),
        pytest.param(
            BITBUCKET,
            "pullrequest:created",
            changed(ATLAS, "pullrequest.source.repository.uuid", "{2}"),
            True,
            id="bitbucket-fork",
        ),
        pytest.param(
            BITBUCKET,
            "pullrequest:created",
            changed(ATLAS, "pullrequest.source.repository", None),
            True,
            id="bitbucket-gone",
        ),
    ],
)
def test_a_change_of_a_fork_is_foreign(forge: Any, event: str, body: object, foreign: bool) -> None:
    (found,) = read(forge, event, body)
    assert (found.kind, found.proposal, found.target, found.foreign) == (
        ForgeEventKind.PULL_REQUEST,
        "7",
        "main",
        foreign,
    )


@pytest.mark.parametrize(
    ("forge", "event", "body", "kind"),
    [
        pytest.param(GITHUB, "ping", {"zen": "Quiet."}, "ping", id="github-ping"),
        pytest.param(GITHUB, "watch", {}, "other", id="github-unknown"),
        pytest.param(GITHUB, "push", changed(PUSH, "ref", "refs/notes/commits"), "other", id="github-notes"),
        pytest.param(GITHUB, "pull_request", changed(REQUEST, "action", "labeled"), "other", id="github-label"),
        pytest.param(GITHUB, "pull_request", changed(REQUEST, "action", "edited"), "other", id="github-title"),
        pytest.param(
            GITHUB,
            "pull_request",
            {**changed(REQUEST, "action", "edited"), "changes": {"base": {}}},
            "pull_request",
            id="github-other-target",
        ),
        pytest.param(GITEA, "issues", {}, "other", id="gitea-unknown"),
        pytest.param(GITEA, "push", PUSH, "push", id="gitea-push"),
        pytest.param(
            GITEA, "pull_request", changed(REQUEST, "action", "synchronized"), "pull_request", id="gitea-sync"
        ),
        pytest.param(GITEA, "pull_request", changed(REQUEST, "action", "assigned"), "other", id="gitea-assigned"),
        pytest.param(GITLAB, "Issue Hook", {"object_kind": "issue"}, "other", id="gitlab-unknown"),
        pytest.param(
            GITLAB,
            "Merge Request Hook",
            changed(MERGE_REQUEST, "object_attributes.action", "update"),
            "other",
            id="gitlab-label",
        ),
        pytest.param(
            GITLAB,
            "Merge Request Hook",
            changed(changed(MERGE_REQUEST, "object_attributes.action", "update"), "object_attributes.oldrev", OLD),
            "pull_request",
            id="gitlab-new-commits",
        ),
        pytest.param(
            GITLAB,
            "Merge Request Hook",
            changed(MERGE_REQUEST, "object_attributes.action", "approved"),
            "other",
            id="gitlab-approved",
        ),
        pytest.param(BITBUCKET, "repo:fork", {}, "other", id="bitbucket-unknown"),
        pytest.param(BITBUCKET, "repo:push", {"push": {"changes": []}}, "other", id="bitbucket-empty"),
        pytest.param(PLAIN, "ping", {}, "ping", id="plain-ping"),
        pytest.param(PLAIN, "push", {"changes": []}, "other", id="plain-empty"),
    ],
)
def test_what_an_event_is(forge: Any, event: str, body: object, kind: str) -> None:
    (found,) = read(forge, event, body)
    assert found.kind == kind
    assert found.why or kind not in ("other", "ping")


def test_an_annotated_tag_names_its_commit() -> None:
    (found,) = read(GITLAB, "Tag Push Hook", GITLAB_TAG)
    assert (found.kind, found.tag, found.sha) == (ForgeEventKind.TAG, "v1", NEW)


def test_a_push_of_several_refs_is_several_events() -> None:
    assert [(event.kind, event.branch, event.tag, event.sha) for event in read(PLAIN, "push", MOVES)] == [
        (ForgeEventKind.PUSH, "main", "", NEW),
        (ForgeEventKind.TAG, "", "v1", NEW),
        (ForgeEventKind.DELETED, "gone", "", ""),
        (ForgeEventKind.OTHER, "", "", ""),
    ]


def test_a_commits_first_line_is_the_title() -> None:
    assert read(GITHUB, "push", PUSH)[0].title == "Say hello"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        pytest.param("after", MISSING, "'after' is missing", id="missing"),
        pytest.param("after", 12, "'after' is 12", id="number"),
        pytest.param("after", "HEAD", "'after' is 'HEAD'", id="no-sha"),
        pytest.param("after", "b" * 65, "'after' is 'bbb", id="long-sha"),
        pytest.param("repository", [], "'repository' is []; the forge documents a mapping", id="list"),
        pytest.param("repository.clone_url", None, "'repository.clone_url' is missing", id="place"),
        pytest.param("sender", "ada", "'sender' is 'ada'", id="text"),
        *(
            pytest.param("ref", f"refs/heads/{name}", "'ref' is", id=ascii(name))
            for name in (
                "a b",
                "a..b",
                "a\x00b",
                "a\x1b[31m",
                "a\ud800",
                "a.lock",
                "a/",
                "a//b",
                ".a",
                "a~1",
                "x" * 1001,
            )
        ),
        pytest.param("ref", "--upload-pack=x", "'ref' is '--upload-pack=x'", id="option"),
        pytest.param("ref", "", "'ref' is ''", id="empty"),
        pytest.param("ref", "x" * 1001, "'ref' is 'xxx", id="long"),
    ],
)
def test_what_no_forge_writes_is_named_with_its_place(path: str, value: object, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(GITHUB, "push", changed(PUSH, path, value))
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(b"", "no JSON: line 1, column 1", id="empty"),
        pytest.param(b"payload=%7B%7D", "is a form", id="form"),
        pytest.param(b"[]", "no JSON mapping", id="list"),
        pytest.param(b"\xff{}", "no JSON", id="no-utf-8"),
        pytest.param(b"[" * 200_000, "nested too deeply", id="deep"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply", id="deep-mapping"),
        pytest.param(b'{"a": ' + b"9" * 10_000 + b"}", "no JSON", id="huge-number"),
        pytest.param(b'{"a": NaN}', "NaN is no number", id="nan"),
    ],
)
@pytest.mark.parametrize(
    ("forge", "event"),
    [
        pytest.param(GITHUB, "push", id="github"),
        pytest.param(GITLAB, "Push Hook", id="gitlab"),
        pytest.param(GITEA, "pull_request", id="gitea"),
        pytest.param(BITBUCKET, "repo:push", id="bitbucket"),
        pytest.param(PLAIN, "push", id="plain"),
    ],
)
def test_what_is_no_json_mapping_is_refused(forge: Any, event: str, body: bytes, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        forge.read(delivery(event, body))
    assert said in caught.value.message


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=30)
    | st.sampled_from([OLD, ZEROS, "refs/heads/x", "\ud800", "\x00", "-x", "../..", 2**80, -1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(body: Any, before: str = "") -> list[str]:
    """Every path into a body."""
    pairs = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    found = []
    for name, value in pairs:
        path = f"{before}{name}"
        found += [path, *places(value, f"{path}.")]
    return found


BODIES = [
    (GITHUB, "push", PUSH),
    (GITHUB, "pull_request", REQUEST),
    (GITEA, "pull_request", REQUEST),
    (GITEA, "delete", {"ref": "x", "ref_type": "branch", "repository": {"clone_url": "u"}, "sender": {"login": "a"}}),
    (GITLAB, "Merge Request Hook", MERGE_REQUEST),
    (GITLAB, "Tag Push Hook", GITLAB_TAG),
    (BITBUCKET, "pullrequest:created", ATLAS),
    (
        BITBUCKET,
        "repo:push",
        {
            "push": {"changes": [{"old": None, "new": {"type": "branch", "name": "x", "target": {"hash": NEW}}}]},
            "repository": ATLAS["repository"],
        },
    ),
    (PLAIN, "push", MOVES),
]


def reading(forge: Any, event: str, body: bytes) -> list[ForgeEvent] | str:
    """The events, or what was said against the body."""
    try:
        return list(forge.read(delivery(event, body)))
    except UsageError as error:
        return error.message


@given(st.data())
def test_one_wrong_place_is_an_event_or_a_clear_error(data: st.DataObject) -> None:
    forge, event, body = data.draw(st.sampled_from(BODIES))
    path = data.draw(st.sampled_from([place for place in places(body) if not place.rsplit(".", 1)[-1].isdigit()]))
    found = reading(forge, event, json.dumps(changed(body, path, data.draw(VALUES))).encode())
    if isinstance(found, str):
        assert found.isascii()
        assert found.isprintable()
        return
    assert found
    for one in found:
        assert not {one.branch[:1], one.tag[:1], one.target[:1]} & {"-", ".", "/"}
        for text in (one.sha, one.branch, one.tag, one.before, one.actor, one.title, one.clone_url, one.url, one.why):
            assert not any(character < " " for character in text.encode().decode())


@given(st.binary(max_size=200), st.sampled_from(BODIES))
def test_any_bytes_are_an_event_or_a_clear_error(body: bytes, place: tuple[Any, str, object]) -> None:
    assert reading(*place[:2], body)
