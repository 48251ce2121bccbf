"""Addresses that strangers write: only what is public, however a private one is spelled, wrapped or named."""

from __future__ import annotations

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.model.stranger_address import is_public, whereabouts

PUBLIC = ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
        *("169.254.169.254", "224.0.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
        *("", "localhost", "2130706433", "127.1"),
    ],
)
def test_what_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [*PUBLIC, "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_what_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.org/a.git", "ssh://git@example.org/a.git", "file:///etc/passwd", "/srv/git/a.git"),
        *("ext::sh -c id", "https:example.org", "git@example.org:a.git", "--upload-pack=touch x", ""),
        *("https://me@example.org/a.git", "https://example.org:80@127.0.0.1/a", "https://example.org\\@127.0.0.1/a"),
        *("https://example.org./a.git", "https://example.org:0/a", "https://example.org:99999/a", "https://exämple/a"),
        *("https://example.org/a b", "https://example.org/a\nb", "https:///a", "HTTPS://example.org/a"),
        "https://example.org?x=/a",
    ],
)
def test_what_is_no_address_for_strangers(url: str) -> None:
    with pytest.raises(ValueError, match="it is not https://HOST/PATH"):
        whereabouts(url, lookup=lambda _host, _port: PUBLIC)


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1/a", "https://127.0.0.1:8443/a", "https://[::1]/a", "https://[::ffff:127.0.0.1]/a"),
        *("https://2130706433/a", "https://0x7f000001/a", "https://0177.0.0.1/a", "https://127.1/a", "https://0/a"),
        *("https://localhost/a", "https://169.254.169.254/latest/meta-data", "https://LOCALHOST/a"),
    ],
)
def test_this_machine_is_private_by_whatever_name(url: str) -> None:
    with pytest.raises(ValueError, match="is in a private network"):
        whereabouts(url)


def test_one_private_address_of_several_is_enough_to_refuse() -> None:
    with pytest.raises(ValueError, match=r"example.org is in a private network \(10.0.0.1\)"):
        whereabouts("https://example.org/a", lookup=lambda _host, _port: (*PUBLIC, "10.0.0.1"))
    with pytest.raises(ValueError, match="nowhere"):
        whereabouts("https://example.org/a", lookup=lambda _host, _port: ())


@pytest.mark.parametrize("allowed", ["git.corp", "git.corp:443"])
def test_what_is_listed_may_be_private(allowed: str) -> None:
    found = whereabouts("https://Git.Corp/a", allowed=(allowed,), lookup=lambda _host, _port: ("10.0.0.1", "fd00::1"))
    assert found.pin == "git.corp:443:10.0.0.1,[fd00::1]"
    with pytest.raises(ValueError, match="private"):
        whereabouts("https://git.corp:8443/a", allowed=("git.corp:443",), lookup=lambda _host, _port: ("10.0.0.1",))


def test_git_goes_where_the_name_led_when_it_was_looked_at() -> None:
    """A name that means another address a moment later helps nobody: git asks nobody again."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Host"])
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"rebound.invalid:{server.server_port}"
        there = whereabouts(f"https://{host}/a.git", allowed=(host,), lookup=lambda _host, _port: ("127.0.0.1",))
        pinned = ("-c", f"http.curloptResolve={there.pin}", "-c", "http.proxy=")
        ended = subprocess.run(
            ("git", *pinned, "ls-remote", f"http://{host}/a.git"), capture_output=True, text=True, check=False
        )
        server.shutdown()
    assert asked == [host], ended.stderr
