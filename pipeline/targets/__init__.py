"""Where releases live."""
