"""Includes: what merges how, what is refused, and how places name the file and the line that included it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from language_file import EXPRESSIONS, FILE, KINDS

from pipeline.errors import DefinitionError, UsageError
from pipeline.language.diagnostics import render
from pipeline.language.includes import MAX_BYTES, MAX_DEPTH, MAX_FILES
from pipeline.language.load import load_definition
from pipeline.model.definition import Definition
from pipeline.ports.includes import Place, Wanted

TOP = "version: 1\nname: shop\n"


class Files:
    """Files by path; those of the repository `lib` at any commit by `lib:path`."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self.read_names: list[str] = []

    def place(self, wanted: Wanted, *, by: Place) -> Place:
        if wanted.git:
            return Place(file=wanted.file, git=wanted.git, commit="4f1c0de1a2b3" + "0" * 28)
        return Place(file=wanted.file, git=by.git, commit=by.commit)

    def read(self, place: Place, *, limit: int) -> bytes:
        name = f"{place.git}:{place.file}" if place.git else place.file
        self.read_names.append(name)
        if name not in self._files:
            raise UsageError(f"there is no {name}", hint="paths begin at the repository's root")
        text = self._files[name].encode()
        if len(text) > limit:
            raise UsageError(f"{name} is larger than {limit // 1024} KiB")
        return text


def load(text: str, files: Mapping[str, str]) -> Definition:
    return load_definition(text.encode(), file=FILE, kinds=KINDS, expressions=EXPRESSIONS, includes=Files(files))[0]


def said(text: str, files: Mapping[str, str]) -> str:
    with pytest.raises(DefinitionError) as raised:
        load(text, files)
    return render(raised.value.diagnostics, raised.value.sources)


def stage(name: str, *, needs: str = "[]") -> str:
    return f"  {name}: {{image: 'busybox:1.36', needs: {needs}, commands: echo}}\n"


def test_the_including_file_wins_and_the_last_included_one_comes_next() -> None:
    definition = load(
        TOP
        + "include: [a.yml, b.yml]\nvariables: {X: own}\n"
        + "defaults: {env: {E: own}, timeout: 1m}\n"
        + "stages:\n  unit: {image: 'busybox:1.36', commands: echo}\n",
        {
            "a.yml": "version: 1\nvariables: {X: a, Y: a, Z: a}\ndefaults: {env: {E: a, F: a}, timeout: 9m, user: a}\n",
            "b.yml": "variables: {Y: b}\ndefaults: {env: {F: b}, user: b}\nstages:\n" + stage("docs"),
        },
    )
    assert dict(definition.variables) == {"X": "own", "Y": "b", "Z": "a"}
    unit = definition.stage("unit")
    assert dict(unit.env) == {"E": "own", "F": "b"}
    assert (unit.timeout, unit.user) == (60.0, "b")
    assert definition.stage("docs").timeout == 60.0


def test_included_stages_stand_behind_and_do_not_change_the_order_of_the_file() -> None:
    definition = load(
        TOP + "include: a.yml\nstages:\n  unit: {image: 'busybox:1.36'}\n  last: {image: 'busybox:1.36'}\n",
        {"a.yml": "stages:\n" + stage("docs", needs="[unit]")},
    )
    needs = {item.name: [need.stage for need in item.needs] for item in definition.stages}
    assert needs == {"checkout": [], "unit": ["checkout"], "last": ["unit"], "docs": ["unit"]}


def test_includes_of_another_repository_name_files_of_that_one() -> None:
    definition = load(
        TOP + "include: {git: lib, ref: main, file: a.yml}\nstages: {}\n",
        {"lib:a.yml": "include: deep/b.yml\nstages:\n" + stage("one"), "lib:deep/b.yml": "stages:\n" + stage("two")},
    )
    assert [item.name for item in definition.stages] == ["checkout", "one", "two"]
    assert definition.stage("two").position.file == "lib@4f1c0de1a2b3:deep/b.yml"


def test_a_file_that_several_include_counts_once() -> None:
    files = Files(
        {
            "a.yml": "include: shared.yml\n",
            "b.yml": "include: shared.yml\n",
            "shared.yml": "stages:\n" + stage("docs"),
        }
    )
    text = TOP + "include: [a.yml, b.yml, a.yml]\nstages: {}\n"
    load_definition(text.encode(), file=FILE, kinds=KINDS, expressions=EXPRESSIONS, includes=files)
    assert files.read_names == ["a.yml", "shared.yml", "b.yml"]


