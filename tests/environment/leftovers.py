"""What Écluse has left on an engine: everything that it makes there carries a label."""

from __future__ import annotations

import os
import subprocess

# The label that names the installation an object belongs to.
LABEL = "io.ecluse.installation"
KINDS = {
    "container": ("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Names}}"),
    "volume": ("volume", "ls", "--format", "{{.Name}}"),
    "network": ("network", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}"),
    "image": ("images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"),
}


def survey(url: str, installation: str | None = None) -> set[str]:
    """Everything labelled on the engine, one line each: of one installation, or of all of them."""
    label = LABEL if installation is None else f"{LABEL}={installation}"
    found = set()
    for kind, words in KINDS.items():
        reply = subprocess.run(
            ["docker", *words[:-2], "--filter", f"label={label}", *words[-2:]],
            env={**os.environ, "DOCKER_HOST": url},
            capture_output=True,
            text=True,
            check=True,
        )
        found |= {f"{kind} {line}" for line in reply.stdout.splitlines() if line.strip()}
    return found
