"""What the last words of builders and registries mean; the words are those of real engines."""

from __future__ import annotations

import pytest

from pipeline.dockerapi.registry_login import registry_of
from pipeline.errors import (
    DiskFullError,
    EcluseError,
    EngineBusyError,
    ImageNotFoundError,
    RegistryBusyError,
    RegistryError,
)
from pipeline.executors.docker.build_buildkit import read_progress
from pipeline.executors.docker.build_verdict import verdict
from pipeline.executors.docker.push_verdict import refusal
from pipeline.ports.images import BuildFailure

PROGRESS_20 = """\
#5 [2/2] RUN echo hi; exit 7
#5 0.439 hi
#5 ERROR: executor failed running [/bin/sh -c echo hi; exit 7]: exit code: 7
------
 > [2/2] RUN echo hi; exit 7:
------
executor failed running [/bin/sh -c echo hi; exit 7]: exit code: 7"""
PROGRESS_28 = """\
#5 ERROR: process "/bin/sh -c exit 7" did not complete successfully: exit code: 7
------
 > [base 2/2] RUN exit 7:
0.178 what the step said
------
Dockerfile:4
--------------------
   2 |
   3 |     # comment
   4 | >>> RUN exit 7
   5 |
--------------------
ERROR: failed to solve: process "/bin/sh -c exit 7" did not complete successfully: exit code: 7"""


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        pytest.param(
            PROGRESS_20,
            BuildFailure(
                line=0,
                step="RUN echo hi; exit 7",
                code=7,
                message="executor failed running [/bin/sh -c echo hi; exit 7]: exit code: 7",
            ),
            id="20.10",
        ),
        pytest.param(
            PROGRESS_28,
            BuildFailure(
                line=4,
                step="RUN exit 7",
                code=7,
                message='process "/bin/sh -c exit 7" did not complete successfully: exit code: 7',
            ),
            id="28",
        ),
        pytest.param(
            "#2 DONE 0.1s\nERROR: failed to solve: dockerfile parse error on line 2: unknown instruction: RAN",
            BuildFailure(
                line=2, step="", code=None, message="dockerfile parse error on line 2: unknown instruction: RAN"
            ),
            id="28-parse-error",
        ),
    ],
)
def test_progress(words: str, failure: BuildFailure) -> None:
    assert read_progress(words) == failure


@pytest.mark.parametrize(
    ("words", "step", "kind"),
    [
        pytest.param(
            "failed to do request: dial tcp: lookup registry-1.docker.io: no such host",
            "[internal] load metadata for docker.io/library/python:3.12",
            ImageNotFoundError,
            id="no-hub",
        ),
        pytest.param(
            "docker.io/nosuch/image:1: not found",
            "[internal] load metadata for docker.io/nosuch/image:1",
            ImageNotFoundError,
            id="not-in-the-hub",
        ),
        pytest.param(
            "pull access denied, repository does not exist or may require authorization: authorization failed",
            "[internal] load metadata for docker.io/nosuch/image:1",
            ImageNotFoundError,
            id="denied",
        ),
        pytest.param(
            "failed to do request: net/http: TLS handshake timeout",
            "[internal] load metadata for docker.io/library/python:3.12",
            RegistryBusyError,
            id="slow-hub",
        ),
        pytest.param("write /x: no space left on device", "RUN dd", DiskFullError, id="disk"),
        pytest.param("Cannot connect to the Docker daemon at unix:///x", "", EngineBusyError, id="engine-went-away"),
    ],
)
def test_what_is_not_the_dockerfile_s_fault(words: str, step: str, kind: type[EcluseError]) -> None:
    with pytest.raises(kind) as raised:
        verdict(words, step)
    assert type(raised.value) is kind
    assert raised.value.hint


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        pytest.param("denied: requested access to the resource is denied", RegistryError, "does not let", id="denied"),
        pytest.param("unauthorized: authentication required", RegistryError, "does not let", id="no-login"),
        pytest.param("no basic auth credentials", RegistryError, "does not let", id="no-credentials"),
        pytest.param("name unknown: project team not found", RegistryError, "does not know", id="no-project"),
        pytest.param("dial tcp: lookup r.example: no such host", RegistryError, "is unknown", id="no-host"),
        pytest.param(
            "x509: certificate signed by unknown authority", RegistryError, "does not trust", id="certificate"
        ),
        pytest.param(
            "http: server gave HTTP response to HTTPS client", RegistryError, "does not speak https", id="plain-http"
        ),
        pytest.param("tag invalid: the tag is immutable", RegistryError, "move", id="immutable"),
        pytest.param("manifest invalid: manifest invalid", RegistryError, "refused", id="manifest"),
        pytest.param(
            "dial tcp 127.0.0.1:1: connect: connection refused", RegistryBusyError, "does not answer", id="down"
        ),
        pytest.param("received unexpected HTTP status: 503 Service Unavailable", RegistryBusyError, "answer", id="503"),
        pytest.param("toomanyrequests: You have reached your limit", RegistryBusyError, "answer", id="rate-limit"),
        pytest.param("unexpected EOF", RegistryBusyError, "answer", id="dropped"),
    ],
)
def test_refusals_of_registries(words: str, kind: type[RegistryError], said: str) -> None:
    error = refusal("r.example", "r.example/team/shop", words)
    assert type(error) is kind
    assert said in error.message
    assert words in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("repository", "registry"),
    [
        ("shop", "docker.io"),
        ("team/shop", "docker.io"),
        ("r.example/shop", "r.example"),
        ("r.example:5000/team/shop", "r.example:5000"),
        ("localhost/shop", "localhost"),
        ("127.0.0.1:5000/shop", "127.0.0.1:5000"),
    ],
)
def test_the_registry_of_a_repository(repository: str, registry: str) -> None:
    assert registry_of(repository) == registry
