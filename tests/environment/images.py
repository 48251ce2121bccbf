"""The base images of tests and example: built from Debian's packages once, kept as archives in the cache."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import packages
from .places import CHECKOUT, Places
from .progress import UnavailableError, call, step

LABEL = "io.ecluse.test-environment.recipe"
FOLDER = CHECKOUT / "tests/environment"


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """One image: its name on the engine, its recipe in `rootfs.sh`, its configuration in Dockerfile words."""

    name: str
    recipe: str
    files: tuple[str, ...]
    config: tuple[str, ...]
    seconds: int

    @property
    def key(self) -> str:
        """Changes when anything changes that the image is made from."""
        digest = hashlib.sha256(repr((self.recipe, self.config)).encode())
        for file in self.files:
            digest.update((FOLDER / file).read_bytes())
        return digest.hexdigest()[:12]


SYSTEM_PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
IMAGES = (
    Image(
        name="ecluse/busybox:1",
        recipe="busybox",
        files=("rootfs.sh",),
        config=(SYSTEM_PATH, 'CMD ["sh"]'),
        seconds=1,
    ),
    Image(
        name="ecluse/python:3.11",
        recipe="python",
        files=("rootfs.sh",),
        config=(SYSTEM_PATH, "ENV LANG=C.UTF-8", "ENV PIP_ROOT_USER_ACTION=ignore", 'CMD ["python3"]'),
        seconds=60,
    ),
    Image(
        name="ecluse/postgres:15",
        recipe="postgres",
        files=("rootfs.sh", "postgres-entrypoint.sh"),
        config=(
            SYSTEM_PATH,
            "ENV LANG=C.UTF-8",
            "ENV PGDATA=/var/lib/postgresql/data",
            "VOLUME /var/lib/postgresql/data",
            "EXPOSE 5432",
            'ENTRYPOINT ["postgres-entrypoint.sh"]',
            'CMD ["postgres"]',
        ),
        seconds=60,
    ),
)


def needs(places: Places) -> dict[str, str]:
    """What it takes to build those images that are not in the cache yet."""
    return {} if all(_archive(places, image).exists() for image in IMAGES) else packages.IMAGES


def provide(places: Places, url: str) -> list[str]:
    """Sees to it that the engine has every image, and returns the names of those that it did not have."""
    packages.install(packages.missing(packages.CLIENT), places)
    lacking = [image for image in IMAGES if _key_on(url, image.name) != image.key]
    for image in lacking:
        _import(places, url, image)
    return [image.name for image in lacking]


def _key_on(url: str, name: str) -> str | None:
    """The recipe's key of the image with that name on the engine; None if there is none, or not ours."""
    reply = subprocess.run(
        ["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', name],
        env={**os.environ, "DOCKER_HOST": url},
        capture_output=True,
        text=True,
    )
    return reply.stdout.strip() if reply.returncode == 0 else None


def _import(places: Places, url: str, image: Image) -> None:
    """Builds the archive if the cache has none, and imports it under the image's name."""
    archive = _archive(places, image)
    if not archive.exists():
        packages.install(packages.missing(packages.IMAGES), places)
        archive.parent.mkdir(exist_ok=True)
        with step(f"building the image {image.name} from Debian's packages, once (about {image.seconds} s)"):
            call(
                [
                    "bash",
                    FOLDER / "rootfs.sh",
                    image.recipe,
                    archive,
                    places.root / "debs",
                    packages.mirror(),
                ],
                log=places.log,
                hint="It needs root and a Debian archive that can be reached; see the log for its answer.",
                env={
                    "PATH": f"{os.environ.get('PATH', os.defpath)}:{packages.ADMIN_PATH}",
                    **packages.proxy(),
                },
                root=True,
            )
        for old in archive.parent.glob(f"{image.recipe}-*.tar"):
            if old != archive:
                old.unlink(missing_ok=True)
    with step(f"importing {image.name}"), archive.open("rb") as content:
        changes = [f"--change={line}" for line in (*image.config, f"LABEL {LABEL}={image.key}")]
        reply = subprocess.run(
            ["docker", "import", *changes, "-", image.name],
            env={**os.environ, "DOCKER_HOST": url},
            stdin=content,
            capture_output=True,
            text=True,
        )
    if reply.returncode:
        raise UnavailableError(f"the engine at {url} refused the image {image.name}: {reply.stderr.strip()}")


def _archive(places: Places, image: Image) -> Path:
    return places.root / "images" / f"{image.recipe}-{image.key}.tar"