def test_the_digest_covers_every_file() -> None:
    text = TOP + "include: a.yml\nstages: {}\n"
    digests = {
        load(text, {"a.yml": content}).digest
        for content in ("stages:\n" + stage("docs"), "stages:\n" + stage("docs") + "# more\n")
    }
    assert len(digests) == 2
    alone = load(TOP + "stages:\n  u: {image: 'busybox:1.36'}\n", {})
    again, _ = load_definition(
        (TOP + "stages:\n  u: {image: 'busybox:1.36'}\n").encode(), file=FILE, kinds=KINDS, expressions=EXPRESSIONS
    )
    assert alone.digest == again.digest


def test_an_error_in_an_included_file_names_it_and_the_lines_that_included_it() -> None:
    text = TOP + "include:\n  - a.yml\nstages:\n  unit: {image: 'busybox:1.36'}\n"
    files = {
        "a.yml": "include: b.yml\n",
        "b.yml": "stages:\n  docs:\n    image: busybox:1.36\n    needs: [unti]\n    comands: x\n",
    }
    assert said(text, files) == (
        "b.yml:4:13 error: stage 'docs' needs 'unti', which does not exist\n"
        "    4 |     needs: [unti]\n"
        "      |             ^^^^ did you mean 'unit'?\n"
        "  a.yml:1:10: b.yml is included here\n"
        "    1 | include: b.yml\n"
        "      |          ^^^^^\n"
        "  pipeline.yml:4:5: a.yml is included here\n"
        "    4 |   - a.yml\n"
        "      |     ^^^^^\n"
        "b.yml:5:5 error: unknown key 'comands' in a stage of kind 'run'\n"
        "    5 |     comands: x\n"
        "      |     ^^^^^^^ did you mean 'commands'?\n"
        "  a.yml:1:10: b.yml is included here\n"
        "    1 | include: b.yml\n"
        "      |          ^^^^^\n"
        "  pipeline.yml:4:5: a.yml is included here\n"
        "    4 |   - a.yml\n"
        "      |     ^^^^^\n"
        "2 errors. Nothing was run.\n"
    )


OWN = "stages:\n  unit: {image: 'busybox:1.36'}\n"
INCLUDE_A = "include: a.yml\n" + OWN


