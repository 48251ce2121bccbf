"""Includes over https from a server with a login: who gets what, and that nobody shows the password."""

from __future__ import annotations

import base64
import functools
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from environment.command import Command
from environment.repository import Repository

USER, PASSWORD = "marin", "lock-keeper-17"
STAGES = "stages:\n  lint: {needs: [], source: false, image: busybox:1.36, commands: echo linted}\n"


class _Files(SimpleHTTPRequestHandler):
    """Serves folders as git's plain http transport reads them; `/private` asks for the login."""

    def do_GET(self) -> None:
        login = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.path.startswith("/private") and self.headers.get("Authorization") != login:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where the repositories are, and what git needs to trust the server's certificate."""

    address: str
    variables: dict[str, str]


@pytest.fixture
def server(tmp_path: Path, git_repo: Callable[..., Repository]) -> Iterator[Server]:
    library = git_repo({"python.yml": STAGES}, name="library")
    library.git("tag", "v1")
    folder, key, certificate = tmp_path / "served", tmp_path / "key.pem", tmp_path / "certificate.pem"
    for name in ("public", "private"):
        library.git("clone", "-q", "--bare", str(library.path), str(folder / f"{name}.git"))
        subprocess.run(["git", "-C", folder / f"{name}.git", "update-server-info"], check=True)
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.fail("openssl is missing: apt-get install --no-install-recommends openssl", pytrace=False)
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    names = ("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key), "-out", str(certificate))
    subprocess.run([openssl, *request, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=str(folder)))
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield Server(address=f"https://127.0.0.1:{httpd.server_address[1]}", variables={"GIT_SSL_CAINFO": str(certificate)})
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def login(tmp_path: Path) -> dict[str, str]:
    """A user whose git knows the password."""
    configuration = tmp_path / "gitconfig"
    helper = f"!f() {{ echo username={USER}; echo password={PASSWORD}; }}; f"
    subprocess.run(["git", "config", "--file", configuration, "credential.helper", helper], check=True)
    return {"GIT_CONFIG_GLOBAL": str(configuration)}


def of_a_fork(tmp_path: Path, repository: Repository) -> dict[str, str]:
    payload = tmp_path / "event.json"
    proposal = {"head": {"repo": {"full_name": "eve/shop"}}, "base": {"repo": {"full_name": "org/shop"}}}
    payload.write_text(json.dumps({"number": 7, "pull_request": proposal}))
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_REPOSITORY": "org/shop",
        "GITHUB_EVENT_PATH": str(payload),
        "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_REF_NAME": "7/merge",
        "GITHUB_HEAD_REF": "topic",
        "GITHUB_BASE_REF": "main",
        "GITHUB_SHA": repository.git("rev-parse", "HEAD"),
    }


def test_private_includes_are_for_those_who_may_read_them(
    ecluse: Command, git_repo: Callable[..., Repository], server: Server, login: dict[str, str], tmp_path: Path
) -> None:
    include = f"include: {{git: '{server.address}/private.git', ref: v1, file: python.yml}}\n"
    repository = git_repo({"pipeline.yml": f"version: 1\nname: shop\n{include}stages: {{}}\n"}, name="shop")

    def command(*words: str, **more: str) -> tuple[int, str]:
        ended = ecluse(*words, cwd=repository.path, env={**server.variables, **more})
        assert PASSWORD not in ended.out + ended.err
        return ended.code, ended.out + ended.err

    code, told = command("check", "--lock", GIT_CONFIG_GLOBAL="/dev/null")
    assert code == 2
    assert "an included repository cannot be read: " in told

    code, told = command("check", "--lock", **login)
    assert (code, f"{server.address}/private.git v1:python.yml is pinned at " in told) == (0, True)
    repository.commit()
    code, told = command("run", "--executor", "process")
    assert (code, "[lint] linted" in told) == (0, True)

    code, told = command("plan", ECLUSE_PRIVATE_HOSTS="127.0.0.1", **login, **of_a_fork(tmp_path, repository))
    assert code == 2
    assert "an included repository cannot be read: " in told


def test_public_includes_are_for_forks_too(
    ecluse: Command, git_repo: Callable[..., Repository], server: Server, tmp_path: Path
) -> None:
    include = f"include: {{git: '{server.address}/public.git', ref: v1, file: python.yml}}\n"
    repository = git_repo({"pipeline.yml": f"version: 1\nname: shop\n{include}stages: {{}}\n"}, name="shop")
    assert ecluse("check", "--lock", cwd=repository.path, env=server.variables).code == 0
    repository.commit()
    fork = {**server.variables, **of_a_fork(tmp_path, repository)}
    refused = ecluse("plan", cwd=repository.path, env=fork)
    assert (refused.code, "127.0.0.1 is in a private network" in refused.err) == (2, True)
    planned = ecluse("plan", cwd=repository.path, env={**fork, "ECLUSE_PRIVATE_HOSTS": "127.0.0.1"})
    assert (planned.code, "lint" in planned.out, planned.err) == (0, True, "")
