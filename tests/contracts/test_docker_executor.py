"""What the Docker executor promises beyond the common contract: limits, services, other users, crashes."""

from __future__ import annotations

import io
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
from contracts.ground import Ground, Printed, of_run
from environment.turnstile import turnstile

from pipeline.errors import (
    EngineError,
    EngineUnreachableError,
    ImageNotFoundError,
    NotFoundError,
    ServiceNotReadyError,
)
from pipeline.executors.docker.engine_facts import mounts_overlays
from pipeline.executors.docker.executor import DockerExecutor
from pipeline.executors.docker.session import DockerSession
from pipeline.model.container import ContainerSpec, Network, View
from pipeline.model.definition import Readiness, Resources, ServiceDefinition
from pipeline.model.identity import (
    LABEL_INSTALLATION,
    LABEL_ROLE,
    LABEL_RUN,
    ROLE_SANDBOX,
    ROLE_TARGET,
    TRIAL,
)
from pipeline.ports.cancellation import Cancellation
from pipeline.settings import CERTIFICATE_VARIABLES, CERTIFICATES_PATH, Settings

# --- other users ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workspace", ["overlay", "copy"])
def test_users_and_root_write_into_each_others_folders(docker_ground: Ground, tar: Any, workspace: str) -> None:
    ground = replace(docker_ground, opened=docker_ground.opened)
    ground.executor = DockerExecutor(replace(ground.settings, workspace=workspace))
    session = ground.open()
    session.workspace.fill("source", io.BytesIO(tar({"d": None, "d/f": b"1\n", "run.sh": b"#!/bin/sh\necho ran\n"})))
    below: tuple[str, ...] = ("source",)
    for name, user in (("a", "1000:1000"), ("b", None), ("c", "1001")):
        script = f"./run.sh; echo {name} >> d/f; echo {name} > d/{name}; mkdir -p n/m; echo {name} >> n/m/log; id -u"
        spec = ground.shell(script, stage=name, user=user, view=View(layer=name, below=below))
        ended, printed = ground.run(session, spec)
        assert (ended.code, printed.err) == (0, b"")
        assert printed.out == b"ran\n%s\n" % (user or "0").partition(":")[0].encode()
        below = (name, *below)
    seen = {
        item.path: item.content.read() for item in session.workspace.read(View(layer="z", below=below), ["d/f", "n/**"])
    }
    assert seen == {"d/f": b"1\na\nb\nc\n", "n/m/log": b"a\nb\nc\n"}


# --- limits and rights ------------------------------------------------------------------------------------------------


def test_out_of_memory_is_told_from_a_failure(docker_ground: Ground) -> None:
    session = docker_ground.open()
    spec = docker_ground.spec("tail", "/dev/zero", resources=Resources(memory=32 * 2**20))
    ended, _ = docker_ground.run(session, spec)
    assert ended.out_of_memory
    assert ended.code != 0


def test_processes_are_bounded(docker_ground: Ground) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 5 & done; echo all"
    spec = docker_ground.shell(script, resources=Resources(pids=10))
    ended, printed = docker_ground.run(docker_ground.open(), spec)
    assert ended.code != 0
    assert b"fork" in printed.err


