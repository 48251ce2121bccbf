"""`ecluse host`: a ready job file for a CI host."""

from __future__ import annotations

import sys

import click

from pipeline.hosts import HOSTS, job_file

_PLACES = "\b\n" + "\n".join(f"ecluse host {host.name} > {host.place}" for host in HOSTS.values())


@click.command(epilog=_PLACES)
@click.argument("name", type=click.Choice(list(HOSTS)), metavar="HOST")
def host(name: str) -> None:
    """Print a ready job file for HOST: gitlab, jenkins, github, gitea, forgejo or woodpecker.

    It clones the history that `changed` needs, finds or installs Écluse, runs the pipeline, and hands its reports to
    the host, also when the run failed.
    """
    sys.stdout.write(job_file(HOSTS[name]))
