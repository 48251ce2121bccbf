"""Registries, spoken to by the OCI distribution protocol without an engine between."""
