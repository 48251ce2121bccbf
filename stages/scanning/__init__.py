"""What a scan is made of: the scanners' image, what they said, what they could not see, and the verdict."""
