"""What a server does by itself: deliveries and schedules become work, workers make runs of it."""
