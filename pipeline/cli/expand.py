"""`ecluse expand`: the pipeline as it is meant, with where each value came from."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline.cli.options import application, file_option, json_option, repository_option, show_json


@click.command()
@repository_option
@file_option
@click.option(
    "--commit",
    "revision",
    default="",
    metavar="REV",
    help="A commit, branch or tag; by default the working tree as it is.",
)
@json_option
def expand(repository: Path, file: str, revision: str, as_json: bool) -> None:
    """Print the pipeline after includes, anchors, merge keys, defaults and matrix.

    Each value has a comment that says where it came from; the output is a pipeline file again.
    """
    from pipeline.language.expanded_text import facts, yaml_text
    from pipeline.operations.expand import expanded

    found = expanded(application(), repository, file=file, revision=revision)
    if as_json:
        show_json(facts(found))
    else:
        sys.stdout.write(yaml_text(found))
