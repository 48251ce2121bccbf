"""Definition and event to plan."""
