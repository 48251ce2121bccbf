"""How the image gets into the scan's own layer: a tar with one file in it."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from pipeline.errors import CancelledError, DiskFullError, EcluseError
from pipeline.ports.cancellation import Cancellation

FOLDER = ".ecluse-scan"
_CHUNK = 1024 * 1024


def layer(image: Iterable[bytes] | None, *, scratch: Path, cancel: Cancellation) -> Iterator[bytes]:
    """A tar stream with the folder and, where there is an image, its archive in it.

    The archive's size has to stand before its bytes, and the engine does not tell it: so it passes through a
    temporary file in `scratch`, which is gone when the stream ends.
    """
    folder = tarfile.TarInfo(FOLDER)
    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
    yield folder.tobuf(tarfile.GNU_FORMAT)
    if image is not None:
        with _spooled(image, scratch, cancel) as content:
            entry = tarfile.TarInfo(f"{FOLDER}/image.tar")
            entry.mode, entry.size = 0o644, content.tell()
            content.seek(0)
            yield entry.tobuf(tarfile.GNU_FORMAT)
            while chunk := content.read(_CHUNK):
                cancel.check()
                yield chunk
            yield b"\0" * (-entry.size % tarfile.BLOCKSIZE)
    yield b"\0" * tarfile.RECORDSIZE


def _spooled(image: Iterable[bytes], scratch: Path, cancel: Cancellation) -> IO[bytes]:
    content = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - the caller closes it
    try:
        for chunk in image:
            cancel.check()
            content.write(chunk)
    except OSError as error:
        content.close()
        raise DiskFullError(f"the image does not fit into {scratch}: {error}", hint="make room there") from error
    except (EcluseError, CancelledError):
        content.close()
        raise
    return content
