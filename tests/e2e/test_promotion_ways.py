"""Other ways into an environment: by force, put back, when the time has come, by itself, and through compose."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Mapping

from environment.servers import free_port
from shop_ground import Shop, ok

SHUT = "{soaked: {in: dev, for: 30d}}"
LATE = "late: {after: prod, target: {docker: {}}, gates: [{soaked: {in: prod, for: 3s}}]}"
PROD_STAGE = "prod: {kind: deploy, environment: prod, needs: dev}"
STACK = """
services:
  web:
    image: {image}
    init: true
    ports: ["127.0.0.1:{port}:8080"]
    healthcheck: {{test: "wget -q -O /dev/null localhost:8080", interval: 1s}}
"""
HEAD = re.compile(r"^.*ledger (\d+):[0-9a-f]{64}$", re.MULTILINE)


def page(port: int) -> int:
    """The number that what serves there has."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return int(json.load(answer)["number"])


def inspected(name: str, what: str) -> str:
    """Of a container or an image that is there."""
    done = subprocess.run(["docker", "inspect", "-f", what, name], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_gates_are_opened_by_force_by_who_has_the_right_and_that_stays_to_be_seen(shop: Shop) -> None:
    shop.repository.commit({"pipeline.yml": shop.text(gates=SHUT, automatic="false")})
    shop.rule(people={"anna": {}}, groups={"managers": ["anna"]}, rights={"override": ["managers"]})
    shop.commit(number=1)
    ok(shop("run"))
    first = shop.newest()
    words = ("promote", first, "--to", "prod", "--yes")
    assert "waits for soaked: " in ok(shop(*words, person="mallory")).out

    refused = ok(shop(*words, "--override", "it burns", person="mallory"), 4)
    assert "mallory may not open gates by force: that is for managers" in refused.err
    assert shop.json("history", "prod")["promotions"][0]["state"] == "waiting"

    forced = ok(shop(*words, "--override", "it burns", person="anna"))
    assert "opened by force by anna: it burns" in forced.out
    assert shop.number() == 1
    promoted = shop.json("history", "prod")["promotions"][0]
    assert (promoted["requested_by"], promoted["state"], promoted["override"]) == ("mallory", "deployed", "it burns")
    assert "its gates were opened by force by anna: it burns" in ok(shop("why", "prod")).out
    assert "it burns" in ok(shop("board")).out
    last = next(item for item in shop.json("ledger", "show", "--action", "verdict") if item["data"]["allowed"])
    assert (last["actor"], last["data"]["override"], last["data"]["overridden_by"]) == ("anna", "it burns", "anna")
    assert {item["gate"]: item["state"] for item in last["data"]["answers"]}["soaked"] == "waiting"
    ok(shop("ledger", "verify"))


def test_what_the_ledger_says_is_put_back_where_somebody_took_it_away(shop: Shop) -> None:
    shop.repository.commit({"pipeline.yml": shop.text(automatic="false")})
    shop.commit(number=1)
    ok(shop("run"))
    first = shop.newest()
    ok(shop("promote", first, "--to", "prod", "--yes"))
    running = subprocess.run(
        ["docker", "ps", "-q", "--filter", f"publish={shop.port}"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(running) == 1
    subprocess.run(["docker", "rm", "--force", *running], check=True, capture_output=True)
    assert shop.json("env", "drift", "prod") != []

    assert f"put back {first} in prod" in ok(shop("env", "restore", "prod", "--plan")).out
    ok(shop("env", "restore", "prod", "--yes", "--reason", "somebody removed it", person="anna"))
    assert shop.number() == 1
    restored = shop.json("history", "prod")["promotions"][0]
    assert (restored["kind"], restored["state"], restored["reason"], restored["requested_by"]) == (
        "restore", "deployed", "somebody removed it", "anna",
    )  # fmt: skip
    ok(shop("ledger", "verify"))


def test_gates_that_open_by_time_are_waited_for_also_by_what_goes_on_by_itself(shop: Shop) -> None:
    soak = "{soaked: {in: dev, for: 6s}}"
    shop.repository.commit({"pipeline.yml": shop.text(gates=soak, automatic="false", late=LATE)})
    shop.commit(number=1)
    ok(shop("run"))
    waited = ok(shop("promote", shop.newest(), "--to", "prod", "--yes", "--wait", "60s"))
    assert "waits for soaked: " in waited.out
    assert shop.number() == 1
    ways = {
        name: [item["state"] for item in shop.json("history", name)["promotions"]] for name in ("dev", "prod", "late")
    }
    assert ways == {"dev": ["deployed"], "prod": ["deployed"], "late": ["deployed"]}
    assert "'late': deployed" in waited.out
    heads = [int(number) for number in HEAD.findall(waited.out)]
    assert heads == sorted(heads)
    assert len(heads) == 2


def test_a_run_that_waits_goes_on_when_the_time_has_come(shop: Shop) -> None:
    soak = "{soaked: {in: dev, for: 4s}}"
    shop.repository.commit({"pipeline.yml": shop.text(gates=soak, more=PROD_STAGE, late=LATE)})
    shop.commit(number=1)
    run = ok(shop("run", "--wait", "60s"))
    assert shop.number() == 1
    assert "goes on to 'late' by itself" in run.out
    assert [item["state"] for item in shop.json("history", "late")["promotions"]] == ["deployed"]
    assert run.out.count("ledger ") >= 2
    assert HEAD.search(run.out.partition("'late': deployed")[2])


def test_a_release_goes_into_a_compose_project_that_lies_beside_the_policy(
    shop: Shop, compose_plugin: Mapping[str, str]
) -> None:
    port = free_port()
    (shop.folder / "stack").mkdir()
    file = shop.folder / "stack/compose.yml"
    file.write_text(STACK.format(image=shop.image, port=port))
    project = f"shop{port}"
    target = {"file": "stack/compose.yml", "project": project, "service": "web", "drain": "1s"}
    check = {"http": f"http://127.0.0.1:{port}/", "json": {"status": "ok"}, "within": "5s"}
    shop.rule(
        environments={
            "dev": {"target": {"docker": {}}},
            "prod": {"after": "dev", "automatic": False, "target": {"compose": target}, "verification": [check]},
        }
    )
    shop.commit(number=1)
    ok(shop("run", env=compose_plugin))
    first = shop.newest()
    try:
        brought = ok(shop("promote", first, "--to", "prod", "--yes", env=compose_plugin))
        assert "compose makes web" in brought.out
        assert page(port) == 1
        shop.commit(number=2, status="bad")
        ok(shop("run", env=compose_plugin))
        image = inspected(f"{project}-web-1", "{{.Config.Image}}")
        assert inspected(image, "{{.RepoDigests}}") != "[]"  # dev, which had it too, has another one by now
        ok(shop("promote", shop.newest(), "--to", "prod", "--yes", env=compose_plugin), 5)
        assert page(port) == 1
        subprocess.run(["docker", "rm", "--force", f"{project}-web-1"], check=True, capture_output=True)
        drift = ok(shop("env", "drift", "prod", env=compose_plugin), 1)
        assert "nothing serves" in drift.out
        ok(shop("env", "restore", "prod", "--yes", env=compose_plugin))
        assert page(port) == 1
        assert "prod runs" in ok(shop("why", "prod", env=compose_plugin)).out
    finally:
        removed = shop("env", "remove", "prod", "--yes", env=compose_plugin)
        subprocess.run(["docker", "network", "rm", f"{project}_default"], check=True, capture_output=True)
    ok(removed)
    ok(shop("ledger", "verify"))


def test_a_review_environment_is_on_the_board_and_ends_with_its_branch(shop: Shop, installation: str) -> None:
    review = "preview: {target: {docker: {}}, review: {from: branch, lasting: 1h}}"
    stage = "preview: {kind: deploy, environment: preview, needs: push}"
    shop.repository.commit({"pipeline.yml": shop.text(automatic="false", more=stage, late=review)})
    shop.repository.git("checkout", "--quiet", "-b", "login")
    shop.commit(number=1)
    ok(shop("run"))
    shop.repository.git("checkout", "--quiet", "main")
    shown = ok(shop("board")).out
    assert ("preview-login" in shown, "ends in 59m" in shown) == (True, True)
    assert {item["environment"]["name"] for item in shop.json("env", "list")} == {
        "dev", "prod", "preview", "preview-login",
    }  # fmt: skip
    brought = ok(shop("promote", shop.newest(), "--to", "dev", "--yes"))
    assert "took away" not in brought.out

    shop.repository.git("branch", "-D", "login")
    brought = ok(shop("promote", shop.newest(), "--to", "dev", "--yes"))
    assert "took away preview-login: branch login is gone\n" in brought.out
    assert "preview-login" not in ok(shop("board")).out
    last = shop.json("ledger", "show", "--action", "removed")[0]
    assert last["data"]["because"] == "branch login is gone"
    found = subprocess.run(
        ["docker", "ps", "-aq", "--filter", "label=io.ecluse.environment=preview-login",
         "--filter", f"label=io.ecluse.installation={installation}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert found == ""


def test_going_back_does_not_wait_for_what_is_under_way(shop: Shop) -> None:
    shop.repository.commit({"pipeline.yml": shop.text(automatic="false")})
    shop.commit(number=1)
    ok(shop("run"))
    ok(shop("promote", shop.newest(), "--to", "prod", "--yes"))
    shop.commit(number=2, wait="sleep 100; ")
    ok(shop("run"))
    words = ("promote", shop.newest(), "--to", "prod", "--yes")
    with shop.ecluse.started(*words, cwd=shop.repository.path, env=shop.environment("anna")) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("starting "):
                break
        back = ok(shop("rollback", "prod", "--yes", "--reason", "orders fail", person="bob"))
        said, complaints = running.communicate(timeout=60)
    assert "to stop: rolling out, begun by anna at " in back.out
    assert shop.number() == 1
    assert (running.returncode, "bob goes back in 'prod': orders fail" in said + complaints) == (130, True)
    states = [(item["kind"], item["state"]) for item in shop.json("history", "prod")["promotions"]]
    assert states == [("rollback", "deployed"), ("promote", "rolled_back"), ("promote", "deployed")]
    ok(shop("ledger", "verify"))
