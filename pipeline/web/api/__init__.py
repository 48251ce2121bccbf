"""The JSON API: everything that the command can do, for programs."""
