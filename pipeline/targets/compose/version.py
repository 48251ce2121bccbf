"""One version of the service as its container's labels keep it, and what is laid over the compose file for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.model.identity import LABEL_PROMOTION, LABEL_RELEASE, LABEL_SPEC
from pipeline.targets.docker.fence import LABEL_FENCE
from pipeline.targets.docker.fleet import LABEL_REPLACES

LABEL_VERSION = "io.ecluse.version"
LABEL_BEFORE = "io.ecluse.before"
"""What served before it: all that takes to go back is on the container itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """What a promotion brought in. Secrets are named by the volume that has them, never by value."""

    image: str
    """By digest; of one that a person has started, the engine's id of the image that ran."""
    release: str = ""
    promotion: str = ""
    """"" = started by hand: the compose file alone, with that image."""
    spec: str = ""
    fence: int = 0
    configuration: Mapping[str, str] = field(default_factory=dict)
    secrets: str = ""

    def text(self) -> str:
        """As a label's value."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)


def version_of(text: str) -> Version | None:
    """Read a label's value; None for "", and for what we did not write."""
    try:
        read = json.loads(text) if text else None
        return Version(**read) if isinstance(read, dict) else None
    except (ValueError, TypeError):
        return None


def layer(
    service: str, version: Version, before: Version | None, *, owner: Mapping[str, str], labels: Mapping[str, str]
) -> Mapping[str, Any]:
    """The file that is laid over the compose file for this version; the same values give the same file."""
    if not version.promotion:
        return {"services": {service: {"image": version.image}}}
    body: dict[str, Any] = {
        "image": version.image,
        "labels": {
            **labels,
            **owner,
            LABEL_RELEASE: version.release,
            LABEL_PROMOTION: version.promotion,
            LABEL_SPEC: version.spec,
            LABEL_FENCE: str(version.fence),
            LABEL_REPLACES: before.promotion if before else "",
            LABEL_VERSION: version.text(),
            LABEL_BEFORE: before.text() if before else "",
        },
    }
    if version.configuration:
        body["environment"] = dict(sorted(version.configuration.items()))
    if not version.secrets:
        return {"services": {service: body}}
    body["volumes"] = [f"{version.secrets}:/run/secrets:ro"]
    return {"services": {service: body}, "volumes": {version.secrets: {"external": True}}}
