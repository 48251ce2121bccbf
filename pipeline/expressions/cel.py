"""Expressions by the Common Expression Language: typed, bounded, and closed where anything is in doubt."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from pipeline.errors import UsageError
from pipeline.expressions.names import names_read
from pipeline.expressions.wording import problem_in_words, type_name
from pipeline.model.value import Value
from pipeline.ports.expressions import Digest

MAX_TEXT: Final = 4096
"""Characters of an expression."""
MAX_FACT: Final = 64 * 1024
"""Characters of one fact's text: CEL copies them, and nested copies grow fast."""
MAX_ITEMS: Final = 20_000
MAX_DATA: Final = 1024 * 1024
"""Characters of all the facts that one expression reads."""
MAX_PATTERNS: Final = 8
"""Arguments of `hash`; more of them go into a list."""
_DOTTED: Final = ("commit.sha", "commit.short", "commit.message", "commit.author", "commit.time", "run.id")
_CLOSED: Final = "not open to expressions"
_ABSENT: Final = ("is not there", "is not known here")
"""Ends of reasons that have a remedy."""
_PLAIN: Final = ("event", "branch", "tag", "environment")
_FUNCTIONS: Final = (
    "slug",
    "env",
    "hash",
    "size",
    "has",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "int",
    "string",
)
_VALUES: Final = (*_PLAIN, *_DOTTED, "run.number", "changed", "variables", "matrix", "stages")


class _Compiled(NamedTuple):
    """A program, the type that it gives, the facts that it reads, and their first names."""

    program: Any
    gives: str
    names: frozenset[str]
    roots: frozenset[str]


class CelExpressions:
    """`pipeline.ports.expressions.Expressions` over `cel-expr-python`; safe for several threads.

    `environment` is what `env(name)` may read: the variables that the machine's settings list, none on a server.
    The library is loaded at the first expression.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(environment or {})
        self._lock = threading.Lock()
        self._compiler: Any = None
        self._compiled: dict[str, _Compiled] = {}
        self._evaluation = threading.local()

    def problem(self, text: str, *, condition: bool) -> str | None:
        """Why the text cannot be an expression, in one line, or None. A condition must give true or false."""
        if len(text) > MAX_TEXT:
            return f"it is longer than {MAX_TEXT:,} characters"
        try:
            given = self._compile(text).gives
        except RuntimeError as error:
            return problem_in_words(str(error), text, values=_VALUES, functions=_FUNCTIONS)
        if condition and given != "BOOL":
            words = "something that is known only later" if given == "DYN" else f"a {type_name(given)}"
            return f"it gives {words}, and a condition must give true or false"
        return None

    def names(self, text: str) -> frozenset[str]:
        """Dotted facts that the text reads; one that may be absent keeps its question mark (`variables.?A`)."""
        compiled = self._compiled.get(text)
        return compiled.names if compiled else names_read(text)

    def evaluate(self, text: str, facts: Mapping[str, Value], *, digest: Digest | None = None) -> Value:
        """The value; UsageError when the expression is wrong, fails, or runs out of its budget."""
        from cel_expr_python import cel

        compiled = self._compiled.get(text)
        if compiled is None:
            problem = self.problem(text, condition=False)
            if problem is not None:
                raise _failure(text, problem)
            compiled = self._compile(text)
        self._evaluation.digest = digest
        try:
            result = compiled.program.eval(data=_data(text, compiled, facts))
            if result.type() == cel.Type.ERROR:
                raise _failure(text, _reason(str(result.plain_value())))
            return _value(text, result.plain_value())
        except (RuntimeError, TypeError, OverflowError, UnicodeError) as error:
            raise _failure(text, _reason(str(error))) from error
        finally:
            self._evaluation.digest = None

    def _compile(self, text: str) -> _Compiled:
        compiled = self._compiled.get(text)
        if compiled is None:
            with self._lock:
                if self._compiler is None:
                    self._compiler = self._new_compiler()
                program = self._compiler.compile(text)
                names = names_read(text)
                roots = frozenset(name.split(".", 1)[0] for name in names)
                compiled = _Compiled(program, program.return_type().name(), names, roots)
                self._compiled[text] = compiled
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
            "matrix": cel.Type.Map(words, words),
            "stages": cel.Type.Map(words, cel.Type.Map(words, cel.Type.DYN)),
        }
        patterns = [
            cel.Overload(f"hash_{count}", words, [words] * count, False, lambda *given: self._hash(given))
            for count in range(1, MAX_PATTERNS + 1)
        ]
        patterns.append(cel.Overload("hash_list", words, [cel.Type.List(words)], False, self._hash))
        functions = [
            cel.FunctionDecl("hash", patterns),
            cel.FunctionDecl("slug", [cel.Overload("slug_string", words, [words], False, slug)]),
            cel.FunctionDecl("env", [cel.Overload("env_string", words, [words], False, self._env)]),
        ]
        return cel.NewEnv(variables=variables, extensions=[ext_optional.ExtOptional()], functions=functions)

    def _env(self, name: str) -> str:
        if name not in self._environment:
            raise ValueError(f"variable '{name}' of the host is not set, or {_CLOSED}")
        return self._environment[name]

    def _hash(self, patterns: Sequence[str]) -> str:
        digest: Digest | None = getattr(self._evaluation, "digest", None)
        if digest is None:
            raise ValueError("hash() is known only while the plan is made; there its patterns must be fixed texts")
        return digest(tuple(patterns))


def slug(text: str) -> str:
    """Lower-case letters, digits and single hyphens, at most 63: fit for tags and host names."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-")


