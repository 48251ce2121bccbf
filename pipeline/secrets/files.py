"""Secrets as files of a folder: one file a secret, readable by its owner only."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from pipeline.errors import SecretError
from pipeline.secrets.provider import Found

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class FileProvider:
    """`<folder>/<NAME>` holds the secret `<NAME>`; one line end at its end is dropped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, name: str) -> Found | None:
        """The file's text. Raises SecretError for a file that others may read, or that is no text."""
        if not _NAME.fullmatch(name):
            return None
        path = self._folder / name
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & _OTHERS:
                    raise SecretError(f"secret {name}: {path} can be read by others", hint=f"chmod 600 '{path}'")
                text = file.read().decode()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SecretError(f"secret {name}: cannot read {path}: {error.strerror}", hint="check its owner") from error
        except UnicodeDecodeError as error:
            raise SecretError(
                f"secret {name}: {path} is not UTF-8 text",
                hint="encode it, for example with base64, and decode it in use",
            ) from error
        return Found(value=text.removesuffix("\n").removesuffix("\r"), where=str(path))
