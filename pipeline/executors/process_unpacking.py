"""Unpacking an archive that nobody vouches for: nothing of it gets outside its folder."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.executors.archive import CHUNK, inside
from pipeline.executors.layer_stream import time_of


class Unpacking:
    """Puts the entries of an archive into a folder that nobody else writes to, never through a symlink."""

    def __init__(self, root: Path, *, below: str = "", exact: bool = False) -> None:
        """`below` is a folder of the root, made when missing; links on the way to it are not followed either.

        `exact`: files keep modes that their owner cannot write with.
        """
        self._root = root
        self._least = 0 if exact else stat.S_IRUSR | stat.S_IWUSR
        self._folders = {""}
        """Folders known to be ones; nothing else writes below the root, so they stay what they are."""
        if below:
            self._make_folder(below, below)
            self._root, self._folders = root / below, {""}

    def put(self, members: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        """One entry, with no more rights than its owner's. Raises StorageError for one that leaves the root."""
        path = inside(info.name)
        if path is None:
            raise StorageError(f"the archive holds '{info.name}', outside the workspace")
        if info.isdir():
            self._make_folder(path, info.name)
            if path:
                (self._root / path).chmod(info.mode & 0o777 | stat.S_IRWXU)
            return
        self._make_folder(path.rpartition("/")[0], info.name)
        target = self._root / path
        try:
            self._put(members, info, target)
        except FileExistsError:
            if path in self._folders or stat.S_ISDIR(target.lstat().st_mode):
                raise StorageError(f"the archive holds '{info.name}' where there is a folder") from None
            target.unlink()
            self._put(members, info, target)

    def _put(self, members: tarfile.TarFile, info: tarfile.TarInfo, target: Path) -> None:
        if info.issym():
            target.symlink_to(info.linkname)
        elif info.islnk():
            source = inside(info.linkname)
            if not source or source.rpartition("/")[0] not in self._folders:
                raise StorageError(f"the archive links '{info.name}' to '{info.linkname}', which it does not hold")
            os.link(self._root / source, target, follow_symlinks=False)
        elif info.isreg():
            with target.open("xb") as file:
                content = members.extractfile(info)
                if content is not None:
                    shutil.copyfileobj(content, file, CHUNK)
                    file.flush()
                os.fchmod(file.fileno(), info.mode & 0o777 | self._least)
                os.utime(file.fileno(), ns=(time_of(info), time_of(info)))

    def _make_folder(self, path: str, name: str) -> None:
        """Make a folder and those above it; what stands in the way is an attempt to get out."""
        if path in self._folders:
            return
        self._make_folder(path.rpartition("/")[0], name)
        try:
            (self._root / path).mkdir()
        except FileExistsError:
            if not stat.S_ISDIR((self._root / path).lstat().st_mode):
                raise StorageError(f"the archive holds '{name}', which goes through a link or a file") from None
        self._folders.add(path)