def _data(text: str, compiled: _Compiled, facts: Mapping[str, Value]) -> dict[str, Any]:
    """What the expression reads, and nothing more. UsageError where it is too much."""
    data: dict[str, Any] = {}
    left = MAX_DATA
    for root in compiled.roots:
        fact = facts.get(root)
        if fact is None:
            continue
        if isinstance(fact, str):
            data[root] = fact
        elif root in ("commit", "run") and isinstance(fact, Mapping):
            data |= {
                f"{root}.{key}": value
                for key, value in fact.items()
                if value is not None and f"{root}.{key}" in compiled.names
            }
        elif isinstance(fact, Mapping):
            data[root] = _named(root, fact, compiled.names)
        else:
            data[root] = list(fact) if isinstance(fact, Sequence) else fact
    for name, fact in data.items():
        left -= _length(text, name, fact)
    if left < 0:
        raise _failure(text, f"what it reads is longer than {MAX_DATA:,} characters")
    return data


def _named(root: str, fact: Mapping[str, Value], names: frozenset[str]) -> dict[str, Any]:
    """Only the items that the expression names, or all where it walks over them."""
    if root in names:
        return dict(fact)
    wanted = {name.split(".", 2)[1].lstrip("?") for name in names if name.startswith(f"{root}.")}
    return {name: fact[name] for name in wanted if name in fact}


def _length(text: str, name: str, fact: Any) -> int:
    """Characters of a fact's texts; UsageError where one is too long, or a list has too many items."""
    if isinstance(fact, str):
        if len(fact) > MAX_FACT:
            raise _failure(text, f"'{name}' is longer than {MAX_FACT:,} characters")
        return len(fact)
    if isinstance(fact, Mapping):
        if len(fact) > MAX_ITEMS:
            raise _failure(text, f"'{name}' has more than {MAX_ITEMS:,} items")
        return sum(len(key) + _length(text, f"{name}.{key}", item) for key, item in fact.items())
    if isinstance(fact, Sequence):
        if len(fact) > MAX_ITEMS:
            raise _failure(text, f"'{name}' has more than {MAX_ITEMS:,} items")
        return sum(_length(text, name, item) for item in fact)
    return 8


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
        return f"'{found[1]}' {_ABSENT[0]}"
    if found := re.search(r'No value with name "([^"]*)"', words):
        return f"'{found[1]}' {_ABSENT[1]}"
    if "Unable to convert function return value" in words:
        return "it gives an optional; end it with .orValue(…)"
    return re.sub(r"^[A-Z_]+: ", "", words).removesuffix(" [INTERNAL]")[:200]


def _failure(text: str, reason: str) -> UsageError:
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 120 else shown[:117] + "…"
    hint = ""
    if _CLOSED in reason:
        hint = "the machine's setting expression_variables lists those that env() may read"
    elif reason.endswith(_ABSENT):
        hint = "for what may be absent write variables.?NAME.orValue('…')"
    return UsageError(f"the expression '{shown}' cannot be evaluated: {reason}", hint=hint)
