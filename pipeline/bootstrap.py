"""The only file that builds adapters from settings."""
