"""The runner over scripted containers: order, parallel work, conclusions, retries, cancelling, collecting."""

from __future__ import annotations

import pytest
from scripted_run import Play, Watcher, stage

from pipeline.engine.retrying import retry_pause
from pipeline.errors import EngineBusyError, ImageNotFoundError
from pipeline.executors.scripted import Scripted
from pipeline.model.container import ContainerSpec, Stream
from pipeline.model.definition import ArtifactRule, RetryRule, RunRule, When
from pipeline.model.outcome import errored, failed
from pipeline.model.status import Conclusion
from pipeline.ports.cancellation import Cancellation
from stages.run import KIND as RUN

JUNIT = (
    b'<testsuite tests="2"><testcase classname="a" name="ok"/>'
    b'<testcase classname="a" name="no">%s</testcase></testsuite>'
)


def test_a_chain_runs_in_order_and_succeeds(play: Play) -> None:
    played = play(stage("a"), stage("b", "a"), stage("c", "b"))
    assert played.conclusion is Conclusion.SUCCEEDED
    assert played.executor.journal == [(what, name) for name in "abc" for what in ("start", "end")]
    assert played.outcome("c") == ("succeeded", "exit 0")


def test_at_most_as_many_stages_at_a_time_as_asked_for(play: Play) -> None:
    names = [f"s{number}" for number in range(9)]
    script = {name: [Scripted(waits_for_starts=frozenset(names[:3]))] for name in names[:3]}
    played = play(*(stage(name) for name in names), script=script, parallel=3)
    assert played.executor.max_parallel == 3
    assert played.conclusion is Conclusion.SUCCEEDED


def test_a_stage_sees_the_layers_of_all_it_needs_nearest_first(play: Play) -> None:
    played = play(stage("a"), stage("b", "a"), stage("x"), stage("c", "b"))
    views = {item.spec.stage: item.spec.view for item in played.executor.executions}
    assert views["c"] is not None
    assert (views["c"].layer, views["c"].below) == ("c.1", ("b.1", "a.1"))
    assert views["x"] is not None
    assert views["x"].below == ()


def test_the_next_container_is_prepared_while_the_needed_one_runs_and_is_the_one_that_runs(play: Play) -> None:
    played = play(stage("a"), stage("b", "a"))
    ran = [item.spec.digest for item in played.executor.executions if item.spec.stage == "b"]
    assert [spec.digest for spec in played.executor.prepared] == ran


@pytest.mark.parametrize(
    ("result", "more", "expected"),
    [
        pytest.param(Scripted(code=3), {}, ("failed", "exit 3"), id="exit code"),
        pytest.param(Scripted(code=3), {"allow_failure": True}, ("warned", "exit 3, allowed"), id="allowed"),
        pytest.param(
            Scripted(error=ImageNotFoundError("image x:1 not found", hint="h")),
            {"allow_failure": True},
            ("errored", "image x:1 not found"),
            id="errored is never allowed",
        ),
        pytest.param(Scripted(code=137, out_of_memory=True), {}, ("failed", "out of memory"), id="out of memory"),
        pytest.param(Scripted(waits_for_cancel=True), {"timeout": 0.05}, ("timed_out", "timeout 50ms"), id="timeout"),
        pytest.param(
            Scripted(waits_for_cancel=True),
            {"timeout": 0.05, "allow_failure": True},
            ("warned", "timeout 50ms, allowed"),
            id="timeout allowed",
        ),
    ],
)
def test_how_a_container_ends_is_how_its_stage_ends(
    play: Play, result: Scripted, more: dict[str, object], expected: tuple[str, str]
) -> None:
    played = play(stage("a", **more), stage("b", "a"), script={"a": [result]})
    assert played.outcome("a") == expected
    satisfied = expected[0] == "warned"
    assert played.outcome("b") == (("succeeded", "exit 0") if satisfied else ("blocked", f"needs a: {expected[0]}"))


def test_stages_that_do_not_depend_on_a_failed_one_go_on(play: Play) -> None:
    played = play(stage("a"), stage("b"), stage("c", "b"), script={"a": [Scripted(code=1)]})
    assert played.conclusion is Conclusion.FAILED
    assert played.outcome("c") == ("succeeded", "exit 0")


