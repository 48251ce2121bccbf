"""What YAML itself, or its limits, refuse: the exact words of each error."""

from __future__ import annotations

import pytest
from language_file import HEAD, said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            HEAD + "stages:\n\ta: {image: 'a:1'}\n",
            "pipeline.yml:4:1 error: a tab cannot indent: YAML wants spaces\n"
            "    4 | \ta: {image: 'a:1'}\n"
            "      | ^\n"
            "1 error. Nothing was run.\n",
            id="tab",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: !env IMAGE}}\n",
            """\
pipeline.yml:3:21 error: unknown tag '!env'
    3 | stages: {a: {image: !env IMAGE}}
      |                     ^^^^^^^^^^ tags are not part of this file format
pipeline.yml:3:21 error: 'IMAGE' is not an image reference ('image' of stage 'a')
    3 | stages: {a: {image: !env IMAGE}}
      |                     ^^^^^^^^^^ write it like python:3.12-slim or registry.example.org/shop:1.0
2 errors. Nothing was run.
""",
            id="unknown-tag",
        ),
        pytest.param(
            HEAD
            + """\
stages: &all
  a: *all
""",
            """\
pipeline.yml:4:6 error: the alias '*all' stands inside the value that it names
    4 |   a: *all
      |      ^^^^
1 error. Nothing was run.
""",
            id="recursive-anchor",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  a: *nothing
""",
            """\
pipeline.yml:4:6 error: no anchor '&nothing' is written above
    4 |   a: *nothing
      |      ^^^^^^^^
1 error. Nothing was run.
""",
            id="unknown-anchor",
        ),
        pytest.param(
            HEAD
            + """\
stages: {a: {image: 'a:1'}}
---
version: 1
""",
            """\
pipeline.yml:4:1 error: a pipeline file holds one document
    4 | ---
      | ^^^
1 error. Nothing was run.
""",
            id="second-document",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1'}\n",
            """\
pipeline.yml:4:1 error: a ',' or '}' was expected here
  pipeline.yml:3:9: what is not ended starts here
    3 | stages: {a: {image: 'a:1'}
      |         ^
1 error. Nothing was run.
""",
            id="syntax",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  a:
    image: a:1
    commands: echo a: b
""",
            """\
pipeline.yml:6:21 error: a ':' cannot stand here
    6 |     commands: echo a: b
      |                     ^ put a text with ': ' in it in quotes
1 error. Nothing was run.
""",
            id="colon-in-a-command",
        ),
        pytest.param(
            b"version: 1\nname: shop\n# caf\xe9\n",
            """\
pipeline.yml:3:6 error: the file is not UTF-8
    3 | # caf�
      |      ^ byte 0xe9; save the file as UTF-8
1 error. Nothing was run.
""",
            id="not-utf-8",
        ),
        pytest.param(
            HEAD + "# \x07\n",
            """\
pipeline.yml:3:3 error: a control character cannot stand in a file
    3 | # �
      |   ^ U+0007
1 error. Nothing was run.
""",
            id="control-character",
        ),
        pytest.param(
            "",
            """\
pipeline.yml:1:1 error: the file is empty
      = 'ecluse init' writes a first one
1 error. Nothing was run.
""",
            id="empty",
        ),
        pytest.param(
            "- a\n",
            """\
pipeline.yml:1:1 error: the file must hold keys and values at its top
    1 | - a
      | ^^^
1 error. Nothing was run.
""",
            id="no-mapping",
        ),
        pytest.param(
            HEAD
            + """\
stages:
  a: {<<: x, image: 'a:1'}
""",
            """\
pipeline.yml:4:11 error: '<<' takes a mapping or a list of mappings
    4 |   a: {<<: x, image: 'a:1'}
      |           ^
1 error. Nothing was run.
""",
            id="merge-of-a-text",
        ),
        pytest.param(
            HEAD
            + """\
? [a]
: b
""",
            """\
pipeline.yml:3:3 error: a key must be a text
    3 | ? [a]
      |   ^^^
1 error. Nothing was run.
""",
            id="key-is-a-list",
        ),
        pytest.param(
            HEAD + "stages: {a: {image: 'a:1', env: {X: '日本', MY-Y: ''}}}\n",
            """\
pipeline.yml:3:43 error: 'MY-Y' is not a variable name
    3 | stages: {a: {image: 'a:1', env: {X: '日本', MY-Y: ''}}}
      |                                             ^^^^ letters, digits and _, no digit first
1 error. Nothing was run.
""",
            id="caret-under-wide-letters",
        ),
        pytest.param(
            HEAD + "stages: {a:\t{image: 'a:1', imag: x}}\n",
            "pipeline.yml:3:28 error: unknown key 'imag' in a stage of kind 'run'\n"
            "    3 | stages: {a:\t{image: 'a:1', imag: x}}\n"
            "      |            \t               ^^^^ did you mean 'image'?\n"
            "1 error. Nothing was run.\n",
            id="caret-behind-a-tab",
        ),
        pytest.param(
            HEAD + 'stages: {a: {image: "a:1", commands: "x\\0"}}\n',
            """\
pipeline.yml:3:38 error: a character cannot stand in a text
    3 | stages: {a: {image: "a:1", commands: "x\\0"}}
      |                                      ^^^^^ U+0000; no program can be given it
1 error. Nothing was run.
""",
            id="nul",
        ),
    ],
)
def test_words(text: str | bytes, expected: str) -> None:
    assert said(text) == expected
