"""A small shop: items, orders, and what operations want to know of it."""
