"""What a server keeps beside runs and releases, in the same database."""
