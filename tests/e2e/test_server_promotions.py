"""Promotions that people ask a server for: a worker carries them out, and what waits goes on when its gates open."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from environment.serving import Ground, ground
from shop_ground import Shop, ok

from pipeline.errors import NotFoundError
from pipeline.model.release import PromotionKind
from pipeline.model.status import PromotionState
from pipeline.model.work import PromotionWish, WorkItem, WorkState
from pipeline.operations.serving.asking import ask_run, cancel_run
from pipeline.operations.serving.promoting import ask_promotion, promotion_outlook

NAME = "anna/shop"
PASSWORD = "seven grey herons wade\n"
APPROVAL = "{approvals: {from: managers}}"
PROD_STAGE = "prod: {kind: deploy, environment: prod, needs: dev}"


@pytest.fixture
def serving(shop: Shop, tmp_path: Path) -> Iterator[Ground]:
    with ground(shop.ecluse, tmp_path, ECLUSE_EXECUTOR="docker", ECLUSE_LEASE="10", **shop.environment()) as made:
        made.look_after(shop.repository, NAME)
        yield made


def wish(kind: PromotionKind, release: str = "", environment: str = "prod") -> PromotionWish:
    return PromotionWish(kind=kind, environment=environment, release=release, reason="for a test")


def promoted(serving: Ground, wanted: PromotionWish, by: str = "anna") -> WorkItem:
    return serving.item(ask_promotion(serving.app, NAME, wanted, by=by).id, WorkState.DONE, WorkState.PARKED)


def test_a_run_that_waits_for_a_person_goes_on_by_itself(serving: Ground, shop: Shop) -> None:
    shop.introduce("anna", group="managers")
    shop.repository.commit({"pipeline.yml": shop.text(gates=APPROVAL, more=PROD_STAGE)})
    shop.commit(number=1)
    serving.serve()

    run = ask_run(serving.app, NAME, ref="", variables={}, by="berta").id
    parked = serving.item(run, WorkState.PARKED, WorkState.DONE)
    assert (parked.state, "0 of 1 approvals of managers" in parked.detail) == (WorkState.PARKED, True), parked.detail
    ok(shop("approve", shop.waiting(), "--key", shop.key("anna")))

    assert serving.item(run).detail == "succeeded"
    assert shop.number() == 1


def test_somebody_who_is_signed_in_lets_it_in_by_the_api(serving: Ground, shop: Shop, tmp_path: Path) -> None:
    shop.introduce("anna", group="managers")
    key = str(tmp_path / "server.key")
    ok(shop.ecluse("ledger", "key", "new", key))
    public = next(word for word in shop.ecluse("ledger", "key", "show", key).out.split() if word.startswith("ed25519:"))
    shop.rule(servers=[public])
    shop.repository.commit({"pipeline.yml": shop.text(gates=APPROVAL, more=PROD_STAGE)})
    shop.commit(number=1)
    server = serving.serve(ECLUSE_LEDGER_KEY=key)
    for person, role in (("anna", "release-manager"), ("vera", "viewer")):
        ok(shop.ecluse("user", "add", person, "--name", person.title(), stdin=PASSWORD))
        ok(shop.ecluse("grant", "add", person, role))

    run = ask_run(serving.app, NAME, ref="", variables={}, by="berta").id
    serving.item(run, WorkState.PARKED, WorkState.DONE)
    place = f"{server.url}/api/v1/repositories/{NAME}/environments/prod/promotions/{shop.waiting()}/approve"
    assert said(place, token_of(shop, "vera")) == 403
    assert said(place, token_of(shop, "anna")) == 200

    assert serving.item(run).detail == "succeeded"
    assert shop.number() == 1
    assert "anna" in ok(shop("why", "prod")).out


def token_of(shop: Shop, person: str) -> str:
    """A new token of theirs."""
    made = ok(shop.ecluse("token", "create", person, "test", "--role", "admin", "--json"))
    return str(json.loads(made.out)["secret"])


def said(url: str, token: str) -> int:
    """The status with which a yes is answered."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    asked = urllib.request.Request(url, data=b'{"reason": "looks good"}', headers=headers, method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_release_is_brought_in_held_back_and_taken_back_on_a_server(serving: Ground, shop: Shop) -> None:
    shop.introduce("anna", group="managers")
    shop.rule(rights={"rollback": ["managers"], "hold": ["managers"]})
    shop.repository.commit({"pipeline.yml": shop.text(automatic="false")})
    server = serving.serve()
    releases = []
    for number in (1, 2):
        shop.commit(number=number)
        assert serving.item(ask_run(serving.app, NAME, ref="", variables={}, by="anna").id).detail == "succeeded"
        releases.append(shop.newest())
        seen = promotion_outlook(serving.app, NAME, wish(PromotionKind.PROMOTE, releases[-1]), by="anna")
        assert (seen.verdict.allowed, seen.replaced is None) == (True, number == 1)
        done = promoted(serving, wish(PromotionKind.PROMOTE, releases[-1]))
        kept = serving.app.records.find_promotion(done.id)
        assert (kept.state, kept.requested_by) == (PromotionState.DEPLOYED, "anna"), done.detail
        assert shop.number() == number

    back = promoted(serving, wish(PromotionKind.ROLLBACK))
    assert back.detail.startswith("deployed"), back.detail
    assert shop.number() == 1
    held = promoted(serving, wish(PromotionKind.PROMOTE, releases[1]))
    assert (held.state, "rolled back to" in held.detail) == (WorkState.PARKED, True), held.detail

    cancel_run(serving.app, held.id, by="berta")
    assert "cancelled by berta" in serving.item(held.id).detail
    assert serving.app.records.find_promotion(held.id).state is PromotionState.REFUSED
    with pytest.raises(NotFoundError, match="no environment 'nowhere'"):
        ask_promotion(serving.app, NAME, wish(PromotionKind.PROMOTE, releases[1], "nowhere"), by="anna")
    again = replace(wish(PromotionKind.PROMOTE, releases[1]))
    first, second = (ask_promotion(serving.app, NAME, again, by="anna", key="once") for _ in range(2))
    assert first.id == second.id
    assert serving.item(first.id, WorkState.PARKED, WorkState.DONE).state is WorkState.PARKED
    ok(shop("release-hold", "prod", person="anna"))
    assert serving.item(first.id).detail.startswith("deployed")
    assert shop.number() == 2
    assert server.stop() == 0
    ok(shop("ledger", "verify"))
