"""The test environment: what it consists of, and how each part is brought up and taken down (standard library only)."""
