"""Programs that run inside the scanners' image; they import nothing of the rest and only report what the tools said."""
