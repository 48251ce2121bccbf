"""What every executor promises: how a container starts, speaks, ends and is cleared away."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from contracts.ground import Ground, Printed, Visit

from pipeline.errors import UsageError
from pipeline.model.container import EXCHANGE, Network, Stream, View
from pipeline.ports.cancellation import Cancellation


@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param("true", 0, id="succeeds"),
        pytest.param("exit 42", 42, id="own-code"),
        pytest.param("kill -9 $$", 137, id="killed"),
        pytest.param("no-such-command-here", 127, id="not-found"),
    ],
)
def test_exit_code_is_the_processes_own(ground: Ground, script: str, code: int) -> None:
    ended, _ = ground.run(ground.open(), ground.shell(script))
    assert (ended.code, ended.cancelled, ended.out_of_memory) == (code, False, False)


def test_a_run_of_stages_has_each_its_own_outcome(ground: Ground) -> None:
    session = ground.open()
    codes = []
    for number in range(6):
        following = ground.shell(f"exit {number + 1}", stage=f"s{number + 1}")
        session.prepare(following)
        ended, _ = ground.run(session, ground.shell(f"exit {number}", stage=f"s{number}"))
        codes.append(ended.code)
    assert codes == list(range(6))


def test_stages_at_the_same_time_do_not_wait_for_each_other(ground: Ground) -> None:
    session = ground.open(lanes=4)
    together = [Printed() for _ in range(4)]
    cancels = [Cancellation() for _ in together]
    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(
                session.execute,
                ground.shell("echo here; exec sleep 600", stage=f"s{number}", grace=1.0),
                output=printed,
                cancel=cancel,
            )
            for number, (printed, cancel) in enumerate(zip(together, cancels, strict=True))
        ]
        for printed in together:
            printed.await_text(b"here")
        for cancel in cancels:
            cancel.cancel("enough seen")
        assert all(run.result().cancelled for run in runs)


def test_output_arrives_whole_and_in_order(ground: Ground) -> None:
    script = "seq 0 199999 | sed 's/$/ a line of some length/'"
    _, printed = ground.run(ground.open(), ground.shell(script))
    lines = printed.out.split(b"\n")
    assert len(lines) == 200_001
    assert lines == [b"%d a line of some length" % number for number in range(200_000)] + [b""]


@pytest.mark.parametrize(
    ("script", "out", "err"),
    [
        pytest.param("printf 'first\\nlast without end'", b"first\nlast without end", b"", id="unterminated"),
        pytest.param("echo one; echo two >&2", b"one\n", b"two\n", id="both-streams"),
        pytest.param("printf '\\000\\001\\377\\r\\n\\033[1m'", b"\x00\x01\xff\r\n\x1b[1m", b"", id="binary"),
        pytest.param("exec >&- 2>&-; exit 0", b"", b"", id="closes-its-output"),
        pytest.param("(sleep 0.2; echo late) & echo early; wait", b"early\nlate\n", b"", id="child-speaks-later"),
    ],
)
def test_output_is_what_was_printed(ground: Ground, script: str, out: bytes, err: bytes) -> None:
    _, printed = ground.run(ground.open(), ground.shell(script))
    assert (printed.out, printed.err) == (out, err)


def test_streams_keep_their_order_when_they_take_turns(ground: Ground) -> None:
    # each waits for longer than the other's line is under way, so the order of arrival is decided
    script = "for i in 1 2 3; do echo out$i; sleep 0.2; echo err$i >&2; sleep 0.2; done"
    _, printed = ground.run(ground.open(), ground.shell(script))
    said = [(stream, line) for stream, chunk in printed.chunks for line in chunk.splitlines()]
    assert said == [item for i in range(1, 4) for item in ((Stream.OUT, b"out%d" % i), (Stream.ERR, b"err%d" % i))]


@pytest.mark.parametrize(
    "size", [pytest.param(0, id="empty"), pytest.param(1000, id="small"), pytest.param(5_000_000, id="big")]
)
def test_stdin_is_read_to_its_end(ground: Ground, size: int) -> None:
    content = bytes(index * 7 % 251 for index in range(1000)) * (size // 1000)
    _, printed = ground.run(ground.open(), ground.shell("sha256sum; echo done"), stdin=content)
    assert printed.out == hashlib.sha256(content).hexdigest().encode() + b"  -\ndone\n"


def test_stdin_that_nobody_reads_hurts_nobody(ground: Ground) -> None:
    ended, _ = ground.run(ground.open(), ground.shell("exit 3"), stdin=b"x" * 1_000_000)
    assert ended.code == 3


def test_stdin_comes_back_while_it_is_written(ground: Ground) -> None:
    content = b"0123456789abcdef" * 250_000
    _, printed = ground.run(ground.open(), ground.spec("cat"), stdin=content)
    assert printed.out == content


def test_environment_and_workdir_are_those_of_the_stage(ground: Ground) -> None:
    session = ground.open()
    spec = ground.shell('echo "$WHO|$TWO"; pwd', environment={"WHO": "a 'b' $c", "TWO": "1\n2"})
    _, printed = ground.run(session, spec)
    assert printed.out.startswith(b"a 'b' $c|1\n2\n")
    if ground.docker:
        assert printed.out.endswith(b"\n/workspace\n")


def test_git_trusts_the_workspace(ground: Ground) -> None:
    _, printed = ground.run(ground.open(), ground.shell('echo "$GIT_CONFIG_COUNT $GIT_CONFIG_KEY_0"'))
    assert printed.out == b"1 safe.directory\n"


def test_cancel_lets_a_stage_end_in_order(ground: Ground) -> None:
    session, printed, cancel = ground.open(), Printed(), Cancellation()
    script = "trap 'echo tidied; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(session.execute, ground.shell(script, grace=30.0), output=printed, cancel=cancel)
        printed.await_text(b"ready")
        cancel.cancel("a person")
        ended = run.result()
    assert (ended.code, ended.cancelled, printed.out) == (7, True, b"ready\ntidied\n")


def test_cancel_ends_a_stage_that_will_not(ground: Ground) -> None:
    session, printed, cancel = ground.open(), Printed(), Cancellation()
    with ThreadPoolExecutor(1) as pool:
        spec = ground.shell("trap '' TERM; echo ready; while :; do sleep 0.05; done", grace=0.5)
        run = pool.submit(session.execute, spec, output=printed, cancel=cancel)
        printed.await_text(b"ready")
        cancel.cancel("timeout", timed_out=True)
        began = time.monotonic()
        ended = run.result()
    assert ended.cancelled
    assert ended.code == 137
    assert time.monotonic() - began >= 0.5


def test_cancel_reaches_children(ground: Ground) -> None:
    session, printed, cancel = ground.open(), Printed(), Cancellation()
    with ThreadPoolExecutor(1) as pool:
        spec = ground.shell("sleep 600 & sleep 600 & echo ready; wait", grace=0.5)
        run = pool.submit(session.execute, spec, output=printed, cancel=cancel)
        printed.await_text(b"ready")
        cancel.cancel("a person")
        assert run.result().cancelled


def test_what_is_cancelled_before_does_not_start(ground: Ground) -> None:
    cancel, printed = Cancellation(), Printed()
    cancel.cancel("too late")
    ended = ground.open().execute(ground.shell("echo started"), output=printed, cancel=cancel)
    assert (ended.cancelled, printed.out) == (True, b"")


def test_one_cancellation_ends_only_its_own(ground: Ground) -> None:
    session = ground.open(lanes=2)
    first, second = Printed(), Printed()
    stop_first, stop_second = Cancellation(), Cancellation()
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(session.execute, ground.shell("echo up; exec sleep 600", stage=name), output=out, cancel=stop)
            for name, out, stop in (("a", first, stop_first), ("b", second, stop_second))
        ]
        first.await_text(b"up")
        second.await_text(b"up")
        stop_first.cancel("only this one")
        assert runs[0].result().cancelled
        assert not runs[1].done()
        stop_second.cancel("enough")
        assert runs[1].result().cancelled


def test_a_found_layer_serves_the_next_step_of_a_stage(ground: Ground) -> None:
    session = ground.open()
    ground.run(session, ground.shell("echo from-step-1 > note", step="one"))
    _, printed = ground.run(session, ground.shell("cat note", step="two"))
    assert printed.out == b"from-step-1\n"


def test_close_leaves_nothing(ground: Ground) -> None:
    session = ground.open()
    session.prepare(ground.shell("true", stage="never-run"))
    for number in range(3):
        ground.run(session, ground.shell("echo x > f", stage=f"s{number}"))
    session.close()
    session.close()
    assert ground.executor.leftovers(ground.settings.installation) == ()


def test_close_without_any_use_leaves_nothing(ground: Ground) -> None:
    ground.open().close()
    assert ground.executor.leftovers(ground.settings.installation) == ()


def test_probe_says_what_is_there(ground: Ground) -> None:
    info = ground.executor.probe()
    assert info.name == ground.kind.split()[0]
    assert info.workspace == {"docker overlay": "overlay", "docker copy": "copy", "swarm": "overlay"}.get(
        ground.kind, "directory"
    )


@pytest.mark.parametrize("network", list(Network))
def test_every_network_lets_a_stage_run(ground: Ground, network: Network) -> None:
    session = ground.open()
    codes = [ground.run(session, ground.shell("exit 5", stage=f"s{n}", network=network))[0].code for n in range(2)]
    assert codes == [5, 5]


def test_threads_end_with_the_session(ground: Ground) -> None:
    before = set(threading.enumerate())
    session = ground.open()
    ground.run(session, ground.shell("true"))
    session.close()
    left: list[Any] = [thread for thread in set(threading.enumerate()) - before if not thread.daemon]
    assert left == []


# --- visitors and the exchange folder ---------------------------------------------------------------------------------


def test_a_visitor_brings_files_before_the_start(ground: Ground, tar: Any) -> None:
    visit = Visit(
        puts={"cache/deep": tar({"a": b"1", "sub": None, "sub/b.sh": b"echo ran\n"}), ".": tar({"top": b"t"})}
    )
    script = "cat cache/deep/a top; sh cache/deep/sub/b.sh; echo more >> cache/deep/a; mkdir cache/own"
    session = ground.open()
    ended, printed = ground.run(session, ground.shell(script), visitor=visit)
    assert (ended.code, printed.out) == (0, b"1tran\n")
    kept = {item.path: item.content.read() for item in session.workspace.read(View(layer="stage"), ["**"])}
    assert kept == {"cache/deep/a": b"1more\n", "cache/deep/sub/b.sh": b"echo ran\n", "top": b"t"}


def test_a_visitor_adds_to_a_folder_of_the_source(ground: Ground, tar: Any) -> None:
    session = ground.open()
    session.workspace.fill("source", io.BytesIO(tar({"d": None, "d/old": b"old", "d/same": b"before"})))
    visit = Visit(puts={"d": tar({"new": b"new", "same": b"after"})}, gets=("d",))
    spec = ground.shell("cat d/old d/new d/same", view=View(layer="stage", below=("source",)))
    assert ground.run(session, spec, visitor=visit)[1].out == b"oldnewafter"
    assert visit.found == {"d": {"d/old": b"old", "d/new": b"new", "d/same": b"after"}}


def test_a_visitor_sees_what_a_stage_left(ground: Ground) -> None:
    visit = Visit(gets=("out", "out/one", "out/none", "none", "../etc"))
    script = "mkdir -p out/deep; echo 1 > out/one; echo 2 > out/deep/two; echo 3 > 'out/ä ö'; exit 4"
    ground.run(ground.open(), ground.shell(script), visitor=visit)
    assert [item.code for item in visit.endings] == [4]
    assert visit.found["out"] == {"out/one": b"1\n", "out/deep/two": b"2\n", "out/ä ö": b"3\n"}
    assert (visit.found["out/one"], visit.found["out/none"], visit.found["none"]) == ({"one": b"1\n"}, None, None)


def test_a_visitor_comes_also_after_a_cancel(ground: Ground) -> None:
    session, printed, cancel, visit = ground.open(), Printed(), Cancellation(), Visit(gets=("half",))
    with ThreadPoolExecutor(1) as pool:
        spec = ground.shell("echo x > half; echo ready; exec sleep 600", grace=0.5)
        run = pool.submit(session.execute, spec, output=printed, cancel=cancel, visitor=visit)
        printed.await_text(b"ready")
        cancel.cancel("a person")
        assert run.result().cancelled
    assert visit.found == {"half": {"half": b"x\n"}}


def test_links_lead_no_visitor_out_of_a_workspace(ground: Ground, tar: Any) -> None:
    session = ground.open()
    session.workspace.fill("source", io.BytesIO(tar({"d": None, "d/etc": "-> /etc", "file": b"f"})))
    visit = Visit(gets=("d/etc/passwd", "d/etc"))
    spec = ground.shell("true", view=View(layer="stage", below=("source",)))
    ground.run(session, spec, visitor=visit)
    if not ground.docker:  # in a container it is the container's own
        assert visit.found["d/etc/passwd"] is None
    assert visit.found["d/etc"] == {}


def test_absolute_paths_are_the_containers_or_nobodys(ground: Ground, tar: Any) -> None:
    visit = Visit(puts={"/var/cache/own/deep": tar({"a": b"1"})}, gets=("/var/cache/own", "/no/such"))
    spec = ground.shell("cat /var/cache/own/deep/a; echo 2 > /var/cache/own/b", user="1000" if ground.docker else None)
    if not ground.docker:
        with pytest.raises(UsageError, match="outside the workspace"):
            ground.run(ground.open(), spec, visitor=visit)
        visit = Visit(gets=("/etc/passwd", "/workspace"))
        ground.run(ground.open(), ground.shell("echo x > f"), visitor=visit)
        assert visit.found == {"/etc/passwd": None, "/workspace": {"workspace/f": b"x\n"}}
        return
    assert ground.run(ground.open(), spec, visitor=visit)[1].out == b"1"
    assert visit.found == {"/var/cache/own": {"own/deep/a": b"1", "own/b": b"2\n"}, "/no/such": None}


@pytest.mark.parametrize("hardened", [False, True])
def test_the_exchange_folder_is_for_every_user(ground: Ground, hardened: bool) -> None:
    session = ground.open()
    for number, user in enumerate((None, "1000")):
        visit = Visit(gets=(f"{EXCHANGE}/output", f"{EXCHANGE}/none"))
        spec = ground.shell(
            'echo "$N" >> "$OUTPUT"; ls "$FOLDER"',
            stage=f"s{number}",
            user=user if ground.docker else None,
            exchange=True,
            hardened=hardened,
            environment={"OUTPUT": f"{EXCHANGE}/output", "FOLDER": EXCHANGE, "N": str(number)},
        )
        session.prepare(spec)
        ended, printed = ground.run(session, spec, visitor=visit)
        assert (ended.code, printed.out, printed.err) == (0, b"output\n", b"")
        assert visit.found == {f"{EXCHANGE}/output": {"output": b"%d\n" % number}, f"{EXCHANGE}/none": None}
    session.close()
    assert ground.executor.leftovers(ground.settings.installation) == ()


# --- release and keep -------------------------------------------------------------------------------------------------


def test_release_may_come_at_any_time(ground: Ground) -> None:
    session = ground.open()
    session.release("never-seen")
    for attempt in (1, 2):
        spec = ground.shell("echo x > f", attempt=attempt, view=View(layer=f"stage.{attempt}"))
        ground.run(session, spec)
    session.release("stage")
    session.release("stage")
    assert ground.run(session, ground.shell("exit 3", stage="next"))[0].code == 3
    session.close()
    session.release("next")
    assert ground.executor.leftovers(ground.settings.installation) == ()


def test_what_is_kept_outlives_the_run_until_it_is_removed(ground: Ground) -> None:
    run = ground.identity()
    session = ground.open(run)
    ground.run(session, ground.shell("echo one > f", stage="first"))
    ground.run(session, ground.shell("echo two > f; exit 2", stage="second"))
    session.keep("second")
    session.keep("never-seen")
    session.release("first")
    session.release("second")
    session.close()
    found = ground.executor.leftovers(ground.settings.installation)
    assert found
    assert all(item.kept is not None and item.run == run.run for item in found)
    ground.executor.remove(found)
    assert ground.executor.leftovers(ground.settings.installation) == ()


def test_what_a_parked_run_left_is_known_until_it_is_removed(ground: Ground) -> None:
    run = ground.identity()
    session = ground.open(run)
    ground.run(session, ground.shell("echo 1 > a", stage="a"))
    session.park()
    assert ground.executor.lost(run, ["stage.9"]) == {"stage.9"}
    assert ground.executor.lost(run, ["a", "stage.9"]) == {"stage.9"}
    ground.open(run).close()
    assert ground.executor.lost(run, ["a", "stage.9"]) == {"a", "stage.9"}
