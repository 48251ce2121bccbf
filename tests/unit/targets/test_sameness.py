"""When what runs is taken for what was ordered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.ports.target import Rollout
from pipeline.targets.docker.options import DockerOptions
from pipeline.targets.sameness import spec_digest, spelled

ORDER = Rollout(environment="dev", release="r", promotion="p1", image="shop@sha256:1", configuration={"A": "1"})
SECRET = replace(ORDER, secrets={"PASSWORD": "open-sluice"})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(ORDER, replace(ORDER, promotion="p2", timeout=1), True, id="another-promotion-of-the-same"),
        pytest.param(ORDER, replace(ORDER, image="shop@sha256:2"), False, id="another-image"),
        pytest.param(ORDER, replace(ORDER, configuration={"A": "2"}), False, id="another-configuration"),
        pytest.param(SECRET, replace(SECRET, secrets={"PASSWORD": "x"}), True, id="values-of-secrets-do-not-show"),
        pytest.param(SECRET, replace(SECRET, promotion="p2"), False, id="with-secrets-always-anew"),
        pytest.param(ORDER, SECRET, False, id="a-secret-more"),
    ],
)
def test_what_is_the_same(one: Rollout, other: Rollout, same: bool) -> None:
    assert (spec_digest(one) == spec_digest(other)) is same


def test_what_only_the_target_knows_counts() -> None:
    digests = {spec_digest(ORDER, options=spelled(DockerOptions(drain=drain))) for drain in (1.0, 2.0)}
    assert len(digests) == 2
