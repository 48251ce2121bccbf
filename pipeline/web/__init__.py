"""The server's door: JSON API, webhooks, pages, live streams."""
