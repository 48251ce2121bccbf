"""What a scan stage asks for, read from its options."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.model.definition import StageDefinition
from pipeline.model.finding import FindingSeverity
from pipeline.model.value import Value

SBOM = "sbom"
VULNERABILITIES = "vulnerabilities"
SECRETS = "secrets"
DOCKERFILE = "dockerfile"
LICENCES = "licences"
CHECKS = (SBOM, VULNERABILITIES, SECRETS, DOCKERFILE, LICENCES)

NEVER = "never"


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanRequest:
    """`of` names the build stage ("" = none), `threshold` None means that findings never fail the stage.

    `dockerfile` is relative to the workspace's root, "" = that of the build stage.
    """

    of: str
    checks: tuple[str, ...]
    threshold: FindingSeverity | None
    dockerfile: str
    waivers: str = ""
    """The file of waivers, relative to the workspace's root; "" = none."""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] | None = None
    """Globs of licences; None = the usual ones."""
    distribution: bool = False
    """Whether licences of the distribution's packages count."""

    @property
    def wants_image(self) -> bool:
        """Whether some check looks into the image."""
        return any(check in self.checks for check in (SBOM, VULNERABILITIES, LICENCES))


def scan_request(stage: StageDefinition) -> ScanRequest:
    """The request of a stage whose options passed the schema."""
    options = stage.options
    checks = options.get("checks", CHECKS)
    if isinstance(checks, str):
        checks = (checks,)
    listed = {str(item) for item in checks} if isinstance(checks, Sequence) else set(CHECKS)
    rules = options.get("licences")
    licences = rules if isinstance(rules, Mapping) else {}
    fail_on = str(options.get("fail_on", FindingSeverity.HIGH.value))
    return ScanRequest(
        of=str(options.get("of", "")),
        checks=tuple(check for check in CHECKS if check in listed),
        threshold=None if fail_on == NEVER else FindingSeverity(fail_on),
        dockerfile=str(options.get("dockerfile", "")),
        waivers=str(options.get("waivers", "")),
        allow=_texts(licences.get("allow")) or (),
        deny=_texts(licences.get("deny")),
        distribution=licences.get("distribution") is True,
    )


def _texts(value: Value) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (value,)
    return tuple(str(item) for item in value) if isinstance(value, Sequence) else None


def dockerfile_of(build: StageDefinition) -> str:
    """Where a build stage's Dockerfile is, relative to the workspace's root."""
    context = str(build.options.get("context", "."))
    return posixpath.normpath(posixpath.join(context, str(build.options.get("dockerfile", "Dockerfile"))))
