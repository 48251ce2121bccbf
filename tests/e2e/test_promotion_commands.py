"""Two environments of a real service: approved, brought in, taken back, barred, and gone on with after kill -9."""

from __future__ import annotations

import os
import signal

from shop_ground import Shop, ok

APPROVAL = "{approvals: {from: managers, not: [requester]}}"
PROD_STAGE = "prod: {kind: deploy, environment: prod, needs: dev}"
LATE = "late: {after: prod, target: {docker: {}}}"


def test_a_stage_waits_for_approval_goes_live_and_is_taken_back(shop: Shop) -> None:
    shop.introduce("anna", "mallory", group="managers")
    shop.repository.commit({"pipeline.yml": shop.text(gates=APPROVAL, more=PROD_STAGE, late=LATE)})
    shop.commit(number=1)
    parked = ok(shop("run"))
    assert "waits for" in parked.out
    assert "0 of 1 approvals of managers" in parked.out
    waiting = shop.waiting()

    assert "has to be signed" in ok(shop("approve", waiting), 4).err
    assert "knows nobody with the key" in ok(shop("approve", waiting, "--key", shop.key("mallory")), 4).err
    approved = ok(shop("approve", waiting[:12], "--key", shop.key("anna"), "--reason", "looks good"))
    assert "approved by anna" in approved.out
    resumed = ok(shop("resume"))
    assert shop.number() == 1
    assert "goes on to 'late' by itself" in resumed.out
    assert [item["state"] for item in shop.json("history", "late")["promotions"]] == ["deployed"]

    shop.commit(number=2)
    ok(shop("run"))
    second = shop.waiting()
    ok(shop("approve", second, "--key", shop.key("anna")))
    ok(shop("resume"))
    assert shop.number() == 2
    two = shop.newest()

    back = ok(shop("rollback", "prod", "--yes", "--reason", "customers complain"))
    assert "prod is held until somebody lifts it" in back.out
    assert shop.number() == 1
    plan = shop.json("promote", two, "--to", "prod", "--plan")
    assert {item["gate"]: item["state"] for item in plan["verdict"]["answers"]}["hold"] == "waiting"
    ok(shop("release-hold", "prod"))
    assert "hold" not in {
        item["gate"] for item in shop.json("promote", two, "--to", "prod", "--plan")["verdict"]["answers"]
    }

    held = shop.json("promote", two, "--to", "prod", "--yes")
    assert held["promotion"]["state"] == "waiting"
    ok(shop("reject", held["promotion"]["id"], "--reason", "not again", "--key", shop.key("anna")))
    assert shop.json("history", "prod")["promotions"][0]["state"] == "refused"
    assert shop.number() == 1
    ok(shop("ledger", "verify"))


def test_a_bad_release_is_barred_and_a_killed_promoter_is_gone_on_with(shop: Shop) -> None:
    shop.repository.commit({"pipeline.yml": shop.text(automatic="false")})
    shop.commit(number=1)
    ok(shop("run"))
    first = shop.newest()
    ok(shop("promote", first, "--to", "prod", "--yes"))
    assert shop.number() == 1

    shop.commit(number=2, status="bad")
    ok(shop("run"))
    bad = shop.newest()
    assert 'json .status is "bad"' in ok(shop("promote", bad, "--to", "prod", "--yes"), 5).out
    assert shop.number() == 1
    assert "barred" in ok(shop("promote", bad, "--to", "prod", "--yes"), 4).err

    shop.commit(number=3, wait="sleep 5; ")
    ok(shop("run"))
    third = shop.newest()
    words = ("promote", third, "--to", "prod", "--yes")
    with shop.ecluse.started(*words, cwd=shop.repository.path, env=shop.environment()) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("starting "):
                break
        os.kill(running.pid, signal.SIGKILL)
        running.wait(30)
    assert shop.number() == 1
    left = shop.json("history", "prod")["promotions"][0]
    assert left["state"] == "rolling_out"
    ok(shop("promote", "--resume", left["id"], "--yes"))
    assert shop.number() == 3
    ended = shop.json("history", "prod")
    assert (ended["promotions"][0]["id"], ended["promotions"][0]["state"]) == (left["id"], "deployed")
    assert ended["drifted"] is False
    ok(shop("ledger", "verify"))
