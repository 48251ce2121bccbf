"""Signatures of statements."""
