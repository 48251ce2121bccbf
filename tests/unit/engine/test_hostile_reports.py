"""Reports that somebody wrote to do harm: each is read or refused in words, within a bound of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from pipeline.engine import coverage, junit, sarif
from pipeline.errors import StorageError

MEGABYTE = 1 << 20
HUGE = "9" * 5000


def sarif_of(*results: object, **run: object) -> bytes:
    return json.dumps({"runs": [{"results": results, **run}]}).encode()


def chained(depth: int) -> bytes:
    """Ten arguments in each argument, again and again: as text it would be ten to the depth."""
    arguments = [f"{{{number + 1}}}" * 10 for number in range(depth)] + ["x" * 1000]
    rule = {"id": "r", "messageStrings": {"m": {"text": "{0}"}}}
    result = {"ruleId": "r", "message": {"id": "m", "arguments": arguments}}
    return sarif_of(result, tool={"driver": {"rules": [rule]}})


@pytest.mark.parametrize(
    ("read", "content"),
    [
        pytest.param(junit.read, '<testsuite tests="²"/>'.encode(), id="a digit that is no number"),
        pytest.param(junit.read, f'<testsuite tests="{HUGE}"/>'.encode(), id="a number without end"),
        pytest.param(junit.read, '<testsuite><testcase line="٣"/></testsuite>'.encode(), id="another script's line"),
        pytest.param(junit.read, f'<testsuite><testcase line="{HUGE}"/></testsuite>'.encode(), id="an endless line"),
        pytest.param(junit.read, b'<testsuite><testcase time="nan"/></testsuite>', id="no time"),
        pytest.param(junit.read, b'<testsuite><testcase time="1e999"/></testsuite>', id="an endless time"),
        pytest.param(coverage.read, '<coverage lines-covered="²" lines-valid="1"/>'.encode(), id="covered digit"),
        pytest.param(coverage.read, f"SF:a\nDA:1,{HUGE}\n".encode(), id="endless executions"),
        pytest.param(coverage.read, f"SF:a\nLF:{HUGE}\nLH:1\n".encode(), id="endless sums"),
        pytest.param(sarif.read, sarif_of({"properties": {"security-severity": 10**400}}), id="an endless severity"),
        pytest.param(sarif.read, b'{"runs":[{"results":[{"properties":{"security-severity":NaN}}]}]}', id="NaN"),
        pytest.param(sarif.read, b'{"runs":[{"results":[{"locations":[{"physicalLocation":{"artifactLocation":'
                     b'{"uri":"file://[/../../etc/passwd"}}}]}]}]}', id="a broken address"),
    ],
)  # fmt: skip
def test_odd_values_are_no_values(read: Callable[..., object], content: bytes) -> None:
    found = read(content, file="report")
    assert len(str(found)) < 1000


@pytest.mark.parametrize(
    ("read", "content", "words"),
    [
        pytest.param(
            junit.read,
            b'<!DOCTYPE t [<!ATTLIST testcase name CDATA "'
            + b"A" * 100_000
            + b'">]><testsuite><testcase/></testsuite>',
            "declares entities or attributes",
            id="an attribute that every test gets",
        ),
        pytest.param(junit.read, b"<a>" * 300_000, "not well-formed", id="tags without end"),
        pytest.param(
            junit.read, b"<t>" + b"<a/>" * 500_000 + b"</t>", "more than 500,000 elements", id="tags without number"
        ),
        pytest.param(
            junit.read, b'<t a="' + b"x" * 9 * MEGABYTE + b'"/>', "a tag of more than", id="a tag without end"
        ),
        pytest.param(junit.read, b"<t>" + b" " * 64 * MEGABYTE, "has more than", id="bytes without end"),
        pytest.param(junit.read, b'<?xml version="1.0" encoding="utf-7"?><t/>', "not well-formed", id="utf-7"),
        pytest.param(sarif.read, b'{"runs":' + b"[" * 2_000_000, "is not JSON", id="lists within lists"),
        pytest.param(sarif.read, b'{"runs":[' + b"[]," * 2_100_000 + b"[]]}", "too many values", id="lists"),
        pytest.param(sarif.read, sarif_of(*[{}] * 10_001), "more than 10,000 results", id="results"),
        pytest.param(sarif.read, f'{{"runs":[{HUGE}]}}'.encode(), "is not JSON", id="a number without end"),
    ],
)
def test_too_much_is_refused(read: Callable[..., object], content: bytes, words: str) -> None:
    with pytest.raises(StorageError) as raised:
        read(content, file="report")
    assert words in raised.value.message
    assert raised.value.hint
    assert len(raised.value.message) < 500


def test_a_message_is_filled_once() -> None:
    [found] = sarif.read(chained(30), file="report")
    assert found.message == "{1}" * 10


def test_what_no_encoding_can_write_is_replaced() -> None:
    result = {"ruleId": "r\ud800", "message": {"text": "m\udfff"}}
    [found] = sarif.read(sarif_of(result, tool={"driver": {"name": "t\ud800\ud800"}}), file="report")
    assert (found.rule, found.message, found.tool) == ("r\ufffd", "m\ufffd", "t\ufffd\ufffd")


def test_a_document_type_that_others_know_is_no_declaration() -> None:
    said = b'<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">'
    found = coverage.read(said + b'<coverage lines-covered="1" lines-valid="2"/>', file="coverage.xml")
    assert (found.covered, found.total) == (1, 2)
    [case] = junit.read(
        b"<testsuite><testcase><failure><![CDATA[<!ENTITY a>]]></failure></testcase></testsuite>", file="r.xml"
    ).cases
    assert case.details == "<!ENTITY a>"


CHILD = r"""
import re, resource, sys
from pipeline.engine import coverage, junit, sarif
from pipeline.errors import StorageError
import junitparser
def peak():  # of this program alone: getrusage has also that of the one which started it
    return int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]) * 1024
