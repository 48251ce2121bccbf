"""Expressions by the Common Expression Language: typed, bounded, and closed where anything is in doubt."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.errors import UsageError
from pipeline.expressions.names import names_read
from pipeline.expressions.wording import problem_in_words, type_name
from pipeline.model.value import Value

MAX_TEXT: Final = 4096
"""Characters of an expression."""
MAX_FACT: Final = 64 * 1024
"""Characters of one fact's text: CEL copies them, and nested copies grow fast."""
MAX_ITEMS: Final = 20_000
_DOTTED: Final = ("commit.sha", "commit.short", "commit.message", "commit.author", "commit.time", "run.id")
_PLAIN: Final = ("event", "branch", "tag")
_FUNCTIONS: Final = ("slug", "env", "size", "has", "matches", "contains", "startsWith", "endsWith", "int", "string")
_VALUES: Final = (*_PLAIN, *_DOTTED, "run.number", "changed", "variables", "stages")


class CelExpressions:
    """`pipeline.ports.expressions.Expressions` over `cel-expr-python`; safe for several threads.

    `environment` is what `env(name)` may read: the variables that the machine's settings list, none on a server.
    The library is loaded at the first expression.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(environment or {})
        self._lock = threading.Lock()
        self._compiler: Any = None
        self._compiled: dict[str, Any] = {}

    def problem(self, text: str, *, condition: bool) -> str | None:
        """Why the text cannot be an expression, in one line, or None. A condition must give true or false."""
        if len(text) > MAX_TEXT:
            return f"it is longer than {MAX_TEXT:,} characters"
        try:
            compiled = self._compile(text)
        except RuntimeError as error:
            return problem_in_words(str(error), text, values=_VALUES, functions=_FUNCTIONS)
        given = compiled.return_type().name()
        if condition and given != "BOOL":
            words = "something that is known only later" if given == "DYN" else f"a {type_name(given)}"
            return f"it gives {words}, and a condition must give true or false"
        return None

    def names(self, text: str) -> frozenset[str]:
        """Dotted facts that the text reads; one that may be absent keeps its question mark (`variables.?A`)."""
        return names_read(text)

    def evaluate(self, text: str, facts: Mapping[str, Value]) -> Value:
        """The value; UsageError when the expression is wrong, fails, or runs out of its budget."""
        from cel_expr_python import cel

        problem = self.problem(text, condition=False)
        if problem is not None:
            raise _failure(text, problem)
        try:
            result = self._compile(text).eval(data=self._data(text, facts))
            if result.type() == cel.Type.ERROR:
                raise _failure(text, _reason(str(result.plain_value())))
            return _value(text, result.plain_value())
        except (RuntimeError, TypeError, OverflowError, UnicodeError) as error:
            raise _failure(text, _reason(str(error))) from error

    def _compile(self, text: str) -> Any:
        compiled = self._compiled.get(text)
        if compiled is None:
            with self._lock:
                if self._compiler is None:
                    self._compiler = self._new_compiler()
                compiled = self._compiled[text] = self._compiler.compile(text)
        return compiled

    def _new_compiler(self) -> Any:
        from cel_expr_python import cel
        from cel_expr_python.ext import ext_optional

        words = cel.Type.STRING
        variables = {
            **dict.fromkeys((*_PLAIN, *_DOTTED), words),
            "run.number": cel.Type.INT,
            "changed": cel.Type.List(words),
            "variables": cel.Type.Map(words, words),
            "stages": cel.Type.Map(words, cel.Type.Map(words, cel.Type.DYN)),
        }
        functions = [
            cel.FunctionDecl("slug", [cel.Overload("slug_string", words, [words], False, slug)]),
            cel.FunctionDecl("env", [cel.Overload("env_string", words, [words], False, self._env)]),
        ]
        return cel.NewEnv(variables=variables, extensions=[ext_optional.ExtOptional()], functions=functions)

    def _env(self, name: str) -> str:
        if name not in self._environment:
            raise ValueError(f"variable '{name}' of the host is not open to expressions")
        return self._environment[name]

    def _data(self, text: str, facts: Mapping[str, Value]) -> dict[str, Any]:
        roots = {name.split(".", 1)[0] for name in names_read(text)}
        data: dict[str, Any] = {}
        for root in roots:
            fact = facts.get(root)
            if fact is None:
                continue
            _bounded(text, root, fact)
            if root in ("commit", "run") and isinstance(fact, Mapping):
                data |= {f"{root}.{key}": value for key, value in fact.items() if value is not None}
            elif root == "stages" and isinstance(fact, Mapping):
                data[root] = _named(fact, names_read(text))
            else:
                data[root] = list(fact) if isinstance(fact, Sequence) and not isinstance(fact, str) else fact
        return data


def slug(text: str) -> str:
    """Lower-case letters, digits and single hyphens, at most 63: fit for tags and host names."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-")


def _named(stages: Mapping[str, Value], names: frozenset[str]) -> dict[str, Any]:
    """Only the stages that the expression names, or all where it walks over them."""
    wanted = {name.split(".")[1].lstrip("?") for name in names if name.startswith("stages.")}
    if "stages" in names:
        wanted = set(stages)
    return {name: dict(fact) for name, fact in stages.items() if name in wanted and isinstance(fact, Mapping)}


def _bounded(text: str, name: str, fact: Value) -> None:
    if isinstance(fact, str):
        if len(fact) > MAX_FACT:
            raise _failure(text, f"'{name}' is longer than {MAX_FACT:,} characters")
    elif isinstance(fact, Mapping):
        for key, item in fact.items():
            if f"{name}.{key}" in names_read(text) or name not in ("commit", "run"):
                _bounded(text, f"{name}.{key}", item)
    elif isinstance(fact, Sequence):
        if len(fact) > MAX_ITEMS:
            raise _failure(text, f"'{name}' has more than {MAX_ITEMS:,} items")
        for item in fact:
            _bounded(text, name, item)


def _value(text: str, value: Any) -> Value:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return tuple(_value(text, item) for item in value)
    if isinstance(value, dict):
        return {str(key): _value(text, item) for key, item in value.items()}
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise _failure(text, f"it gives a {type(value).__name__}, which no value of a pipeline can be")


def _reason(message: str) -> str:
    words = message.splitlines()[0] if message else "it failed"
    if "Iteration budget exceeded" in words:
        return "it loops too long"
    if found := re.search(r'Key not found in map : "?([^"]*)"?', words):
        return f"'{found[1]}' is not there"
    if found := re.search(r'No value with name "([^"]*)"', words):
        return f"'{found[1]}' is not known here"
    if "Unable to convert function return value" in words:
        return "it gives an optional; end it with .orValue(…)"
    return re.sub(r"^[A-Z_]+: ", "", words).removesuffix(" [INTERNAL]")[:200]


def _failure(text: str, reason: str) -> UsageError:
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 120 else shown[:117] + "…"
    return UsageError(
        f"the expression '{shown}' cannot be evaluated: {reason}",
        hint="for what may be absent write variables.?NAME.orValue('…')",
    )
