"""Text to definition: YAML with positions, schema, diagnostics."""