kind, begin, again, end = sys.argv[1:]
size = 20 << 20
content = begin.encode() + again.encode() * (size // len(again)) + end.encode()
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
before = peak()
try:
    {"junit": junit, "coverage": coverage, "sarif": sarif}[kind].read(content, file="report")
    said = "read"
except StorageError as error:
    said = "refused: " + error.message[:200]
print(said)
print((peak() - before) / size)
"""


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        pytest.param(("junit", "<testsuite>", "<testcase/>", "</testsuite>"), "refused", id="tests"),
        pytest.param(
            ("junit", "<testsuite>", f"<testcase><failure message='{'m' * 60}'/></testcase>", "</testsuite>"),
            "read",
            id="failures",
        ),
        pytest.param(("junit", "<testsuite>", "x" * 100, "</testsuite>"), "read", id="text"),
        pytest.param(("junit", "<testsuite ", 'a="" ', "/>"), "refused", id="attributes"),
        pytest.param(("junit", "", "<a>", ""), "refused", id="depth"),
        pytest.param(("coverage", "<coverage>", '<line number="1"/>', "</coverage>"), "read", id="lines"),
        pytest.param(("coverage", "", "SF:a\nDA:1,1\n", ""), "read", id="lcov"),
        pytest.param(("sarif", '{"runs":[', "[],", "[]]}"), "refused", id="lists"),
        pytest.param(("sarif", '{"runs":[{"results":[', '{"level":"note"},', "{}]}]}"), "refused", id="results"),
        pytest.param(("sarif", '{"runs":[{"results":[{"message":{"text":"', "x" * 100, '"}}]}]}'), "read", id="text"),
    ],
)  # fmt: skip
def test_the_memory_for_a_file_is_bounded_by_its_size(words: tuple[str, ...], outcome: str) -> None:
    ended = subprocess.run([sys.executable, "-c", CHILD, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    said, times = ended.stdout.splitlines()
    assert said.startswith(outcome)
    assert float(times) < 12, f"{said}: {times} times its size"
