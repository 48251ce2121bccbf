"""What the swarm executor promises beyond the contract, on three real nodes: layers that go from node to node, nodes
that are lost, runners that are killed, and nothing secret where others can see it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from contracts.ground import Ground, Printed, closing, tar_of
from contracts.swarm_ground import ground_of, swarm_ground
from environment.servers import eventually
from environment.swarm import Node, Swarm

from pipeline.errors import EngineError, NodeLostError
from pipeline.model.container import ContainerSpec, View
from pipeline.model.definition import Resources, ServiceDefinition
from pipeline.model.identity import LABEL_RUN, LABEL_STAGE, RunIdentity
from pipeline.ports.cancellation import Cancellation

ROOT = Path(__file__).resolve().parents[2]
MakeGround = Callable[..., Ground]


@pytest.fixture
def on(request: pytest.FixtureRequest, tmp_home: Path) -> Iterator[MakeGround]:
    """Grounds of one installation whose stages run only on these nodes."""
    made: list[Ground] = []

    def make(*constraints: str, doors: bool = False) -> Ground:
        made.append(swarm_ground(request, tmp_home, doors=doors, swarm_constraints=constraints))
        return made[-1]

    yield make
    for ground in made:
        for _ in closing(ground):
            pass


def containers(node: Node, run: RunIdentity, stage: str, *, running: bool = False) -> list[str]:
    """Ids of the stage's own containers on a node."""
    labels = (f"{LABEL_RUN}={run.run}", f"{LABEL_STAGE}={stage}", "io.ecluse.role=stage")
    filters = [word for label in labels for word in ("--filter", f"label={label}")]
    return node.docker("ps", "--quiet", *([] if running else ["--all"]), *filters).split()


def whereabouts(swarm: Swarm, run: RunIdentity, stage: str) -> list[str]:
    """Names of the nodes that have a container of the stage."""
    return [node.name for node in swarm.nodes if containers(node, run, stage)]


@contextmanager
def under_way(ground: Ground, run: RunIdentity, spec: ContainerSpec) -> Iterator[tuple[Printed, Cancellation, object]]:
    """A stage that has printed `ready`."""
    printed, cancel, session = Printed(), Cancellation(), ground.open(run)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(session.execute, spec, output=printed, cancel=cancel)
        try:
            printed.await_text(b"ready")
            yield printed, cancel, running
        finally:
            cancel.cancel("the test is over")


def test_layers_go_through_the_swarm_itself_from_node_to_node_and_from_runner_to_runner(
    on: MakeGround, swarm: Swarm
) -> None:
    first, second = (on(f"node.hostname=={name}", doors=True) for name in ("node2", "node3"))
    run = first.identity()
    session = first.open(run)
    session.workspace.fill("source", iter([tar_of({"kept": b"k", "gone": b"g", "d": None, "d/old": b"o"})]))
    script = "rm gone; rm -r d; mkdir d; echo new > d/new; head -c 3000000 /dev/urandom > big; sha256sum < big"
    ended, printed = first.run(session, first.shell(script, stage="a", view=View(layer="a", below=("source",))))
    assert (ended.code, whereabouts(swarm, run, "a")) == (0, ["node2"])
    session.park()
    later = second.open(run)
    view = View(layer="b", below=("a", "source"))
    ended, seen = second.run(later, second.shell("find . -type f | sort; sha256sum < big", stage="b", view=view))
    assert seen.out.decode().splitlines() == ["./big", "./d/new", "./kept", printed.out.decode().strip()]
    assert whereabouts(swarm, run, "b") == ["node3"]
    assert [item.path for item in later.workspace.read(view, ["d/*"])] == ["d/new"]
    later.close()
    assert second.executor.leftovers(second.settings.installation) == ()
    assert swarm.manager.docker("secret", "ls", "--quiet", "--filter", "label=io.ecluse.door") == ""


def test_what_a_stage_is_told_by_standard_input_shows_nowhere_in_the_swarm(on: MakeGround, swarm: Swarm) -> None:
    ground = on("node.hostname==node2", doors=True)
    run, secret = ground.identity(), b"vErY-sEcReT"
    printed, cancel, session = Printed(), Cancellation(), ground.open(run)
    with ThreadPoolExecutor(1) as pool:
        spec = ground.shell("read word; echo ready ${#word}; exec sleep 600", grace=0.5)
        running = pool.submit(session.execute, spec, output=printed, cancel=cancel, stdin=secret + b"\n")
        printed.await_text(b"ready 11")
        told = [swarm.manager.docker("service", "inspect", *swarm.manager.docker("service", "ls", "-q").split())]
        for node in swarm.nodes:
            found = node.docker("ps", "--all", "--quiet").split()
            told += [node.docker("inspect", *found)] if found else []
        cancel.cancel("seen")
        assert running.result().cancelled
    assert run.run in "".join(told)
    assert secret.decode() not in "".join(told)


