"""Forges that are told of runs, over servers that play each one's API: what arrives, and what happens when not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from forges_played import ME, TOKEN, URLS, Heard, NoError, played

from pipeline.errors import ForgeError, ForgeRefusedError
from pipeline.forges import FORGES
from pipeline.forges.bitbucket import Bitbucket
from pipeline.forges.gitea import Gitea
from pipeline.forges.github import GitHub
from pipeline.forges.gitlab import GitLab
from pipeline.forges.plain import Plain
from pipeline.model.outgoing import COMMENT, STATUS, CommitStatus, OutboxItem, ProposalComment, StatusState
from pipeline.model.repository import ForgeKind, Repository
from pipeline.model.value import to_value
from pipeline.ports.forge import Forge
from pipeline.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHA = "4f1c0de4f1c0de4f1c0de4f1c0de4f1c0de4f1c0"
MARK = "<!-- ecluse team/app 7 -->"
ADAPTERS = {
    ForgeKind.GITHUB: GitHub,
    ForgeKind.GITLAB: GitLab,
    ForgeKind.GITEA: Gitea,
    ForgeKind.BITBUCKET: Bitbucket,
}
STATES = {
    ForgeKind.GITHUB: ["pending", "pending", "success", "failure", "error", "error"],
    ForgeKind.GITEA: ["pending", "pending", "success", "failure", "error", "error"],
    ForgeKind.GITLAB: ["pending", "running", "success", "failed", "canceled"],
    ForgeKind.BITBUCKET: ["INPROGRESS", "INPROGRESS", "SUCCESSFUL", "FAILED", "FAILED", "STOPPED"],
}
"""What the six states become; GitLab refuses to be told the same twice, and `errored` is `failed` there."""


@pytest.fixture(params=[pytest.param(kind, id=kind.value) for kind in ADAPTERS])
def kind(request: pytest.FixtureRequest) -> ForgeKind:
    found: ForgeKind = request.param
    return found


@pytest.fixture
def heard(kind: ForgeKind) -> Iterator[Heard]:
    with played(kind) as forge:
        yield forge


def adapter(kind: ForgeKind, *, private: bool = True) -> Forge:
    return ADAPTERS[kind](Settings(home=Path("/nowhere"), private_forges=private))


def repository(kind: ForgeKind, api: str) -> Repository:
    return Repository(name="team/app", url=URLS[kind], forge=kind, api=api, created=NOW)


def message(body: CommitStatus | ProposalComment) -> OutboxItem:
    kind = STATUS if isinstance(body, CommitStatus) else COMMENT
    value = to_value(body)
    assert isinstance(value, dict)
    return OutboxItem(id="0" * 26, repository="team/app", kind=kind, key="k", body=value, created=NOW, due=NOW)


def status(state: StatusState = StatusState.SUCCEEDED, **more: str) -> OutboxItem:
    texts = {"context": "ecluse/push", "description": "all is well", "url": "https://ci.example/r/team/app/runs/3"}
    return message(CommitStatus(sha=SHA, state=state, **{**texts, **more}))


def comment(text: str) -> OutboxItem:
    return message(ProposalComment(proposal="7", text=text, mark=MARK))


def tell(kind: ForgeKind, heard: Heard, *items: OutboxItem) -> None:
    for item in items:
        adapter(kind).tell(repository(kind, heard.address), item, token=TOKEN.encode())


def test_every_state_is_told(kind: ForgeKind, heard: Heard) -> None:
    tell(kind, heard, *(status(state) for state in StatusState))
    assert [item["state"] for item in heard.statuses] == STATES[kind]
    last = heard.statuses[-1]
    assert (last["sha"], last["name"], last["url"], last["description"]) == (
        SHA,
        "ecluse/push",
        "https://ci.example/r/team/app/runs/3",
        "all is well",
    )


def test_a_long_description_is_cut_to_what_the_forge_takes(kind: ForgeKind, heard: Heard) -> None:
    tell(kind, heard, status(description="x" * 1000, context="ecluse/" + "y" * 100))
    assert heard.statuses[0]["description"].endswith("x…")


def test_one_comment_is_posted_and_then_edited(kind: ForgeKind, heard: Heard) -> None:
    heard.comment_by("ada", "looks good")
    tell(kind, heard, comment("one"), comment("two"), comment("two"))
    assert [(item["author"], item["text"]) for item in heard.comments] == [
        ("ada", "looks good"),
        (ME, f"two\n\n{MARK}"),
    ]


def test_a_comment_of_somebody_else_with_our_mark_is_not_ours(kind: ForgeKind, heard: Heard) -> None:
    heard.comment_by("mallory", f"mine {MARK}")
    tell(kind, heard, comment("one"), comment("two"))
    assert [(item["author"], item["text"]) for item in heard.comments] == [
        ("mallory", f"mine {MARK}"),
        (ME, f"two\n\n{MARK}"),
    ]


def test_our_comment_is_found_among_many(kind: ForgeKind, heard: Heard) -> None:
    if kind is not ForgeKind.GITEA:  # whose list has no pages
        for number in range(150):
            heard.comment_by("ada", f"comment {number}")
    tell(kind, heard, comment("one"), comment("two"))
    assert [item["text"] for item in heard.comments if item["author"] == ME] == [f"two\n\n{MARK}"]


def test_a_token_that_may_not_say_whose_it_is_still_edits_its_comment(kind: ForgeKind, heard: Heard) -> None:
    heard.says_who = False
    tell(kind, heard, comment("one"), comment("two"))
    assert [item["text"] for item in heard.comments] == [f"two\n\n{MARK}"]


@pytest.mark.parametrize(
    ("answer", "error", "later"),
    [
        pytest.param(NoError(429, "slow down", {"Retry-After": "77"}), ForgeError, 77, id="too-many"),
        pytest.param(NoError(403, "rate limit", {"X-RateLimit-Remaining": "0"}), ForgeError, 0, id="rate-limit"),
        pytest.param(NoError(503, "away", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), ForgeError, 0, id="away"),
        pytest.param(NoError(500, "oh"), ForgeError, 0, id="broken"),
        pytest.param(NoError(429, "slow down", {"Retry-After": "9" * 9}), ForgeError, 3600, id="for-ever"),
        pytest.param(NoError(401, "Bad credentials"), ForgeRefusedError, 0, id="token"),
        pytest.param(NoError(404, "Not Found"), ForgeRefusedError, 0, id="unknown"),
        pytest.param(NoError(422, "No commit\r\n\x1b[31m found"), ForgeRefusedError, 0, id="wrong"),
    ],
)
def test_what_the_forge_does_not_take(
    kind: ForgeKind, heard: Heard, answer: NoError, error: type[ForgeError], later: float
) -> None:
    heard.answers.append(NoError(answer.status, answer.message, answer.headers))
    with pytest.raises(ForgeError) as caught:
        tell(kind, heard, status())
    assert type(caught.value) is error
    assert caught.value.later == later
    assert f"status {answer.status}" in caught.value.message
    assert caught.value.message.isprintable()
    assert TOKEN not in caught.value.message


def test_a_forge_that_is_away_is_tried_again(kind: ForgeKind) -> None:
    with played(kind) as gone:
        pass
    with pytest.raises(ForgeError, match="does not answer") as caught:
        tell(kind, gone, status())
    assert type(caught.value) is ForgeError


def test_the_token_goes_to_no_other_host(kind: ForgeKind, heard: Heard) -> None:
    with played(kind) as other:
        heard.answers.append(NoError(307, "there", {"Location": other.address + "/user"}))
        with pytest.raises(ForgeRefusedError, match="sends us to another place"):
            tell(kind, heard, status())
        assert other.asked == []


def test_a_repository_that_moved_on_the_same_host_is_followed(kind: ForgeKind, heard: Heard) -> None:
    tell(kind, heard, status())
    method, path = heard.asked[-1]
    heard.answers.append(NoError(307, "there", {"Location": path}))
    tell(kind, heard, status(context="ecluse/again"))
    assert [item["name"] for item in heard.statuses] == ["ecluse/push", "ecluse/again"]
    assert heard.asked[-1] == (method, path)


def test_who_sends_us_in_a_circle_is_left(kind: ForgeKind, heard: Heard) -> None:
    heard.answers += [NoError(307, "there", {"Location": "/on"}) for _ in range(20)]
    with pytest.raises(ForgeRefusedError, match="on and on"):
        tell(kind, heard, status())


def test_private_addresses_can_be_forbidden(kind: ForgeKind, heard: Heard) -> None:
    forge = adapter(kind, private=False)
    for address in (heard.address, heard.address.replace("127.0.0.1", "localhost")):
        with pytest.raises(ForgeRefusedError, match="private address"):
            forge.tell(repository(kind, address), status(), token=TOKEN.encode())
    assert heard.asked == []


@pytest.mark.parametrize(
    ("api", "url", "said"),
    [
        pytest.param("file:///etc/passwd", "", "neither https:// nor http://", id="file"),
        pytest.param("gopher://x", "", "neither https:// nor http://", id="gopher"),
        pytest.param("https://user:word@x", "", "a login", id="login"),
        pytest.param("", "/srv/git/app.git", "does not tell where it is", id="path"),
        pytest.param("http://127.0.0.1:9", "https://forge.example/app", "not owner/name", id="one-part"),
    ],
)
def test_an_address_that_cannot_be_asked_is_said(api: str, url: str, said: str) -> None:
    known = Repository(name="team/app", url=url or URLS[ForgeKind.GITHUB], forge=ForgeKind.GITHUB, api=api, created=NOW)
    with pytest.raises(ForgeRefusedError, match=said):
        adapter(ForgeKind.GITHUB).tell(known, status(), token=TOKEN.encode())


def test_a_login_of_the_machine_is_not_sent(
    kind: ForgeKind, heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    tell(kind, heard, status())
    assert len(heard.statuses) == 1


def test_plain_git_hears_nothing() -> None:
    plain = Plain(Settings(home=Path("/nowhere")))
    with pytest.raises(ForgeRefusedError, match="no forge to tell"):
        plain.tell(repository(ForgeKind.GITHUB, ""), status(), token=b"t")


def test_every_kind_has_an_adapter() -> None:
    assert set(FORGES) == {kind.value for kind in ForgeKind}