@pytest.mark.parametrize(
    ("text", "files", "message"),
    [
        pytest.param(INCLUDE_A, {}, "pipeline.yml:3:10 error: there is no a.yml", id="missing"),
        pytest.param("include: {git: lib}\n" + OWN, {}, "error: an include lacks the key 'ref'", id="key"),
        pytest.param(
            "include: {git: lib, ref: main, fil: x}\n" + OWN, {}, "unknown key 'fil' in an include", id="unknown"
        ),
        pytest.param("include: [[a]]\n" + OWN, {}, "error: an include must name a file", id="shape"),
        pytest.param(
            "include: {git: [], ref: r, file: f}\n" + OWN, {}, "'git' of an include must be a text", id="type"
        ),
        pytest.param(INCLUDE_A, {"a.yml": ""}, "a.yml:1:1 error: the included file is empty", id="empty"),
        pytest.param(INCLUDE_A, {"a.yml": "- x\n"}, "a.yml:1:1 error: the file must hold keys", id="list"),
        pytest.param(INCLUDE_A, {"a.yml": "a: [\n"}, "a.yml:2:1 error:", id="syntax"),
        pytest.param(INCLUDE_A, {"a.yml": "a:\n\tb: 1\n"}, "a.yml:2:1 error: a tab", id="tab"),
        pytest.param(
            INCLUDE_A,
            {"a.yml": "name: x\n"},
            "a.yml:1:1 error: 'name' belongs into the pipeline file itself",
            id="name",
        ),
        pytest.param(INCLUDE_A, {"a.yml": "stagse: {}\n"}, "did you mean 'stages'?", id="top key"),
        pytest.param(INCLUDE_A, {"a.yml": "version: 2\n"}, "a.yml:1:10 error: 'version' must", id="version"),
        pytest.param(INCLUDE_A, {"a.yml": "stages: [x]\n"}, "'stages' must hold keys", id="stages"),
        pytest.param(
            INCLUDE_A,
            {"a.yml": "stages:\n  docs: {image: 'busybox:1.36'}\n"},
            "a.yml:2:3 error: stage 'docs' of an included file must write its needs",
            id="needs",
        ),
        pytest.param(
            INCLUDE_A,
            {"a.yml": "stages:\n" + stage("unit")},
            "a.yml:2:3 error: stage 'unit' is written twice\n"
            "    2 |   unit: {image: 'busybox:1.36', needs: [], commands: echo}\n"
            "      |   ^^^^ first in pipeline.yml:5\n"
            "  pipeline.yml:5:3: first here\n",
            id="twice",
        ),
        pytest.param(
            "include: [a.yml, b.yml]\n" + OWN,
            {"a.yml": "environments: {dev: {target: docker}}\n", "b.yml": "environments: {dev: {target: docker}}\n"},
            "b.yml:1:16 error: environment 'dev' is written twice",
            id="environment",
        ),
        pytest.param(
            INCLUDE_A,
            {"a.yml": "include: b.yml\n", "b.yml": "include: a.yml\n"},
            "b.yml:1:10 error: files include each other: a.yml → b.yml → a.yml",
            id="cycle",
        ),
        pytest.param(
            "include: pipeline.yml\n" + OWN,
            {},
            "pipeline.yml:3:10 error: files include each other: pipeline.yml → pipeline.yml",
            id="itself",
        ),
        pytest.param(
            INCLUDE_A,
            {"a.yml": "x: " + "y" * MAX_BYTES},
            "pipeline.yml:3:10 error: a.yml is larger than 1024 KiB",
            id="size",
        ),
        pytest.param(
            "include: 0.yml\n" + OWN,
            {f"{n}.yml": f"include: {n + 1}.yml\n" for n in range(MAX_DEPTH + 1)},
            f"9.yml:1:10 error: files include each other deeper than {MAX_DEPTH} levels",
            id="depth",
        ),
        pytest.param(
            f"include: [{', '.join(f'{n}.yml' for n in range(MAX_FILES + 1))}]\n" + OWN,
            {f"{n}.yml": "x-a: b\n" for n in range(MAX_FILES + 1)},
            f"error: more than {MAX_FILES} files are included",
            id="count",
        ),
        pytest.param(
            f"include: [{', '.join(f'{n}.yml' for n in range(11))}]\n" + OWN,
            {f"{n}.yml": f"x-a: {'b' * (MAX_BYTES - 10)}\n" for n in range(11)},
            "error: the included files hold more than 10 MiB in all",
            id="total",
        ),
        pytest.param(
            INCLUDE_A,
            {"a.yml": "defaults: {timeout: soon}\n"},
            "a.yml:1:21 error: 'soon' is not a duration",
            id="value",
        ),
        pytest.param(
            INCLUDE_A,
            {"a.yml": "stages:\n  d: {image: 'busybox:1.36', needs: [], env: {A: 'x ${{ variables.NO }}'}}\n"},
            "a.yml:2:57 error: variable 'NO' is not defined",
            id="expression",
        ),
    ],
)
def test_what_is_refused(text: str, files: Mapping[str, str], message: str) -> None:
    assert message in said(TOP + text, files)


def test_a_token_in_an_included_file_is_warned_of_and_not_shown() -> None:
    token = "glpat-" + "aB3" * 8
    files = {"a.yml": f"# {token}\nstages:\n" + stage("docs")}
    text = TOP + "include: a.yml\nstages: {}\n"
    _, diagnostics = load_definition(
        text.encode(), file=FILE, kinds=KINDS, expressions=EXPRESSIONS, includes=Files(files)
    )
    printed = render(diagnostics, {FILE: text.encode(), "a.yml": files["a.yml"].encode()})
    assert "a.yml:1:3 warning: a GitLab token is written in clear" in printed
    assert token not in printed


def test_without_a_repository_nothing_can_be_included() -> None:
    with pytest.raises(DefinitionError) as raised:
        load_definition((TOP + INCLUDE_A).encode(), file=FILE, kinds=KINDS, expressions=EXPRESSIONS)
    assert [item.message for item in raised.value.diagnostics] == ["files cannot be included here"]


def test_what_may_be_in_a_file_that_cannot_be_read_is_not_missed() -> None:
    text = "include: none.yml\nstages: {a: {image: 'busybox:1.36', needs: [far], env: {A: '${{ variables.FAR }}'}}}\n"
    printed = said(TOP + text, {})
    assert "'far'" not in printed
    assert "'FAR'" not in printed
    assert "1 error" in printed
