"""`ecluse schema`: what editors complete and check the pipeline file with."""

from __future__ import annotations

import click

from pipeline.cli.options import application, show_json


@click.command()
def schema() -> None:
    """Print the JSON Schema (2020-12) of the pipeline file, with every stage kind that is installed."""
    from pipeline.language.schema import compose

    show_json(compose(application().kinds))
