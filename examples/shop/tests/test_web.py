import pytest


def test_items_are_listed_by_name(client):
    assert [item["name"] for item in client.get("/items").get_json()] == ["apple", "pear", "plum"]


def test_an_order_takes_from_the_stock(client):
    answer = client.post("/orders", json={"item": "apple", "count": 10})
    assert (answer.status_code, answer.get_json()["cents"]) == (201, 380)
    assert client.get("/items").get_json()[0]["stock"] == 90


@pytest.mark.parametrize(
    ("order", "status"),
    [
        pytest.param({"item": "plum", "count": 1}, 409, id="out of stock"),
        pytest.param({"item": "melon", "count": 1}, 404, id="unknown item"),
        pytest.param({"item": "apple", "count": 0}, 400, id="nothing ordered"),
        pytest.param({"item": "apple", "count": "1"}, 400, id="count as text"),
        pytest.param({}, 400, id="empty"),
    ],
)
def test_bad_orders_are_refused_and_sell_nothing(client, order, status):
    before = client.get("/items").get_json()
    assert client.post("/orders", json=order).status_code == status
    assert client.get("/items").get_json() == before


def test_health_says_ok_and_the_version(client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "ok")


def test_metrics_count_orders(client):
    client.post("/orders", json={"item": "pear", "count": 1})
    assert b'shop_orders_total{outcome="sold"} 1.0' in client.get("/metrics").data
