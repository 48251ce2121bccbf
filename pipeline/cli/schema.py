"""`ecluse schema`: what editors complete and check the pipeline file and the policy file with."""

from __future__ import annotations

import click

from pipeline.cli.options import application, show_json


@click.command()
@click.argument("file", type=click.Choice(["pipeline", "policy"]), default="pipeline")
def schema(file: str) -> None:
    """Print the JSON Schema (2020-12) of the pipeline file, with every stage kind that is installed, or of the
    operations' policy file."""
    if file == "policy":
        from pipeline.language.policy import compose_policy

        show_json(compose_policy())
        return
    from pipeline.language.schema import compose

    show_json(compose(application().kinds))
