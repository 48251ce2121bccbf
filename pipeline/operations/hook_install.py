"""The script that tells the server of pushes, put into a bare repository on this machine."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.forges.post_receive import SECRET_FILE, install, script_of
from pipeline.model.repository import ForgeKind, Repository
from pipeline.operations.registering import SECRET, facts_of
from pipeline.ports.application import Application


def install_hook(app: Application, folder: Path, name: str) -> Path:
    """For a repository of this server: its hook's address and secret are known here. The script's path."""
    facts = facts_of(app, name)
    if facts.repository.forge is not ForgeKind.PLAIN:
        raise _sends_by_itself(facts.repository)
    secret = app.vault.get(f"hook:{name}", SECRET)
    if secret is None:
        raise UsageError(f"'{name}' has no secret", hint=f"make one with `ecluse repository set {name} --new-secret`")
    return install(folder, hook_url=facts.hook_url, secret=secret.decode())


def hook_script(app: Application, name: str) -> str:
    """The script for a repository on another machine: it reads the secret from `hooks/ecluse.secret` there."""
    facts = facts_of(app, name)
    if facts.repository.forge is not ForgeKind.PLAIN:
        raise _sends_by_itself(facts.repository)
    return script_of(facts.hook_url, Path("hooks") / SECRET_FILE)


def install_hook_elsewhere(folder: Path, *, hook_url: str, secret: str) -> Path:
    """On another machine than the server's: address and secret as `ecluse repository add` printed them."""
    if not hook_url.startswith(("http://", "https://")):
        raise UsageError(f"'{hook_url}' is no address of a hook", hint="copy what `ecluse repository show` prints")
    return install(folder, hook_url=hook_url, secret=secret)


def _sends_by_itself(known: Repository) -> UsageError:
    return UsageError(
        f"'{known.name}' is a repository of {known.forge.value}, which sends webhooks by itself",
        hint=f"set one there, or say `ecluse repository set {known.name} --forge plain`",
    )
