"""One service of a Docker Compose project, changed through the command of compose."""