def test_fail_fast_cancels_what_runs_and_what_waits_and_still_tells(play: Play) -> None:
    script = {
        "bad": [Scripted(code=1, waits_for_starts=frozenset({"long"}))],
        "long": [Scripted(waits_for_cancel=True)],
    }
    played = play(
        stage("bad"),
        stage("long"),
        stage("later", "long"),
        stage("tell", "later", "bad", when=When(run=RunRule.ON_FAILURE)),
        script=script,
        fail_fast=True,
    )
    assert played.outcome("long") == ("cancelled", "fail_fast: bad failed")
    assert played.outcome("later") == ("cancelled", "fail_fast: bad failed")
    assert played.outcome("tell") == ("succeeded", "exit 0")
    assert played.conclusion is Conclusion.FAILED


def test_cancelling_starts_nothing_more_and_ends_what_runs(play: Play) -> None:
    cancel = Cancellation()
    watcher = Watcher(on_output=lambda _stage, _text: cancel.cancel("interrupted"))
    script = {"a": [Scripted(output=[(Stream.OUT, b"hello\n")], waits_for_cancel=True)]}
    played = play(stage("a"), stage("b", "a"), stage("c", "b"), script=script, cancel=cancel, watcher=watcher)
    assert played.conclusion is Conclusion.CANCELLED
    assert [played.outcome(name) for name in "abc"] == [("cancelled", "interrupted")] * 3
    assert played.executor.starts == ("a",)


