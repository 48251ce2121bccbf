"""Fixtures of the engine's tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from container_folder import container
from scripted_run import play

__all__ = ["container", "play"]
