"""A running HAProxy that shares an environment's traffic, spoken to through its runtime API."""
