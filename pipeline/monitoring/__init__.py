"""Results out to supervision servers."""
