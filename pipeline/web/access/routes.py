"""All routes of sign-in and settings."""

from __future__ import annotations

from pipeline.web.access import account, admin, first, login, oidc, secrets

ACCESS = (login.router, oidc.router, first.router, account.router, admin.router, secrets.router)
"""In the order in which they are asked."""
