"""The anchor image is named by its content, so that engines never keep an old one under a new program's name."""

from __future__ import annotations

from pipeline.executors.docker.anchor import ANCHOR
from pipeline.executors.docker.anchor_image import digest


def test_the_tag_is_the_digest_of_the_content() -> None:
    assert f"ecluse-anchor:{digest()}" == ANCHOR
