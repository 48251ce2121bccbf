"""The pages: rendered here, live by server-sent events, and readable without a script."""
