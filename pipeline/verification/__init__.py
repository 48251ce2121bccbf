"""Asking a running release whether it works: how each kind of check is asked, how long and how often."""
