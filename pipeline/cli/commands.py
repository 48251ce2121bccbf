"""The table of all commands; the file of a command is imported only when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

from pipeline import __version__

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("run:run", "Run the pipeline of this repository."),
    "resume": ("resume:resume", "Go on with a run that was interrupted or is parked."),
    "retry": ("retry:retry", "Repeat what failed in a run, and what depends on it."),
    "shell": ("shell:shell", "Open a shell in the container of a stage that failed."),
    "allow": ("allow:allow", "Let one untrusted run have secrets and effects."),
    "plan": ("plan:plan", "Show what would run, be skipped or reused, and why."),
    "check": ("check:check", "Check the pipeline file and show every problem in it."),
    "expand": ("expand:expand", "Print the pipeline after includes, anchors, defaults and matrix, with origins."),
    "init": ("init:init", "Read the repository and write a first pipeline.yml."),
    "schema": ("schema:schema", "Print the JSON Schema of the pipeline file."),
    "runs": ("runs:runs", "List runs, newest first."),
    "show": ("show:show", "Show what happened in a run, or in one of its stages."),
    "explain": ("explain:explain", "Say why a stage ran, was skipped, blocked, reused or failed."),
    "logs": ("logs:logs", "Print the logs of a run; follow them while it runs."),
    "tests": ("tests:tests", "Show how tests fare over runs; find slow and flaky ones."),
    "artifacts": ("artifacts:artifacts", "List the artifacts of a run, or fetch them."),
    "cancel": ("cancel:cancel", "Stop a run that is under way."),
    "promote": ("promote:promote", "Bring a release into an environment, once its gates are open."),
    "approve": ("approve:approve", "Say yes to a promotion that waits."),
    "reject": ("approve:reject", "Say no to a promotion that waits."),
    "rollback": ("promote:rollback", "Go back in an environment to what was verified there before."),
    "hold": ("hold:hold", "Keep an environment as it is for a time."),
    "release-hold": ("hold:release_hold", "Lift what holds an environment, or let a barred release in again."),
    "freeze": ("hold:freeze", "Let nothing into an environment, or into any, for a time."),
    "releases": ("releases:releases", "List releases, newest first."),
    "board": ("board:board", "Show every environment: what is where, what may move, what waits for what."),
    "release": ("release:release", "Show one release: its contents, its evidence, where it has been."),
    "notes": ("notes:notes", "Show the commits between two releases."),
    "why": ("why:why", "Say why an environment runs what it runs, back to people, tests and commit."),
    "dora": ("dora:dora", "Show how often, how quickly and how safely an environment is delivered to."),
    "history": ("history:history", "Show what was deployed to an environment, by whom, and how it went."),
    "env": ("environments:env", "Look after environments."),
    "ledger": ("ledger:ledger", "Look at, check and take along the history that nobody can change."),
    "doctor": ("doctor:doctor", "Examine this machine and say what to mend."),
    "serve": ("serve:serve", "Serve pages, API and webhooks, and make the runs that they ask for."),
    "worker": ("serve:worker", "Make runs for a server on another machine, or beside it."),
    "repository": ("repositories:repository", "Look after the repositories of a server."),
    "hook": ("hooks:hook", "Look at webhooks that came in; let a bare repository send them."),
    "user": ("people:user", "Look after the people of this machine's server."),
    "grant": ("people:grant", "Give people of this machine's server roles, and take them."),
    "token": ("tokens:token", "Look after the tokens of this machine's server."),
    "secret": ("kept_secrets:secret", "Look after the secrets that this machine's server keeps."),
    "login": ("login:login", "Sign in to a server, for --server."),
    "logout": ("login:logout", "Forget a server and its token."),
    "whoami": ("login:whoami", "Show who you are to a server, and what you may do there."),
    "queue": ("queue:queue", "Show what a server was asked for, and why it still waits."),
    "workers": ("queue:workers", "Show who makes the runs of a server."),
    "backup": ("backup:backup", "Write all that cannot be made again into one file, while the server runs."),
    "restore": ("backup:restore", "Put a backup into an empty ECLUSE_HOME."),
    "gc": ("gc:gc", "Remove what finished or abandoned runs left behind."),
    "host": ("host:host", "Print a ready job file for a CI host."),
    "completion": ("completion:completion", "Print the completion script of a shell."),
}
"""Name to (file and function, one line of help), in the order of `--help`."""

_OWN: Mapping[str, str] = {"make-run": "make_run:make_run"}
"""What only Écluse itself calls."""

EXIT_CODES = """\b
Exit codes:
    0  succeeded, warned or parked
    1  a stage failed or timed out
    2  the pipeline file or the command line is wrong
    3  errored: the engine, the network, the disk
    4  refused by a gate or a permission
    5  rolled back
  130  cancelled or interrupted"""


class ReaderGoneError(Exception):
    """Whoever read our output has closed it; not an OSError, which click would turn into a failure."""


class LazyGroup(click.Group):
    """A group that knows its commands by a table and imports them one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS and cmd_name not in _OWN:
            return None
        module, function = (_OWN.get(cmd_name) or COMMANDS[cmd_name][0]).split(":")
        command: click.Command = getattr(importlib.import_module(f"pipeline.cli.{module}"), function)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """As click does it; a reader that has gone is told apart from other troubles."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGoneError from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with a suggestion for a name that is nearly right."""
        if args and args[0] not in (*COMMANDS, *_OWN) and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            suggestion = f"; did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"there is no command '{args[0]}'{suggestion}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(
    cls=LazyGroup,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
@click.version_option(__version__, message="%(prog)s %(version)s")
def ecluse() -> None:
    """Build, test, scan and deliver containers: one pipeline file, the same on a laptop, in CI and on a server."""
