"""The script in a bare repository, by every shell that may be `sh`: what it sends counts, and no push waits long."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import monotonic, sleep

import pytest
from web_ground import web_server

from pipeline.bootstrap import Application
from pipeline.errors import UsageError
from pipeline.forges.post_receive import SECRET_FILE, install, script_of
from pipeline.model.incoming import HookDelivery
from pipeline.operations.registering import Change, add_repository, set_secret

OLD, NEW, ZEROS = "a" * 40, "b" * 40, "0" * 40
SHELLS = {
    "dash": ("dash",),
    "bash-as-sh": ("bash", "--posix"),
    "busybox": ("busybox", "sh"),
}


@pytest.fixture(params=[pytest.param(words, id=name) for name, words in SHELLS.items()])
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    words: tuple[str, ...] = request.param
    assert shutil.which(words[0]), f"{words[0]} is not here"
    return words


@pytest.fixture
def application(tmp_path: Path) -> Application:
    return Application({"ECLUSE_HOME": str(tmp_path / "home")})


@pytest.fixture
def server(application: Application) -> Iterator[str]:
    with web_server(application) as address:
        yield address


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    folder = tmp_path / 'it\'s "the" repository.git'
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    return folder


def pushed(script: Path, lines: str, shell: tuple[str, ...] = ("sh",)) -> str:
    """What the script says of a push."""
    done = subprocess.run(
        [*shell, str(script)],
        cwd=script.parents[1],
        input=lines,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "REMOTE_USER": 'ada "the first"', "no_proxy": "*"},
    )
    assert done.returncode == 0
    assert done.stdout == ""
    return done.stderr


def events(application: Application, delivery: HookDelivery) -> list[tuple[str, str, str, str]]:
    forge = application.forge(application.intake.find_repository(delivery.repository).forge)
    return [(event.kind.value, event.branch or event.tag, event.before, event.sha) for event in forge.read(delivery)]


def test_a_push_is_told_and_its_signature_holds(
    application: Application, server: str, bare: Path, shell: tuple[str, ...]
) -> None:
    _, secret = add_repository(application, "team/app", Change(url=str(bare)), by="ada")
    script = install(bare, hook_url=f"{server}/hooks/team/app", secret=secret)
    said = pushed(
        script,
        f'{OLD} {NEW} refs/heads/fix"quotes\n{ZEROS} {NEW} refs/tags/v1\n{OLD} {ZEROS} refs/heads/gone\n',
        shell,
    )
    assert said.startswith("ecluse: told the server (delivery ")
    (delivery,) = application.intake.deliveries()
    assert said == f"ecluse: told the server (delivery {delivery.key})\n"
    assert events(application, delivery) == [
        ("push", 'fix"quotes', OLD, NEW),
        ("tag", "v1", "", NEW),
        ("deleted", "gone", OLD, ""),
    ]
    body = json.loads(delivery.body)
    assert (body["actor"], body["clone_url"]) == ('ada "the first"', str(bare))


@pytest.mark.parametrize("secret", [r"!\"#$%&'()*+,-./0:;<=>?@AZ[\]^_`az{|}~", "6" * 64, "\\" * 64, "%s%n%d" * 4])
def test_any_character_may_be_in_a_secret(
    application: Application, server: str, bare: Path, shell: tuple[str, ...], secret: str
) -> None:
    """`6` and a backslash become NUL in the two paddings of an HMAC; `%` and quotes mean something to a shell."""
    add_repository(application, "team/app", Change(url=str(bare)), by="ada", secret=secret.encode())
    script = install(bare, hook_url=f"{server}/hooks/team/app", secret=secret)
    assert "told the server (delivery" in pushed(script, f"{OLD} {NEW} refs/heads/main\n", shell)


def test_many_refs_are_several_deliveries(application: Application, server: str, bare: Path) -> None:
    _, secret = add_repository(application, "team/app", Change(url=str(bare)), by="ada")
    script = install(bare, hook_url=f"{server}/hooks/team/app", secret=secret)
    said = pushed(script, "".join(f"{ZEROS} {NEW} refs/tags/v{number}\n" for number in range(501)))
    assert said.count("told the server (delivery") == 2
    sizes = [len(events(application, delivery)) for delivery in application.intake.deliveries()]
    assert sorted(sizes) == [1, 500]


def test_a_wrong_secret_is_said(application: Application, server: str, bare: Path) -> None:
    _, secret = add_repository(application, "team/app", Change(url=str(bare)), by="ada")
    script = install(bare, hook_url=f"{server}/hooks/team/app", secret=secret)
    set_secret(application, "team/app", None, by="ada")
    assert "does not accept the signature" in pushed(script, f"{OLD} {NEW} refs/heads/main\n")
    assert not application.intake.deliveries()


def test_a_secret_that_cannot_be_read_is_said(bare: Path) -> None:
    script = install(bare, hook_url="http://127.0.0.1:1/hooks/team/app", secret="s" * 20)
    (bare / "hooks" / SECRET_FILE).unlink()
    said = pushed(script, f"{OLD} {NEW} refs/heads/main\n")
    assert "cannot be read by" in said
    assert "nobody was told of this push" in said


def test_what_cannot_be_told_is_told_behind_the_push(
    application: Application, bare: Path, shell: tuple[str, ...], tmp_path: Path
) -> None:
    """The server is away while the push is made, and comes back afterwards."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    _, secret = add_repository(application, "team/app", Change(url=str(bare)), by="ada")
    script = install(bare, hook_url=f"http://127.0.0.1:{port}/hooks/team/app", secret=secret)
    text = script_of(f"http://127.0.0.1:{port}/hooks/team/app", bare / "hooks" / SECRET_FILE, pauses=(0.2,) * 100)
    script.write_text(text)
    said = pushed(script, f"{OLD} {NEW} refs/heads/main\n", shell)
    assert "the server does not answer; it is told again behind this push" in said
    with web_server(application, port=port):
        _until(lambda: len(application.intake.deliveries()) == 1)
    (delivery,) = application.intake.deliveries()
    assert delivery.key in said


