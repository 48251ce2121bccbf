"""Docker's contexts by name, as docker's own client lays them out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from environment.certificates import Authority

from pipeline.dockerapi import named_context
from pipeline.errors import UsageError


@pytest.fixture
def contexts(environment: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of contexts of the test's own, for docker's client as well."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path


def test_a_context_leads_to_its_engine_with_its_certificates(contexts: Path) -> None:
    me = Authority(contexts / "authority", "lock").client("promoter")
    endpoint = f"host=tcp://10.0.0.1:2376,ca={me.authority},cert={me.certificate},key={me.key}"
    subprocess.run(["docker", "context", "create", "staging", "--docker", endpoint], check=True, capture_output=True)
    found = named_context("staging")
    assert found.address == "tcp://10.0.0.1:2376"
    kept = [Path(file).read_bytes() for file in (found.authority, found.certificate, found.key)]
    assert kept == [me.authority.read_bytes(), me.certificate.read_bytes(), me.key.read_bytes()]


def test_a_context_without_certificates_has_none(contexts: Path) -> None:
    command = ["docker", "context", "create", "near", "--docker", "host=unix:///run/near.sock"]
    subprocess.run(command, check=True, capture_output=True)
    found = named_context("near")
    assert (found.address, found.authority, found.key) == ("unix:///run/near.sock", "", "")


def test_a_context_that_is_not_there_is_said_by_name(contexts: Path) -> None:
    with pytest.raises(UsageError, match="no context 'nowhere' on this machine") as caught:
        named_context("nowhere")
    assert "docker context ls" in caught.value.hint
