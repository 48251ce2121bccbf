"""What people see: live view, tables, trees, diagnostics."""