class Deaf(BaseHTTPRequestHandler):
    """Takes a request and answers nothing for as long as the test runs."""

    over = threading.Event()

    def do_POST(self) -> None:
        self.over.wait(120)

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_that_hangs_does_not_hold_the_push(bare: Path) -> None:
    Deaf.over.clear()
    server = HTTPServer(("127.0.0.1", 0), Deaf)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/hooks/team/app"
    script = install(bare, hook_url=address, secret="s" * 20)
    script.write_text(script_of(address, bare / "hooks" / SECRET_FILE, pauses=()))
    try:
        # the end of the script is what is tested: it comes although no answer ever does
        assert "the server does not answer" in pushed(script, f"{OLD} {NEW} refs/heads/main\n")
        assert not Deaf.over.is_set()
    finally:
        Deaf.over.set()
        server.shutdown()
        server.server_close()


def test_only_its_owner_can_read_the_secret(bare: Path) -> None:
    script = install(bare, hook_url="http://127.0.0.1:1/hooks/team/app", secret="a secret of the test")
    file = bare / "hooks" / SECRET_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.access(script, os.X_OK)
    assert "a secret of the test" not in script.read_text()


def test_a_script_of_others_stays(bare: Path) -> None:
    other = bare / "hooks" / "post-receive"
    other.write_text("#!/bin/sh\necho mine\n")
    with pytest.raises(UsageError, match="not ours"):
        install(bare, hook_url="http://x/hooks/team/app", secret="s" * 20)
    assert other.read_text() == "#!/bin/sh\necho mine\n"


def test_only_a_repository_gets_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no git repository"):
        install(tmp_path, hook_url="http://x/hooks/team/app", secret="s" * 20)


def _until(holds: Callable[[], bool], seconds: float = 120) -> None:
    end = monotonic() + seconds
    while not holds():
        assert monotonic() < end, "it did not come"
        sleep(0.05)
