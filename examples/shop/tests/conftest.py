import os

import pytest
from shop.web import create


@pytest.fixture
def client():
    """A shop on the database of this run: PostgreSQL where DATABASE_URL names one, else SQLite in memory."""
    app = create(os.environ.get("DATABASE_URL", "sqlite:///"))
    app.extensions["store"].clear()
    return app.test_client()
