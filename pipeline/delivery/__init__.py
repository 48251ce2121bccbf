"""Bringing releases into environments: sealing, promoting, verifying, going back."""
