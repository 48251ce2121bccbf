"""What stages and services may do on an engine: little by default, more only where the machine's settings say so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import docker
import pytest
from contracts.ground import Ground, Visit

from pipeline.errors import EngineError, RefusedError, UsageError
from pipeline.executors.docker.executor import DockerExecutor
from pipeline.model.container import ContainerSpec, Network
from pipeline.model.definition import Readiness, ServiceDefinition
from pipeline.ports.executor import Session

NOT_GIVEN = b"the engine's own host does not give such rights"
MOUNTS = "mkdir /m && mount -t tmpfs none /m && echo mounted"


def allowing(ground: Ground, **settings: Any) -> Ground:
    ground.executor = DockerExecutor(replace(ground.settings, host_network=False, **settings))
    return ground


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param(MOUNTS, b"", id="no-mounts"),
        pytest.param("mknod /n c 1 3 && echo made", b"", id="no-devices"),
        pytest.param("ping -c 1 127.0.0.1 > /dev/null 2>&1 && echo pinged", b"", id="no-raw-sockets"),
        pytest.param("ls /var/run/docker.sock /run/docker.sock 2> /dev/null", b"", id="no-engine"),
        pytest.param("chown 1000 /tmp && echo changed", b"changed\n", id="ordinary-capabilities"),
        pytest.param("grep NoNewPrivs /proc/self/status", b"NoNewPrivs:\t1\n", id="no-new-privileges"),
        pytest.param("echo x > /root/f && echo wrote", b"wrote\n", id="writable-root"),
    ],
)
def test_what_a_stage_may_do(docker_ground: Ground, script: str, said: bytes) -> None:
    _, printed = docker_ground.run(docker_ground.open(), docker_ground.shell(script))
    assert printed.out == said


@pytest.mark.parametrize(
    ("asked", "setting"),
    [
        pytest.param({"privileged": True}, "privileged_images", id="privileged"),
        pytest.param({"devices": ("/dev/null",)}, "devices", id="device"),
        pytest.param({"network": Network.HOST}, "host_network", id="host-network"),
    ],
)
def test_more_is_refused_and_the_setting_named(docker_ground: Ground, asked: dict[str, Any], setting: str) -> None:
    session = allowing(docker_ground, devices=("/dev/zero", "/dev/sub/*"), privileged_images=("other/*",)).open()
    spec = docker_ground.shell("echo started", **asked)
    session.prepare(spec)
    with pytest.raises(RefusedError) as caught:
        docker_ground.run(session, spec)
    assert "'stage'" in caught.value.message
    assert setting in caught.value.hint
    session.close()
    assert docker_ground.executor.leftovers(docker_ground.settings.installation) == ()


def test_a_service_is_refused_by_its_name(docker_ground: Ground) -> None:
    service = ServiceDefinition(name="dind", image=docker_ground.image, privileged=True)
    with pytest.raises(RefusedError, match=f"service 'dind' wants to be privileged.*{docker_ground.image}"):
        docker_ground.run(allowing(docker_ground).open(), docker_ground.shell("true", services=(service,)))


@pytest.mark.parametrize("device", ["/dev/sub/../sda", "/dev/sub/../../etc:/x", "/dev/zero2"])
def test_no_pattern_is_led_elsewhere(docker_ground: Ground, device: str) -> None:
    session = allowing(docker_ground, devices=("/dev/zero", "/dev/sub/*")).open()
    with pytest.raises(RefusedError):
        docker_ground.run(session, docker_ground.shell("true", devices=(device,)))


def test_an_allowed_device_is_there(docker_ground: Ground) -> None:
    session = allowing(docker_ground, devices=("/dev/zero",)).open()
    spec = docker_ground.shell("head -c 2 /dev/own | wc -c", devices=("/dev/zero:/dev/own:r",))
    assert docker_ground.run(session, spec)[1].out == b"2\n"


def test_an_allowed_image_may_be_privileged(docker_ground: Ground, client: docker.APIClient) -> None:
    run = docker_ground.identity()
    session = allowing(docker_ground, privileged_images=("ecluse/busy*",)).open(run)
    said = _said(docker_ground, session, docker_ground.shell(MOUNTS, privileged=True))
    host = client.inspect_container(run.name("stage", "1", "main"))["HostConfig"]
    assert (host["Privileged"], host["CapDrop"]) == (True, None)
    assert said in (NOT_GIVEN, b"mounted\n")
    assert _said(docker_ground, session, docker_ground.shell(MOUNTS, stage="plain")) == b""


def test_an_allowed_service_is_privileged_and_its_stage_is_not(docker_ground: Ground, client: docker.APIClient) -> None:
    """As a Docker-in-Docker service: it mounts, and answers over the network."""
    run = docker_ground.identity()
    session = allowing(docker_ground, privileged_images=(docker_ground.image,)).open(run)
    service = ServiceDefinition(
        name="dind",
        image=docker_ground.image,
        command=("sh", "-c", f"{MOUNTS} > /m.txt; mv /m.txt /m/index.html; exec httpd -f -p 2375 -h /m"),
        ready=Readiness(command="wget -q -O - http://127.0.0.1:2375/", within=30),
        privileged=True,
    )
    script = f"wget -q -O - http://dind:2375/; {MOUNTS}"
    said = _said(docker_ground, session, docker_ground.shell(script, services=(service,)))
    host = client.inspect_container(run.name("stage", "1", "main", "service", "dind"))["HostConfig"]
    assert host["Privileged"]
    assert said in (NOT_GIVEN, b"mounted\n")


def _said(ground: Ground, session: Session, spec: ContainerSpec) -> bytes:
    """What it printed, if the engine may give such rights at all."""
    try:
        return ground.run(session, spec)[1].out
    except EngineError as error:
        if "caps: operation not permitted" not in error.message:
            raise
        return NOT_GIVEN


def test_a_visitor_cannot_write_where_a_hardened_stage_cannot(docker_ground: Ground, tar: Any) -> None:
    spec = docker_ground.shell("cat in/f", hardened=True)
    with pytest.raises(UsageError, match="hardened"):
        docker_ground.run(docker_ground.open(), spec, visitor=Visit(puts={"/var/own": tar({"f": b"1"})}))
    visit = Visit(puts={"in": tar({"f": b"1"})})
    assert docker_ground.run(docker_ground.open(), spec, visitor=visit)[1].out == b"1"


def test_a_visitor_is_told_of_a_file_in_the_way(docker_ground: Ground, tar: Any) -> None:
    puts: Iterable[str] = ("/etc/hostname", "/etc/passwd/deeper")
    for folder in puts:
        with pytest.raises(UsageError, match="is a file"):
            docker_ground.run(
                docker_ground.open(), docker_ground.shell("true"), visitor=Visit(puts={folder: tar({"f": b"1"})})
            )
