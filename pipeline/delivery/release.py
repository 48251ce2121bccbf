"""Sealing a release: which images belong together, and which of them a target runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pipeline.errors import UsageError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.release import Release
from pipeline.model.run import Run


def seal(run: Run, *, pipeline_digest: str, images: Mapping[str, str], name: str, now: datetime) -> Release:
    """The release of these pinned images at the run's commit. Its id does not depend on run, name or time."""
    for stage, image in images.items():
        if "@sha256:" not in image:
            raise UsageError(
                f"stage '{stage}' gives {image}, which is not pinned by digest",
                hint="a release is made of images that a push stage brought to a registry",
            )
    return Release(
        repository=run.repository,
        commit=run.commit,
        images=dict(sorted(images.items())),
        pipeline_digest=pipeline_digest,
        name=name,
        run=run.id,
        dirty=run.dirty,
        created=now,
    )


def image_to_run(environment: EnvironmentDefinition, images: Mapping[str, str]) -> str:
    """The one image that the environment's target runs: the only one, or the one that `target.….image` names."""
    wanted = environment.target.get("image")
    if isinstance(wanted, str) and wanted:
        if wanted in images:
            return images[wanted]
        raise UsageError(
            f"environment '{environment.name}' runs image '{wanted}', which the release does not have",
            hint="the release has: " + (", ".join(sorted(images)) or "no image"),
        )
    if len(images) == 1:
        return next(iter(images.values()))
    if not images:
        raise UsageError(
            f"a release without images cannot be deployed to '{environment.name}'",
            hint="let the deploy stage need a push stage",
        )
    raise UsageError(
        f"the release has {len(images)} images ({', '.join(sorted(images))}); '{environment.name}' runs one",
        hint="name it in the environment's target: `image: NAME`, or in the deploy stage's `images`",
    )
