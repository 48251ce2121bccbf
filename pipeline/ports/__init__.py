"""The ports: what the logic asks of the outside, a page a family."""
