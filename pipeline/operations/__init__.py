"""One function a thing a user can do."""
