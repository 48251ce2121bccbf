"""Repositories' registration and settings, webhooks that came in, sent pipeline files and log search by the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from served import START, Served, serve

from pipeline.model.account import Role
from pipeline.model.incoming import HookDelivery, HookState
from pipeline.model.outgoing import STATUS, OutboxItem
from pipeline.model.repository import ForgeKind, Repository

API = "/api/v1"
HERE = f"{API}/repositories/shop/web"
SHOP = Repository(name="shop/web", url="https://git.example.org/web.git", created=START)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path, public_url="https://ci.example.org") as made:
        made.person("dora", (Role.ADMIN, "*", "*"))
        made.person("rita", (Role.ADMIN, "shop/web", "*"))
        yield made


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """An admin of a server that looks after one repository and that no test changes."""
    with serve(tmp_path_factory.mktemp("home")) as made:
        made.person("dora", (Role.ADMIN, "*", "*"))
        made.app.intake.save_repository(SHOP)
        yield made.client(token=made.token("dora"))
        assert made.app.intake.repositories() == [SHOP]
        assert made.app.vault.notes() == []


@pytest.fixture
def admin(served: Served) -> TestClient:
    return served.client(token=served.token("dora"), origin="https://ci.example.org")


def test_a_repository_is_taken_in_changed_and_let_go(served: Served, admin: TestClient) -> None:
    wanted = {"name": "shop/web", "url": SHOP.url, "forge": "gitea", "token": "t" * 20}
    made = admin.post(f"{API}/repositories", json=wanted)
    assert made.status_code == 201, made.text
    assert made.json()["hook_url"] == "https://ci.example.org/hooks/shop/web"
    secret = made.json()["secret_value"]
    assert served.app.vault.get("hook:shop/web", "secret") == secret.encode()
    assert served.app.vault.get("forge:shop/web", "token") == b"t" * 20
    shown = admin.get(f"{HERE}/settings")
    assert shown.json()["repository"]["forge"] == "gitea"
    assert secret not in shown.text
    assert "t" * 20 not in shown.text
    changed = admin.patch(HERE, json={"default_branch": "trunk", "active": False})
    assert changed.json()["repository"]["default_branch"] == "trunk"
    assert served.app.intake.find_repository("shop/web").active is False
    renewed = admin.post(f"{HERE}/hook-secret", json={}).json()["secret_value"]
    assert renewed != secret
    assert admin.post(f"{API}/repositories", json=wanted).status_code == 403
    assert admin.delete(HERE).status_code == 204
    assert admin.get(f"{HERE}/settings").status_code == 404
    actions = [action for _, action, allowed in served.audit(login="dora") if allowed]
    assert actions == ["repository.add", "repository.change", "repository.secret", "repository.remove"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "/srv/git/secret.git"),
        ("url", "file:///srv/git/secret.git"),
        ("url", "../mirrors/other.git"),
        ("url", "ext::sh -c true"),
        ("url", "--upload-pack=x"),
        ("url", "https://user:pass@git.example.org/x.git"),
        ("name", "../x"),
        ("name", "shop"),
        ("file", "../../etc/passwd"),
        ("file", "/etc/passwd"),
        ("file", ".git/config"),
        ("default_branch", "--help"),
        ("default_branch", "a..b"),
        ("api", "file:///etc"),
        ("secret", "short"),
        ("token", "two words"),
    ],
)
def test_what_no_repository_can_have_is_refused_and_nothing_kept(standing: TestClient, field: str, value: str) -> None:
    wanted = {"name": "shop/more", "url": "https://git.example.org/more.git", field: value}
    answer = standing.post(f"{API}/repositories", json=wanted)
    assert answer.status_code in (403, 422), answer.text
    if field in ("url", "api", "file", "default_branch"):
        assert standing.patch(HERE, json={field: value}).status_code in (403, 422)
    assert [item["name"] for item in standing.get(f"{API}/repositories").json()] == ["shop/web"]


def test_the_admin_of_one_repository_does_not_choose_where_it_is(served: Served) -> None:
    """With the server's own keys and tokens, another address would show them what they may not see."""
    served.app.intake.save_repository(SHOP)
    rita = served.client(token=served.token("rita"))
    assert rita.patch(HERE, json={"file": "ci/pipeline.yml", "url": SHOP.url}).status_code == 200
    for change in ({"url": "https://git.example.org/secret.git"}, {"api": "https://evil.example"}, {"forge": "gitlab"}):
        assert rita.patch(HERE, json=change).status_code == 403
    assert rita.delete(HERE).status_code == 403
    assert rita.post(f"{API}/repositories", json={"name": "shop/more", "url": "https://x.org/y.git"}).status_code == 403
    assert served.app.intake.repositories() == [replace(SHOP, file="ci/pipeline.yml")]


def test_the_script_of_a_plain_repository(served: Served, admin: TestClient) -> None:
    served.app.intake.save_repository(SHOP)
    script = admin.get(f"{HERE}/hook-script")
    assert script.headers["content-type"].startswith("text/plain")
    assert "hook_url=https://ci.example.org/hooks/shop/web\n" in script.text
    assert "secret_file=hooks/ecluse.secret\n" in script.text
    served.app.intake.save_repository(replace(SHOP, forge=ForgeKind.GITEA))
    assert admin.get(f"{HERE}/hook-script").status_code == 422


def deliver(served: Served, number: int, repository: str = "shop/web") -> HookDelivery:
    made = HookDelivery(
        id=f"01jd{number:022d}",
        repository=repository,
        key=f"key-{number}",
        event="push",
        headers={"x-event": "push"},
        body=b'{"ref": "\xff"}',
        received=START,
    )
    served.app.intake.receive(made)
    return made