def test_a_service_stands_beside_its_stage_on_the_same_node(on: MakeGround) -> None:
    ground = on("node.hostname==node3", doors=True)
    command = ("sh", "-c", "mkdir /w; echo moin > /w/index.html; exec httpd -f -p 8080 -h /w")
    service = ServiceDefinition(name="db", image=ground.image, command=command)
    ended, printed = ground.run(
        ground.open(), ground.shell("until wget -q -O - http://db:8080/; do sleep 0.1; done", services=(service,))
    )
    assert (ended.code, printed.out) == (0, b"moin\n")


def test_a_stage_whose_node_is_lost_runs_again_elsewhere_and_the_first_counts_no_more(
    on: MakeGround, swarm: Swarm
) -> None:
    lose_a_node(on, swarm, "cut")


def lose_a_node(on: MakeGround, swarm: Swarm, end: str) -> None:
    """In the middle of a stage: it is `cut` off, or it loses its power (`kill`)."""
    # a node that is cut off can still be reached here, past its network: what it says must not be believed
    ground = on("node.hostname!=node1", doors=end == "kill")
    run = ground.identity()
    before = ground.shell("echo moin > left", stage="before", view=View(layer="before"))
    session = ground.open(run)
    assert ground.run(session, before)[0].code == 0
    script = "cat left; echo ready; while :; do echo on >> trail; sleep 0.2; done"
    spec = ground.shell(script, stage="stage", view=View(layer="stage.1", below=("before",)))
    printed = Printed()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(session.execute, spec, output=printed, cancel=Cancellation())
        printed.await_text(b"ready")
        victim = swarm.node(whereabouts(swarm, run, "stage")[0])
        try:
            victim.kill() if end == "kill" else victim.host.cut()
            with pytest.raises(NodeLostError, match=f"node {victim.name} is lost"):
                running.result()
            again = ground.shell("cat left; ls", attempt=2, view=View(layer="stage.2", below=("before",)))
            ended, printed = ground.run(session, again)
            assert (ended.code, printed.out) == (0, b"moin\nleft\n")
            session.close()
        finally:
            victim.restart() if end == "kill" else victim.host.mend()
            swarm.await_nodes(3)
    # its service is gone: the node hears of it, and what held the place there ends what still runs
    eventually(lambda: None if containers(victim, run, "stage", running=True) else True, seconds=60, what="its end")
    left = ground.executor.leftovers(ground.settings.installation)
    assert {item.name.rpartition("@")[2] for item in left} == {victim.name}
    ground.executor.remove(left)
    assert ground.executor.leftovers(ground.settings.installation) == ()


def test_a_stage_ends_with_the_service_that_holds_its_place(on: MakeGround, swarm: Swarm) -> None:
    ground = on()
    run = ground.identity()
    with under_way(ground, run, ground.shell("echo ready; exec sleep 600", grace=0.5)) as (_, _, running):
        node = swarm.node(whereabouts(swarm, run, "stage")[0])
        holding = swarm.manager.docker("service", "ls", "--quiet", "--filter", f"label={LABEL_RUN}={run.run}")
        swarm.manager.docker("service", "rm", holding)
        with pytest.raises(NodeLostError, match=f"its service on {node.name} was removed"):
            running.result()  # type: ignore[attr-defined]
        eventually(lambda: None if containers(node, run, "stage", running=True) else True, seconds=30, what="its end")


SPEAKS_ON = "cat left; echo line 1; echo x > made; sleep 2; echo line 2; printf 'line 3 without end'; exit 6"


def test_a_runner_that_was_killed_is_followed_by_one_that_attaches(on: MakeGround, swarm: Swarm) -> None:
    ground = on(doors=True)
    run = _killed(ground, SPEAKS_ON)
    place = whereabouts(swarm, run, "stage")
    found = [containers(swarm.node(name), run, "stage") for name in place]
    session = ground.open(run)
    spec = ground.shell(SPEAKS_ON, view=View(layer="stage", below=("before",)))
    ended, printed = ground.run(session, spec)
    assert (ended.code, printed.out) == (6, b"moin\nline 1\nline 2\nline 3 without end")
    assert (printed.replays, whereabouts(swarm, run, "stage")) == (1, place)
    assert [containers(swarm.node(name), run, "stage") for name in place] == found
    following = ground.shell("cat made left", stage="after", view=View(layer="after", below=("stage", "before")))
    assert ground.run(session, following)[1].out == b"x\nmoin\n"
    session.close()
    assert ground.executor.leftovers(ground.settings.installation) == ()


