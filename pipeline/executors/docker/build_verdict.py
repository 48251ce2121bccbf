"""Read from a builder's last words whose fault it was: the Dockerfile's (a result) or that of what it stands on."""

from __future__ import annotations

import re

from pipeline.dockerapi.faults import FULL, disk_full
from pipeline.errors import EngineBusyError, ImageNotFoundError, RegistryBusyError, RegistryError
from pipeline.ports.images import BuildFailure

_CODE = re.compile(r"exit code: (\d+)|returned a non-zero code: (\d+)")
_LINE = re.compile(r"parse error (?:on )?line (\d+)|^\S*[Dd]ockerfile\S*:(\d+)$", re.MULTILINE)
_BASE = re.compile(r"load metadata for (\S+)|^FROM (?:--\S+ )*(\S+)")
_ABSENT = re.compile(
    r"not found|manifest unknown|no such host|repository does not exist|name unknown|invalid reference", re.IGNORECASE
)
_DENIED = re.compile(r"denied|unauthorized|authorization failed", re.IGNORECASE)
_LOST = re.compile(
    r"cannot connect to the docker daemon|error during connect|code = unavailable|transport is closing|server closed"
    r"|connection reset",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(
    r"^(?:ERROR: )?(?:failed to solve(?: with frontend \S+)?: |failed to create LLB definition: "
    r"|rpc error: code = \S+ desc = )*"
)


def verdict(words: str, step: str) -> BuildFailure:
    """The failure of a build that ended with `words` while `step` was at work ("" = before any).

    `step` is an instruction as the builder shows it, or `[internal] load metadata for IMAGE`. Raises what is not the
    Dockerfile's fault: ImageNotFoundError, RegistryError and kin for a base image, EngineBusyError, DiskFullError.
    """
    said = _PREAMBLE.sub("", words.strip())
    if FULL in words.lower():
        raise disk_full("build the image", said)
    if _LOST.search(words):
        raise EngineBusyError(
            f"the engine broke off the build: {said}", hint="see the engine's own log, then run again"
        )
    base = _BASE.search(step)
    code = _CODE.search(words)
    if base and not code and not step.startswith("[internal] load build context"):
        raise _base_image((base[1] or base[2]).removeprefix("docker.io/library/").removeprefix("docker.io/"), said)
    line = _LINE.search(words)
    return BuildFailure(
        line=int(line[1] or line[2]) if line else 0,
        step="" if step.startswith("[internal]") else step,
        code=int(code[1] or code[2]) if code else None,
        message=said,
    )


def _base_image(name: str, said: str) -> ImageNotFoundError | RegistryError:
    if _DENIED.search(said):
        return ImageNotFoundError(
            f"base image {name} may not be read, or does not exist: {said}",
            hint="check the spelling in the Dockerfile, or log in to its registry with `docker login`",
        )
    if _ABSENT.search(said):
        return ImageNotFoundError(
            f"base image {name} is neither on the engine nor in its registry: {said}",
            hint="check the spelling in the Dockerfile's FROM; `docker pull` it by hand where the network allows",
        )
    return RegistryBusyError(
        f"base image {name} could not be fetched: {said}", hint="check the network, then run again"
    )
