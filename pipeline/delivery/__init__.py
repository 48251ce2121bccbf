"""Promotion, verification and the ledger's chain."""
