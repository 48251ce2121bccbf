"""Who asks, what they may do, and what keeps others from asking in their name."""
