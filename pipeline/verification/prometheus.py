"""A Prometheus check: one number by a query of the HTTP API, held against bounds or against the old version's."""

from __future__ import annotations

import json
import math
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from http.client import HTTPException
from time import monotonic
from typing import Any
from urllib.parse import urlencode

from pipeline.model.check import DEFAULT_TIMEOUT, Against, Answer, Comparison, PrometheusCheck, Verdict
from pipeline.model.check_keys import QUERY_WORD
from pipeline.model.duration import spell_duration
from pipeline.verification.http import fetch
from pipeline.verification.versions import Version

_SAFE = re.compile(r"[A-Za-z0-9_.:/@|\[\]-]*")
"""What may be put into the label of a query: it needs no quoting, and nothing in it ends the text."""


class _NoNumberError(Exception):
    """Why a query gave no number: `verdict` is inconclusive where there is no data, error where nobody could say."""

    def __init__(self, *, verdict: Verdict, seen: str) -> None:
        super().__init__(seen)
        self.verdict = verdict
        self.seen = seen


def ask_prometheus(
    check: PrometheusCheck, new: Version, old: Version | None, *, before: datetime | None, certificates: str = ""
) -> Answer:
    """Ask once; an answer with `inconclusive` says that there is no data. `before`: when the new version began."""
    began = monotonic()
    query = check.query
    try:
        query = filled(check.query, new.words)
        value = _number(check, query, at=None, certificates=certificates)
        if check.against is None:
            return _judged(check, value, None, query, began)
        if old is None:
            seen = f"{_spell(value)}, and nothing ran before to compare it with"
            return Answer(
                verdict=Verdict.PASS,
                seen=seen,
                wanted="",
                seconds=monotonic() - began,
                value=_kept(value),
                query=query,
            )
        at = before if check.against is Against.BEFORE else None
        try:
            baseline = _number(check, filled(check.query, old.words), at=at, certificates=certificates)
        except _NoNumberError as error:
            raise _NoNumberError(verdict=error.verdict, seen=f"the old version: {error.seen}") from error
        return _judged(check, value, baseline, query, began)
    except _NoNumberError as error:
        spent = monotonic() - began
        wanted = "" if error.verdict is Verdict.ERROR else _wanted(check)
        return Answer(verdict=error.verdict, seen=error.seen, wanted=wanted, seconds=spent, query=query)


def filled(query: str, words: Mapping[str, str]) -> str:
    """The query with the words of a version in the place of `$release` and its like."""

    def word(found: re.Match[str]) -> str:
        value = words.get(found[1], "")
        if not value:
            raise _NoNumberError(verdict=Verdict.INCONCLUSIVE, seen=f"the target does not say ${found[1]}")
        if not _SAFE.fullmatch(value):
            raise _NoNumberError(verdict=Verdict.ERROR, seen=f"${found[1]} is {value!r}, which no query can hold")
        return value

    return QUERY_WORD.sub(word, query)


def compare(value: float, baseline: float, comparison: Comparison) -> float:
    """The number that must be in bounds. Over a baseline of nothing: nothing is 1, anything else is infinite."""
    if comparison is Comparison.DIFFERENCE:
        return value - baseline
    if baseline == 0:
        return 1.0 if value == 0 else math.copysign(math.inf, value)
    return value / baseline


def _judged(check: PrometheusCheck, value: float, baseline: float | None, query: str, began: float) -> Answer:
    seen, judged = _spell(value), value
    if baseline is not None:
        judged = compare(value, baseline, check.comparison)
        seen = f"{_spell(value)} against {_spell(baseline)}: {check.comparison} {_spell(judged)}"
    answer = Answer(
        verdict=Verdict.PASS if check.bound.holds(judged) else Verdict.FAIL,
        seen=seen,
        wanted=_wanted(check),
        seconds=monotonic() - began,
        value=_kept(value),
        baseline=None if baseline is None else _kept(baseline),
        query=query,
    )
    if math.isnan(judged):  # infinity less infinity
        return replace(answer, verdict=Verdict.INCONCLUSIVE)
    return answer


def _wanted(check: PrometheusCheck) -> str:
    return str(check.bound) if check.against is None else f"{check.comparison} {check.bound}"


def _number(check: PrometheusCheck, query: str, *, at: datetime | None, certificates: str) -> float:
    """The one number that a query gives."""
    timeout = check.within or DEFAULT_TIMEOUT
    asked = {"query": query, "timeout": f"{max(round(timeout * 1000), 1)}ms"}
    if at is not None:
        asked["time"] = f"{at.timestamp():.3f}"
    try:
        answer = fetch(
            f"{check.url}/api/v1/query?{urlencode(asked)}",
            timeout=timeout,
            certificates=certificates,
            headers={"Accept": "application/json"},
        )
    except (OSError, HTTPException) as error:
        raise _NoNumberError(verdict=Verdict.ERROR, seen=_unanswered(check, error, timeout)) from error
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    if answer.status != 200 or not isinstance(document, dict) or document.get("status") != "success":
        raise _NoNumberError(verdict=Verdict.ERROR, seen=_refused(check, answer.status, document))
    return _value_in(document.get("data"))


def _value_in(data: Any) -> float:
    """The number of an instant vector of one series, or of a scalar."""
    kind, result = (data.get("resultType"), data.get("result")) if isinstance(data, dict) else (None, None)
    if kind == "vector" and isinstance(result, list):
        if not result:
            raise _NoNumberError(verdict=Verdict.INCONCLUSIVE, seen="no data")
        if len(result) > 1:
            words = f"the query gives {len(result)} series and must give one: sum(…) or max(…) makes one of them"
            raise _NoNumberError(verdict=Verdict.ERROR, seen=words)
        pair = result[0].get("value") if isinstance(result[0], dict) else None
    elif kind == "scalar":
        pair = result
    else:
        raise _NoNumberError(verdict=Verdict.ERROR, seen=f"the query gives a {str(kind)[:20]}, and must give a number")
    try:
        number = float(pair[1])  # type: ignore[index]
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise _NoNumberError(verdict=Verdict.ERROR, seen="Prometheus gives no number") from error
    if math.isnan(number):
        raise _NoNumberError(verdict=Verdict.INCONCLUSIVE, seen="no data (NaN)")
    return number


def _unanswered(check: PrometheusCheck, error: Exception, timeout: float) -> str:
    match error:
        case TimeoutError():
            why = f"no answer within {spell_duration(timeout)}"
        case ConnectionRefusedError():
            why = "connection refused"
        case socket.gaierror():
            why = f"the name is not known ({error.strerror})"
        case ssl.SSLCertVerificationError():
            why = f"certificate not trusted ({error.verify_message})"
        case _:
            why = f"no proper answer ({str(error) or type(error).__name__})"
    return f"Prometheus at {check.url}: {why}"


def _refused(check: PrometheusCheck, status: int, document: Any) -> str:
    """What Prometheus says is wrong, else the status; its words are cut."""
    said = document.get("error") if isinstance(document, dict) else None
    if isinstance(said, str) and said:
        return f"Prometheus refuses the query: {' '.join(said.split())[:200]}"
    if status == 200:
        return f"{check.url} does not answer like a Prometheus"
    return f"Prometheus at {check.url}: status {status}"


def _kept(value: float) -> float | None:
    """As it can be kept: JSON has no infinity."""
    return value if math.isfinite(value) else None


def _spell(value: float) -> str:
    return f"{value:.6g}"