def test_nobody_takes_up_a_stage_whose_place_is_gone(on: MakeGround, swarm: Swarm) -> None:
    ground = on()
    run = _killed(ground, "echo line 1; exec sleep 600")
    place = swarm.node(whereabouts(swarm, run, "stage")[0])
    for task in place.docker("ps", "--quiet", "--filter", "label=io.ecluse.role=berth").split():
        place.docker("kill", task)
    listing = (
        "service",
        "ls",
        "--quiet",
        "--filter",
        f"label={LABEL_STAGE}=stage",
        "--filter",
        f"label={LABEL_RUN}={run.run}",
    )
    holding = swarm.manager.docker(*listing)
    states = ("service", "ps", "--format", "{{.CurrentState}}", holding)
    eventually(lambda: "Failed" in swarm.manager.docker(*states) or None, seconds=30, what="the swarm to notice")
    spec = ground.shell("echo line 1; exec sleep 600", view=View(layer="stage", below=("before",)))
    session = ground.open(run)
    with pytest.raises(NodeLostError, match=f"the place of stage 'stage' on {place.name} is lost"):
        ground.run(session, spec)
    session.close()
    assert ground.executor.leftovers(ground.settings.installation) == ()


def test_a_stage_waits_for_its_place_and_can_be_cancelled_while_it_does(on: MakeGround) -> None:
    ground = on("node.labels.none==such")
    session, printed, cancel = ground.open(), Printed(), Cancellation()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(session.execute, ground.shell("true"), output=printed, cancel=cancel)
        eventually(lambda: printed.notes or None, seconds=30, what="a note")
        cancel.cancel("a person")
        assert running.result().cancelled
    assert printed.notes[0].startswith("waiting for a place in the swarm: no suitable node")
    session.close()
    assert ground.executor.leftovers(ground.settings.installation) == ()


def test_room_that_no_node_can_ever_give_is_refused_at_once(on: MakeGround) -> None:
    ground = on()
    spec = ground.shell("true", resources=Resources(cpu=9999))
    with pytest.raises(EngineError, match="stage 'stage': no node of the swarm has 9999 processors: the largest is"):
        ground.run(ground.open(), spec)


def test_an_image_that_only_the_manager_has_is_handed_to_the_node(on: MakeGround, swarm: Swarm) -> None:
    ground = on("node.hostname==node2")
    name = f"ecluse-test/{ground.settings.installation[:12]}:1"
    swarm.manager.docker("pull", "--quiet", ground.image)
    made = swarm.manager.docker("create", ground.image, "true")
    swarm.manager.docker("commit", "--change", "ENV MADE=here", made, name)
    try:
        ended, printed = ground.run(ground.open(), ground.shell("echo $MADE", image=name))
        assert (ended.code, printed.out) == (0, b"here\n")
        assert f"image {name} handed to node node2" in printed.notes
    finally:
        swarm.manager.docker("rm", made)
        for node in swarm.nodes[:2]:
            subprocess.run(["docker", "-H", node.url, "rmi", "--force", name], capture_output=True, check=False)


def test_an_engine_that_is_no_manager_is_refused(on: MakeGround, swarm: Swarm) -> None:
    settings = on().settings
    worker = ground_of(replace(settings, docker_host=swarm.nodes[1].url), "")
    with pytest.raises(EngineError, match="needs a manager: the engine there is a worker of a swarm"):
        worker.executor.probe()


def _killed(ground: Ground, script: str) -> RunIdentity:
    """A run whose runner was killed with -9 when its second stage had printed."""
    run = ground.identity()
    facts = {key: value for key, value in asdict(ground.settings).items() if key in _GIVEN}
    command = [sys.executable, "-m", "contracts.swarm_runner", json.dumps(facts, default=str)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(["tests", "."])}
    with subprocess.Popen(
        [*command, run.run, ground.image, script], cwd=ROOT, env=variables, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        while (line := process.stdout.readline()) != b"line 1\n":
            assert line
        process.send_signal(signal.SIGKILL)
    return run


_GIVEN = ("home", "docker_host", "swarm_image", "swarm_constraints", "swarm_socket", "swarm_engines", "grace")
