"""People, what they may do, and what proves who they are: the same rules for pages, API and command."""