def test_transient_errors_are_tried_again_and_every_attempt_is_kept(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.engine.retrying.TRANSIENT_BACKOFF", 0.001)
    script = {"a": [Scripted(error=EngineBusyError("the engine hiccuped")), Scripted(output=[(Stream.OUT, b"ok\n")])]}
    played = play(stage("a"), script=script)
    assert played.outcome("a") == ("succeeded", "exit 0")
    assert played.watcher.attempts == [("a", 1, "the engine hiccuped"), ("a", 2, "exit 0")]
    assert played.runs.get("a").flaky
    assert b"ok" in played.log("a", 2)


@pytest.mark.parametrize(
    ("rule", "outcome", "number", "again"),
    [
        pytest.param(None, errored("x", transient=True), 2, True, id="transient, second retry"),
        pytest.param(None, errored("x", transient=True), 3, False, id="transient, no third"),
        pytest.param(None, errored("x"), 1, False, id="lasting error"),
        pytest.param(None, failed("exit 1"), 1, False, id="failed never by default"),
        pytest.param(RetryRule(max=1, on=("exit 75",)), failed("exit 75"), 1, True, id="by exit code"),
        pytest.param(RetryRule(max=1, on=("exit 75",)), failed("exit 75"), 2, False, id="max is further attempts"),
        pytest.param(RetryRule(max=1, on=("exit 75",)), failed("exit 7"), 1, False, id="another code"),
        pytest.param(RetryRule(max=1, on=("errored",)), errored("x"), 1, True, id="errored"),
        pytest.param(RetryRule(max=1, on=("reason: ready",)), errored("db was not ready"), 1, True, id="by reason"),
        pytest.param(RetryRule(max=1, on=("reason: ready",)), errored("disk full"), 1, False, id="another reason"),
    ],
)
def test_when_a_stage_is_tried_again(rule: RetryRule | None, outcome: object, number: int, again: bool) -> None:
    pause = retry_pause(rule, outcome, number=number, kind=RUN)  # type: ignore[arg-type]  # a table of outcomes
    assert (pause is not None) is again


@pytest.mark.parametrize(
    ("outputs", "codes", "attempts"),
    [
        pytest.param([b"connection re", b"set by peer\n"], [1, 0], 2, id="text cut in two"),
        pytest.param([b"connection reset"], [1, 0], 2, id="last line without an end"),
        pytest.param([b"connection refused\n"], [1], 1, id="another text"),
        pytest.param([b"connection reset\n"], [0], 1, id="success is never tried again"),
    ],
)
def test_a_text_in_the_log_is_a_reason_to_try_again(
    play: Play, outputs: list[bytes], codes: list[int], attempts: int
) -> None:
    script = {"a": [Scripted(code=code, output=[(Stream.OUT, chunk) for chunk in outputs]) for code in codes]}
    rule = RetryRule(max=3, on=("log: connection reset",), backoff=0.001)
    played = play(stage("a", retry=rule), script=script)
    assert played.outcome("a") == (("succeeded", "exit 0") if codes[-1] == 0 else ("failed", f"exit {codes[-1]}"))
    assert len(played.runs.get("a").attempts) == attempts


def test_after_commands_run_whatever_happened_and_change_nothing(play: Play) -> None:
    script = {"a/main": [Scripted(code=1)], "a/after": [Scripted(code=9)]}
    played = play(stage("a", after=("tidy",)), script=script)
    assert [item.spec.step for item in played.executor.executions] == ["main", "after"]
    assert played.outcome("a") == ("failed", "exit 1")


def test_secrets_arrive_by_standard_input_and_never_in_the_specification_or_the_log(play: Play) -> None:
    value = "s3cr3t-'quoted'-value"

    def leak(spec: ContainerSpec) -> Scripted:
        return Scripted(output=[(Stream.OUT, b"it is " + value.encode() + b"\n")])

    played = play(stage("a", secrets=("TOKEN",)), script=leak, secrets={"TOKEN": value})
    (execution,) = played.executor.executions
    assert b"export TOKEN=" in execution.stdin
    assert "s3cr3t" not in repr(execution.spec)
    assert b"it is ***" in played.log("a")
    assert b"it is ***\n" in played.watcher.text["a"]


def test_an_unknown_secret_is_an_error_that_says_where_to_put_it(play: Play) -> None:
    played = play(stage("a", secrets=("TOKEN",)))
    assert played.outcome("a") == ("errored", "stage 'a' asks for the secret 'TOKEN', which nobody knows")
    assert played.executor.executions == []


@pytest.mark.parametrize(
    ("report", "code", "expected"),
    [
        pytest.param(JUNIT % b"", 0, ("succeeded", "2 passed"), id="passed"),
        pytest.param(JUNIT % b"<failure/>", 0, ("failed", "1 test failed"), id="a failure beats exit 0"),
        pytest.param(JUNIT % b"<error/>", 1, ("failed", "1 test failed"), id="the tests say it better than the code"),
        pytest.param(JUNIT % b"", 2, ("failed", "exit 2"), id="exit code without failures"),
        pytest.param(None, 0, ("failed", "no report matches junit: r.xml"), id="missing"),
        pytest.param(b"<html/>", 0, ("failed", "report cannot be read: r.xml is not a JUnit report"), id="broken"),
        pytest.param(b'<testsuite tests="0"/>', 0, ("failed", "the reports hold no test"), id="empty"),
    ],
)
def test_a_test_stage_believes_its_reports(
    play: Play, report: bytes | None, code: int, expected: tuple[str, str]
) -> None:
    files = {"r.xml": report} if report is not None else {}
    played = play(
        stage("unit", kind="test", reports={"junit": ("r.xml",)}), script={"unit": [Scripted(code=code, files=files)]}
    )
    conclusion, reason = played.outcome("unit")
    assert conclusion == expected[0]
    assert reason.startswith(expected[1])


def test_artifacts_are_kept_by_digest_also_when_the_stage_failed(play: Play) -> None:
    rule = ArtifactRule(name="dist", paths=("dist/*.whl",))
    script = {"a": [Scripted(code=1, files={"dist/x.whl": b"wheel", "dist/readme": b"no"})]}
    played = play(stage("a", artifacts=(rule,)), script=script)
    (artifact,) = played.runs.get("a").products.artifacts
    assert (artifact.name, artifact.path, artifact.size) == ("dist", "dist/x.whl", 5)
    with played.storage.open(artifact.digest) as content:
        assert content.read() == b"wheel"


def test_commands_stand_in_the_script_behind_their_header(play: Play) -> None:
    played = play(stage("a", commands=("echo 'it''s'", "first\nsecond")))
    (execution,) = played.executor.executions
    assert execution.spec.command is not None
    shell, flag, dash, script = execution.spec.command
    assert (shell, flag, dash) == ("sh", "-e", "-c")
    lines = script.splitlines()
    assert lines[lines.index("echo 'it''s'") - 1].startswith("printf ")
    assert "first …" in script