def test_limits_of_the_machine_hold_where_a_stage_names_none(docker_ground: Ground, client: docker.APIClient) -> None:
    settings = replace(docker_ground.settings, cpu=1.5, memory=64 * 2**20, pids=77)
    docker_ground.executor = DockerExecutor(settings)
    host = _while_running(docker_ground, client, docker_ground.shell("echo up; exec sleep 600"))["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (1_500_000_000, 64 * 2**20, 64 * 2**20)
    assert (host["PidsLimit"], host["Init"], host["Privileged"]) == (77, True, False)
    assert sorted(host["CapDrop"]) == ["MKNOD", "NET_RAW"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["LogConfig"]["Type"] == "json-file"


def test_secrets_on_stdin_show_nowhere_on_the_engine(docker_ground: Ground, client: docker.APIClient) -> None:
    spec = docker_ground.shell("cat > /dev/null; echo up; exec sleep 600")
    assert "geheim-4711" not in json.dumps(_while_running(docker_ground, client, spec, stdin=b"geheim-4711\n"))


def test_hardened_means_read_only_and_no_rights(docker_ground: Ground) -> None:
    script = (
        "touch /root/x && echo wrote; touch /tmp/ok own && echo fine; grep -E 'CapEff|NoNewPrivs' /proc/self/status"
    )
    _, printed = docker_ground.run(docker_ground.open(), docker_ground.shell(script, hardened=True))
    assert printed.out.split() == [b"fine", b"CapEff:", b"0000000000000000", b"NoNewPrivs:", b"1"]


def test_an_init_reaps_and_forwards(docker_ground: Ground) -> None:
    _, printed = docker_ground.run(docker_ground.open(), docker_ground.shell("cat /proc/1/comm"))
    assert printed.out == b"docker-init\n"


def test_network_none_reaches_nothing(docker_ground: Ground) -> None:
    spec = docker_ground.shell("ls /sys/class/net", network=Network.NONE)
    assert b"eth0" not in docker_ground.run(docker_ground.open(), spec)[1].out


# --- certificates and proxy -------------------------------------------------------------------------------------------


def test_certificates_and_proxy_reach_a_stage(docker_ground: Ground, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    settings = replace(docker_ground.settings, certificates=str(bundle), proxy={"HTTPS_PROXY": "http://proxy:3128"})
    docker_ground.executor = DockerExecutor(settings)
    names = "|".join(CERTIFICATE_VARIABLES)
    script = f"cat {CERTIFICATES_PATH}; env | grep -E 'PROXY|{names}' | sort; echo x > {CERTIFICATES_PATH}"
    _, printed = docker_ground.run(docker_ground.open(), docker_ground.shell(script, user="1000"))
    lines = printed.out.decode().splitlines()
    assert lines[:3] == bundle.read_text().splitlines()
    wanted = ["HTTPS_PROXY=http://proxy:3128", *(f"{name}={CERTIFICATES_PATH}" for name in CERTIFICATE_VARIABLES)]
    assert lines[3:] == sorted(wanted)
    assert b"can't create" in printed.err


def test_a_stages_own_variable_wins_over_the_machines(docker_ground: Ground) -> None:
    docker_ground.executor = DockerExecutor(replace(docker_ground.settings, proxy={"HTTP_PROXY": "http://machine"}))
    spec = docker_ground.shell("echo $HTTP_PROXY", environment={"HTTP_PROXY": "http://own"})
    assert docker_ground.run(docker_ground.open(), spec)[1].out == b"http://own\n"


# --- what is not there ------------------------------------------------------------------------------------------------


def test_a_missing_image_is_named(docker_ground: Ground) -> None:
    spec = docker_ground.spec("true", stage="a", image="127.0.0.1:9/nobody/nothing:1")
    with pytest.raises((ImageNotFoundError, EngineError)) as caught:
        docker_ground.run(docker_ground.open(), spec)
    assert "127.0.0.1:9/nobody/nothing:1" in caught.value.message


def test_an_image_that_its_registry_does_not_know(docker_ground: Ground, registry: str) -> None:
    name = f"{registry}/contract/absent:1"
    with pytest.raises(ImageNotFoundError) as caught:
        docker_ground.run(docker_ground.open(), docker_ground.spec("true", image=name))
    assert name in caught.value.message
    assert "docker login" in caught.value.hint


def test_a_missing_image_is_pulled_and_said(docker_ground: Ground, registry: str, client: docker.APIClient) -> None:
    name = f"{registry}/contract/pulled"
    client.tag(docker_ground.image, name, "1")
    try:
        for _ in client.push(name, tag="1", stream=True, decode=True):
            pass
        client.remove_image(f"{name}:1")
        ended, printed = docker_ground.run(docker_ground.open(), docker_ground.spec("true", image=f"{name}:1"))
        assert (ended.code, printed.notes) == (0, [f"pulling image {name}:1"])
    finally:
        client.remove_image(f"{name}:1", force=True)


def test_a_missing_program_is_a_failure_that_says_so(docker_ground: Ground) -> None:
    ended, printed = docker_ground.run(docker_ground.open(), docker_ground.spec("/no-such-program"))
    assert ended.code == 127
    assert b"/no-such-program" in printed.err


def test_an_engine_that_is_not_there_is_said_with_a_remedy(docker_ground: Ground, tmp_path: Path) -> None:
    settings = replace(docker_ground.settings, docker_host=f"unix://{tmp_path}/none.sock")
    session = DockerExecutor(settings).open(docker_ground.identity(), lanes=1)
    with pytest.raises(EngineUnreachableError) as caught:
        docker_ground.run(session, docker_ground.shell("true"))
    assert "none.sock" in caught.value.message
    assert "DOCKER_HOST" in caught.value.hint
    session.close()


# --- services ---------------------------------------------------------------------------------------------------------


def _service(ground: Ground, script: str, **more: Any) -> ServiceDefinition:
    return ServiceDefinition(name="db", image=ground.image, command=("sh", "-c", script), **more)


def test_a_service_is_reached_by_name_once_ready(docker_ground: Ground, client: docker.APIClient) -> None:
    script = "echo starting; sleep 0.3; mkdir /w; echo $GREETING > /w/index.html; exec httpd -f -p 8080 -h /w"
    ready = Readiness(command="wget -q -O - http://127.0.0.1:8080/", within=30)
    service = _service(docker_ground, script, env={"GREETING": "moin"}, ready=ready)
    spec = docker_ground.shell("wget -q -O - http://db:8080/", services=(service,))
    run = docker_ground.identity()
    session = docker_ground.open(run)
    ended, printed = docker_ground.run(session, spec)
    assert (ended.code, printed.out) == (0, b"moin\n")
    assert printed.services["db"].out == b"starting\n"
    assert any("'db' ready" in note for note in printed.notes)
    assert [item["State"] for item in of_run(client, run, role="service")] == ["running"]
    session.close()
    assert docker_ground.executor.leftovers(docker_ground.settings.installation) == ()


def test_a_service_that_ends_is_said_at_once(docker_ground: Ground) -> None:
    service = _service(docker_ground, "echo no password given; exit 3", ready=Readiness(command="false", within=300))
    began = time.monotonic()
    with pytest.raises(ServiceNotReadyError, match=r"'db'.*exit 3.*(?s:.*)no password given"):
        docker_ground.run(docker_ground.open(), docker_ground.shell("true", services=(service,)))
    assert time.monotonic() - began < 300


@pytest.mark.parametrize(
    "request_line", [pytest.param(r"/containers/\w+/exec$", id="asked"), pytest.param(r"/exec/\w+/start$", id="told")]
)
def test_a_service_that_ends_while_it_is_asked_is_said_as_well(
    docker_ground: Ground, client: docker.APIClient, short_folder: Path, request_line: str
) -> None:
    run, ended = docker_ground.identity(), []

    def end_it_before(path: str) -> None:
        if re.search(request_line, path) and not ended:
            (service,) = of_run(client, run, role="service")
            client.kill(service["Id"], signal="TERM")
            ended.append(client.wait(service["Id"])["StatusCode"])

    script = "trap 'echo no password given; exit 3' TERM; while :; do sleep 0.05; done"
    service = _service(docker_ground, script, ready=Readiness(command="false", within=60))
    with turnstile(short_folder, docker_ground.settings.docker_host, end_it_before) as address:
        docker_ground.executor = DockerExecutor(replace(docker_ground.settings, docker_host=address))
        session = docker_ground.open(run)
        with pytest.raises(ServiceNotReadyError, match=r"'db'.*exit 3.*(?s:.*)no password given"):
            docker_ground.run(session, docker_ground.shell("true", services=(service,)))
        session.close()
        docker_ground.opened.remove(session)  # it knows the way through the turnstile alone
    assert ended == [3]


def test_a_service_that_is_never_ready_is_said_in_time(docker_ground: Ground) -> None:
    ready = Readiness(command="echo still warming up; exit 1", within=0.5)
    service = _service(docker_ground, "exec sleep 600", ready=ready)
    session = docker_ground.open()
    with pytest.raises(ServiceNotReadyError, match=r"not ready within 0\.5 s.*still warming up"):
        docker_ground.run(session, docker_ground.shell("true", services=(service,)))
    session.close()
    assert docker_ground.executor.leftovers(docker_ground.settings.installation) == ()


# --- sandboxes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fate", [pytest.param("kill", id="killed"), pytest.param("remove", id="removed")])
def test_a_chain_joins_one_sandbox_and_survives_its_death(
    docker_ground: Ground, client: docker.APIClient, fate: str
) -> None:
    run = docker_ground.identity()
    session = docker_ground.open(run)
    docker_ground.run(session, docker_ground.shell("true", stage="s0"))
    docker_ground.run(session, docker_ground.shell("true", stage="s1"))
    sandbox = of_run(client, run, role=ROLE_SANDBOX)
    assert len(sandbox) == 1
    stop = client.inspect_container(sandbox[0]["Id"])["Config"]["StopSignal"]
    assert stop == "SIGKILL", "an engine that stops would wait ten seconds for one that heeds no signal"
    if fate == "kill":
        client.kill(sandbox[0]["Id"])
    else:
        client.remove_container(sandbox[0]["Id"], force=True)
    ended, printed = docker_ground.run(session, docker_ground.shell("ls /sys/class/net; exit 4", stage="s2"))
    assert ended.code == 4
    assert b"eth0" in printed.out


MEET = "for i in $(seq 200); do nc 127.0.0.1 7777 < /dev/null 2> /dev/null && break; sleep 0.05; done; wait"
"""Ask whoever listens there, once somebody does."""


def test_a_port_is_free_again_for_the_next_stage(docker_ground: Ground) -> None:
    session = docker_ground.open()
    for number in range(4):
        script = f"echo hi | nc -l -p 7777 > /dev/null & {MEET}"
        ended, printed = docker_ground.run(session, docker_ground.shell(script, stage=f"s{number}"))
        assert (ended.code, printed.err) == (0, b"")


def test_stages_at_the_same_time_never_meet_each_others_ports(docker_ground: Ground, client: docker.APIClient) -> None:
    run = docker_ground.identity()
    session = docker_ground.open(run, lanes=3)

    def stage(number: int) -> tuple[int, bytes]:
        script = f"echo {number} | nc -l -p 7777 & {MEET}"
        spec = docker_ground.shell(script, stage=f"s{number}")
        if number % 2:
            session.prepare(spec)
        ended, printed = docker_ground.run(session, spec)
        return ended.code, printed.out

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(stage, range(9))) == [(0, b"%d\n" % number) for number in range(9)]
    assert 1 <= len(of_run(client, run, role=ROLE_SANDBOX)) <= 3


# --- deep chains ------------------------------------------------------------------------------------------------------


def test_a_chain_deeper_than_a_mount_takes(docker_ground: Ground, tar: Any) -> None:
    session = docker_ground.open()
    session.workspace.fill("source", io.BytesIO(tar({"f": b"start\n", "gone": b"x"})))
    layers: list[str] = ["source"]
    for number in range(130):
        layers.insert(0, f"l{number}")
        session.workspace.fill(f"l{number}", io.BytesIO(tar({f"own{number}": b"%d\n" % number, "f": b"%d\n" % number})))
    view = View(layer="end", below=tuple(layers))
    ended, printed = docker_ground.run(
        session, docker_ground.shell("rm gone; ls | wc -l; cat f own0 own129", view=view)
    )
    assert (ended.code, printed.out) == (0, b"131\n129\n0\n129\n")


# --- others on the same engine ----------------------------------------------------------------------------------------


def test_what_is_not_ours_or_serves_is_never_touched(docker_ground: Ground, client: docker.APIClient) -> None:
    run = docker_ground.identity()
    other = {**run.labels("stage"), LABEL_INSTALLATION: docker_ground.settings.installation[::-1]}
    serving = {**run.labels(ROLE_TARGET), LABEL_ROLE: ROLE_TARGET}
    made = [
        client.create_container(docker_ground.image, ["true"], labels=labels)["Id"]
        for labels in (other, serving, {"plain": "yes"})
    ]
    try:
        assert docker_ground.executor.leftovers(docker_ground.settings.installation) == ()
        session: DockerSession | Any = docker_ground.open(run)
        docker_ground.run(session, docker_ground.shell("true"))
        session.close()
        docker_ground.executor.remove(docker_ground.executor.leftovers(docker_ground.settings.installation))
        assert [client.inspect_container(item)["Id"] for item in made] == made
    finally:
        for item in made:
            client.remove_container(item, force=True)


def test_an_image_that_a_kept_container_stands_on_stays(docker_ground: Ground, client: docker.APIClient) -> None:
    run = docker_ground.identity()
    labels = [f'LABEL {key}="{value}"' for key, value in run.labels("image").items()]
    source = client.create_container(docker_ground.image, ["true"])["Id"]
    image = client.commit(source, repository=f"contract-{run.run}", tag="1", changes=labels)["Id"]
    plain = {**dict.fromkeys(run.labels("image"), ""), "plain": "yes"}
    kept = client.create_container(image, ["true"], labels=plain)["Id"]
    try:
        found = docker_ground.executor.leftovers(docker_ground.settings.installation)
        assert [(item.kind, item.run) for item in found] == [("image", run.run)]
        docker_ground.executor.remove(found)
        assert client.inspect_image(image)["Id"] == image
        client.remove_container(kept)
        docker_ground.executor.remove(found)
        assert docker_ground.executor.leftovers(docker_ground.settings.installation) == ()
    finally:
        client.remove_container(source, force=True)


def test_sessions_of_two_runs_live_beside_each_other(docker_ground: Ground) -> None:
    one, two = docker_ground.open(), docker_ground.open()
    with ThreadPoolExecutor(2) as pool:
        spec = docker_ground.shell("echo $$ > own; ls")
        outs = [pool.submit(docker_ground.run, session, spec) for session in (one, two)]
        assert [item.result()[1].out for item in outs] == [b"own\n", b"own\n"]
    one.close()
    assert docker_ground.run(two, docker_ground.shell("cat own >&2; exit 3", step="two"))[0].code == 3


def _while_running(
    ground: Ground, client: docker.APIClient, spec: ContainerSpec, *, stdin: bytes = b""
) -> dict[str, Any]:
    """What the engine says of a stage while it runs; the stage prints `up` and waits."""
    run, printed, cancel = ground.identity(), Printed(), Cancellation()
    session = ground.open(run)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(session.execute, spec, output=printed, cancel=cancel, stdin=stdin)
        printed.await_text(b"up")
        found: dict[str, Any] = client.inspect_container(run.name(spec.stage, str(spec.attempt), spec.step))
        cancel.cancel("seen")
        running.result()
    return found


def test_settings_that_name_no_workspace_are_refused(docker_ground: Ground) -> None:
    settings: Settings = replace(docker_ground.settings, workspace="magic")
    session = DockerExecutor(settings).open(docker_ground.identity(), lanes=1)
    with pytest.raises(Exception, match="workspace"):
        docker_ground.run(session, docker_ground.shell("true"))
    session.close()


def test_what_a_killed_stage_makes_while_its_run_is_cleared_away_goes_with_a_second_close(
    docker_ground: Ground, engine: str
) -> None:
    ground, run = docker_ground, docker_ground.identity()
    session = ground.open(run)
    ground.run(session, ground.shell("echo 1 > a", stage="a"))
    held = session.workspace  # as a stage has it that is collecting its reports
    session.close()
    with pytest.raises(EngineError, match="nothing is begun any more"):
        ground.run(session, ground.shell("true", stage="b"))
    with pytest.raises(EngineError, match="nothing is begun any more"):
        _ = session.workspace
    client = docker.APIClient(base_url=engine)
    with suppress(EngineError, NotFoundError):
        list(held.read(View(layer="a"), ["*"]))
    assert of_run(client, run), "the thread's own client knows nothing of the end"
    session.close()
    assert of_run(client, run) == []
    assert client.volumes(filters={"label": f"{LABEL_RUN}={run.run}"})["Volumes"] in (None, [])


def test_what_a_trial_of_the_engine_makes_is_known_for_one(docker_ground: Ground, engine: str) -> None:
    ground, client = docker_ground, docker.APIClient(base_url=engine)
    with ThreadPoolExecutor(1) as pool:
        seen: set[str] = set()
        while not seen:
            trial = pool.submit(mounts_overlays, client, ground.settings)
            while not trial.done():
                seen |= {item.run for item in ground.executor.leftovers(ground.settings.installation)}
            assert trial.result()
    assert all(run.startswith(TRIAL) for run in seen), "`gc` gives those an hour, and would remove others at once"
    assert ground.executor.leftovers(ground.settings.installation) == ()
