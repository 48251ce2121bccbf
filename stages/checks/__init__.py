"""Asking a running release whether it works: what is asked, how, and what follows from the answers."""