def test_webhooks_are_listed_shown_and_looked_at_once_more(served: Served, admin: TestClient) -> None:
    served.app.intake.save_repository(SHOP)
    made = [deliver(served, number, "shop/web" if number != 3 else "shop/other") for number in range(1, 5)]
    served.app.intake.decide(made[0].id, "run 1")
    first = admin.get(f"{HERE}/deliveries?limit=2").json()
    assert [item["id"] for item in first["items"]] == [made[3].id, made[1].id]
    rest = admin.get(f"{HERE}/deliveries?limit=2&cursor={first['next']}").json()
    assert [(item["id"], item["decision"]) for item in rest["items"]] == [(made[0].id, "run 1")]
    assert rest["next"] is None
    assert len(admin.get(f"{API}/deliveries").json()["items"]) == 4
    whole = admin.get(f"{HERE}/deliveries/{made[0].id}").json()
    assert (whole["headers"], whole["body"]) == ({"x-event": "push"}, '{"ref": "\ufffd"}')
    assert admin.get(f"{HERE}/deliveries/{made[2].id}").status_code == 404, "it is of another repository"
    again = [
        admin.post(f"{HERE}/deliveries/{made[0].id}/redeliver", headers={"Idempotency-Key": "once"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in again] == [202, 202]
    waiting = [item for item in served.app.intake.deliveries(repository="shop/web") if item.state is HookState.RECEIVED]
    assert len(waiting) == 3, "two that were new, and one that is looked at once more"
    assert admin.post(f"{HERE}/deliveries/{made[2].id}/redeliver").status_code == 404


def test_what_the_forge_was_told(served: Served, admin: TestClient) -> None:
    served.app.intake.save_repository(SHOP)
    for number in range(1, 4):
        item = OutboxItem(
            id=f"01jd{number:022d}", repository="shop/web", kind=STATUS, key=f"k{number}", body={"state": "failed"},
            created=START, due=START,
        )  # fmt: skip
        served.app.outbox.post(item)
    first = admin.get(f"{HERE}/messages?limit=2").json()
    assert [item["key"] for item in first["items"]] == ["k3", "k2"]
    assert [item["key"] for item in admin.get(f"{HERE}/messages?cursor={first['next']}").json()["items"]] == ["k1"]


class TestSentFiles:
    RIGHT = "version: 1\nname: web\nstages: {checkout: {kind: checkout}, unit: {image: busybox, commands: [true]}}\n"

    def test_every_problem_is_told_with_its_place(self, standing: TestClient) -> None:
        assert standing.post(f"{HERE}/check", json={"text": self.RIGHT}).json()["errors"] == 0
        wrong = standing.post(f"{HERE}/check", json={"text": self.RIGHT.replace("image", "imaeg"), "file": "ci/p.yml"})
        (first, *_) = wrong.json()["diagnostics"]
        assert (wrong.json()["errors"] > 0, first["position"]["file"]) == (True, "ci/p.yml")
        assert standing.get(f"{API}/audit?login=dora&action=check").json()["items"] == [], "nothing was changed"

    def test_it_is_expanded(self, standing: TestClient) -> None:
        assert "busybox" in standing.post(f"{HERE}/expand", json={"text": self.RIGHT}).json()["expanded"]
        assert standing.post(f"{HERE}/expand", json={"text": "version: 1"}).json()["expanded"] == ""

    @pytest.mark.parametrize(
        "include",
        [
            "/etc/hostname",
            "../../../../etc/hostname",
            "ci/common.yml",
            "{git: 'https://internal.example/x.git', ref: main, file: x.yml}",
            "{git: '/srv/git/x.git', ref: main, file: x.yml}",
        ],
    )
    def test_it_reads_nothing_of_the_servers_machine_and_asks_nobody(self, standing: TestClient, include: str) -> None:
        answer = standing.post(f"{HERE}/expand", json={"text": f"include: [{include}]\n{self.RIGHT}"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["errors"] > 0
        assert answer.json()["expanded"] == ""

    BOMB = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(12)
    )

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(BOMB, id="aliases of aliases"),
            pytest.param("[" * 100_000, id="deep"),
            pytest.param("\ud800\x00", id="no text"),
            pytest.param("!!python/object/apply:os.system ['true']", id="tags"),
        ],
    )
    def test_hostile_ones_are_told_to_be_wrong(self, standing: TestClient, text: str) -> None:
        body = b'{"text": ' + json.dumps(text).encode() + b"}"
        answer = standing.post(f"{HERE}/expand", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (200, 422), answer.text
        assert answer.status_code == 422 or answer.json()["errors"] > 0

    def test_one_that_is_too_long_is_refused(self, standing: TestClient) -> None:
        assert standing.post(f"{HERE}/check", json={"text": "#" * 500_001}).status_code == 422


def test_health_and_schemas(served: Served, admin: TestClient) -> None:
    deliver(served, 1)
    told = admin.get(f"{API}/health").json()
    assert (told["undecided"], told["queued"], told["draining"]) == (1, 0, False)
    assert told["space"] > told["free"] > 0
    assert admin.get(f"{API}/schemas/pipeline").json()["$schema"].startswith("https://json-schema.org/")
    assert admin.get(f"{API}/schemas/policy").json() != admin.get(f"{API}/schemas/pipeline").json()
    assert admin.get(f"{API}/schemas/passwd").status_code == 422
