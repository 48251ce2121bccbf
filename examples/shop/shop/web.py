"""The shop over HTTP: /items, /orders, /healthz, /metrics, /version."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

from shop.price import with_discount
from shop.store import OutOfStockError, Store, UnknownItemError

VERSION = (Path(__file__).resolve().parent.parent / "VERSION").read_text().strip()


def create(database: str = "") -> Flask:
    """The application on a database; by default that of DATABASE_URL."""
    app = Flask("shop")
    store = Store(database or os.environ.get("DATABASE_URL", "sqlite:///shop.db"))
    registry = CollectorRegistry()
    orders = Counter("shop_orders", "Orders by how they ended.", ["outcome"], registry=registry)
    seconds = Histogram("shop_order_seconds", "Time an order takes.", registry=registry)
    app.extensions["store"] = store

    @app.get("/items")
    def items() -> Response:
        return jsonify(store.items())

    @app.post("/orders")
    def order() -> tuple[Response, int]:
        asked = request.get_json(silent=True) or {}
        item, count = asked.get("item"), asked.get("count")
        if not isinstance(item, str) or not isinstance(count, int) or isinstance(count, bool) or count < 1:
            orders.labels("refused").inc()
            return jsonify(error="an order needs an item and a count of at least 1"), 400
        with seconds.time():
            try:
                cents = with_discount(store.order(item, count), count)
            except UnknownItemError:
                orders.labels("unknown").inc()
                return jsonify(error=f"there is no {item}"), 404
            except OutOfStockError:
                orders.labels("out_of_stock").inc()
                return jsonify(error=f"not enough {item} left"), 409
        orders.labels("sold").inc()
        return jsonify(item=item, count=count, cents=cents), 201

    @app.get("/healthz")
    def health() -> tuple[Response, int]:
        try:
            alive = store.answers()
        except Exception as error:  # noqa: BLE001 - whatever keeps the database from answering makes us unhealthy
            return jsonify(status="database does not answer", error=type(error).__name__), 503
        return jsonify(status="ok" if alive else "database does not answer", version=VERSION), 200

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    @app.get("/version")
    def version() -> Response:
        return jsonify(version=VERSION, commit=os.environ.get("COMMIT", ""))

    return app
