"""What is left of a stage for a person to look into: its container, its services, its network, and what it sees."""

from __future__ import annotations

import docker
from contracts.ground import Ground, contents, of_run

from pipeline.model.container import View
from pipeline.model.definition import ServiceDefinition
from pipeline.model.identity import ROLE_SANDBOX


def test_a_kept_stage_is_as_it_was_left(docker_ground: Ground, client: docker.APIClient) -> None:
    run = docker_ground.identity()
    session = docker_ground.open(run)
    below: tuple[str, ...] = ()
    for number in range(3):
        name = f"s{number}"
        spec = docker_ground.shell(
            f"echo {number} > own{number}; exit 2", stage=name, view=View(layer=name, below=below)
        )
        docker_ground.run(session, spec)
        if number == 2:
            session.keep(name)
        session.release(name)
        below = (name, *below)
    session.close()
    kept = run.name("s2", "1", "main")
    found = {item["Names"][0].lstrip("/"): item["State"] for item in of_run(client, run)}
    joined = client.inspect_container(kept)["HostConfig"]["NetworkMode"]
    assert found.pop(kept) == "exited"
    assert run.name("s1", "1", "main") not in found
    if joined.startswith("container:"):
        sandboxes = of_run(client, run, role=ROLE_SANDBOX)
        assert [(item["State"], item["Id"]) for item in sandboxes] == [("running", joined.partition(":")[2])]
    stream, _ = client.get_archive(kept, "/workspace/.")
    names = {name.removeprefix("./"): content for name, content in contents(b"".join(stream)).items()}
    assert names == {"own0": b"0\n", "own1": b"1\n", "own2": b"2\n"}
    _remove_all(docker_ground)


def test_services_of_a_kept_stage_stay_up(docker_ground: Ground, client: docker.APIClient) -> None:
    run = docker_ground.identity()
    session = docker_ground.open(run)
    service = ServiceDefinition(name="db", image=docker_ground.image, command=("sleep", "600"))
    for attempt in (1, 2):
        spec = docker_ground.shell("exit 2", attempt=attempt, view=View(layer=f"a{attempt}"), services=(service,))
        docker_ground.run(session, spec)
    session.keep("stage")
    session.release("stage")
    session.close()
    assert {item["Names"][0].lstrip("/"): item["State"] for item in of_run(client, run, stage="stage")} == {
        run.name("stage", "2", "main"): "exited",
        run.name("stage", "2", "main", "service", "db"): "running",
    }
    assert [item["Name"] for item in client.networks(filters={"name": run.name("stage")})] == [
        run.name("stage", "2", "main", "net")
    ]
    _remove_all(docker_ground)


def test_the_next_session_of_a_run_leaves_what_is_kept(docker_ground: Ground, client: docker.APIClient) -> None:
    run = docker_ground.identity()
    first = docker_ground.open(run)
    docker_ground.run(first, docker_ground.shell("echo x > f; exit 2"))
    first.keep("stage")
    first.close()
    second = docker_ground.open(run)
    docker_ground.run(second, docker_ground.shell("true", attempt=2, view=View(layer="stage.2")))
    second.release("stage")
    second.close()
    assert [item["State"] for item in of_run(client, run, stage="stage")] == ["exited"]
    stream, _ = client.get_archive(run.name("stage", "1", "main"), "/workspace/f")
    assert contents(b"".join(stream)) == {"f": b"x\n"}
    _remove_all(docker_ground)


def _remove_all(ground: Ground) -> None:
    found = ground.executor.leftovers(ground.settings.installation)
    assert found
    assert all(item.kept is not None for item in found)
    ground.executor.remove(found)
    assert ground.executor.leftovers(ground.settings.installation) == ()
