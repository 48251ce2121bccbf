"""What a docker target's options mean, and which cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.diagnostic import Position
from pipeline.dockerapi import Certificates
from pipeline.errors import UsageError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.value import Options
from pipeline.targets.docker.handover import host_of
from pipeline.targets.docker.hosts import Host
from pipeline.targets.docker.options import DockerOptions, Health, Published, WarmUp, docker_options
from pipeline.targets.docker.proxy import Proxy

PROXY: Options = {"socket": "tcp://127.0.0.1:9999", "backend": "shop", "port": 8080}
SHOP = Proxy(socket="tcp://127.0.0.1:9999", backend="shop", port=8080)


def parse(options: Options) -> DockerOptions:
    return docker_options(
        EnvironmentDefinition(name="dev", position=Position(file="p", line=1, column=1), target=options)
    )


@pytest.mark.parametrize(
    ("options", "parsed"),
    [
        pytest.param({}, DockerOptions(), id="nothing"),
        pytest.param(
            {"publish": ["8080:80", "127.0.0.1:81:81/udp", "[::1]:82:82"]},
            DockerOptions(
                publish=(
                    Published(address="0.0.0.0", host=8080, port=80),
                    Published(address="127.0.0.1", host=81, port=81, protocol="udp"),
                    Published(address="::1", host=82, port=82),
                )
            ),
            id="publish",
        ),
        pytest.param({"health": "true"}, DockerOptions(health=Health(command=("CMD-SHELL", "true"))), id="health-line"),
        pytest.param(
            {"health": {"command": ["a", "b"], "within": "2m", "interval": "500ms", "retries": 9}},
            DockerOptions(health=Health(command=("CMD", "a", "b"), within=120, interval=0.5, retries=9)),
            id="health-words",
        ),
        pytest.param({"health": {"tcp": 5432}}, DockerOptions(health=Health(port=5432)), id="health-tcp"),
        pytest.param({"command": "serve --on 'a b'"}, DockerOptions(command=("serve", "--on", "a b")), id="command"),
        pytest.param(
            {"resources": {"cpu": 0.5, "memory": "64MiB", "pids": 9}, "drain": "3s", "warm_up": "outbound"},
            DockerOptions(cpu=0.5, memory=64 << 20, pids=9, drain=3, warm_up=WarmUp.OUTBOUND),
            id="limits",
        ),
        pytest.param(
            {"replicas": 3, "proxy": {"haproxy": {"socket": "/run/admin.sock", "backend": "shop", "port": 8080}}},
            DockerOptions(replicas=3, proxy=Proxy(socket="/run/admin.sock", backend="shop", port=8080)),
            id="proxy",
        ),
        pytest.param(
            {"proxy": {"haproxy": {**PROXY, "servers": "shop-", "ports": "7000-7010", "check": False}}},
            DockerOptions(proxy=replace(SHOP, servers="shop-", ports=(7000, 7010), check=False)),
            id="proxy-with-declared-servers",
        ),
        pytest.param(
            {"host": "tcp://10.0.0.7:2376", "tls": {"ca": "/a", "certificate": "/b", "key": "/c"}},
            DockerOptions(
                hosts=(
                    Host(
                        engine="tcp://10.0.0.7:2376",
                        name="10.0.0.7",
                        address="10.0.0.7",
                        certificates=Certificates(authority="/a", certificate="/b", key="/c"),
                    ),
                )
            ),
            id="tls",
        ),
        pytest.param(
            {
                "proxy": {"haproxy": PROXY},
                "hosts": ["unix:///run/one.sock", {"host": "ssh://d@b", "address": "10.0.0.8"}],
            },
            DockerOptions(
                proxy=SHOP,
                hosts=(
                    Host(engine="unix:///run/one.sock", name="run-one.sock"),
                    Host(engine="ssh://d@b", name="b", address="10.0.0.8"),
                ),
            ),
            id="hosts",
        ),
    ],
)
def test_options_are_parsed_once(options: Options, parsed: DockerOptions) -> None:
    assert parse(options) == parsed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"replicas": 3}, "without a proxy a docker target runs one container, not 3", id="replicas"),
        pytest.param({"publish": "8080"}, "'8080' is not a published port", id="no-container-port"),
        pytest.param({"publish": "70000:80"}, "'70000:80' is not a published port", id="port-too-big"),
        pytest.param({"volumes": "/etc:/etc"}, "'/etc:/etc' is not a named volume", id="host-path"),
        pytest.param({"publish": "1:1", "proxy": {"haproxy": PROXY}}, "publish nothing of their own", id="both"),
        pytest.param({"hosts": ["unix:///a", "unix:///b"]}, "runs on one engine, not on 2", id="hosts-without-proxy"),
        pytest.param({"hosts": ["unix:///a"], "host": "unix:///b"}, "either host or hosts", id="host-and-hosts"),
        pytest.param({"proxy": {"haproxy": PROXY}, "hosts": ["unix:///a"] * 2}, "'unix:///a' twice", id="twice"),
        pytest.param({"hosts": ["ftp://a"]}, "'ftp://a' is not an engine's address", id="scheme"),
        pytest.param({"host": "tcp://a", "tls": {"ca": "/a"}}, "tls has no certificate and no key", id="half-a-tls"),
        pytest.param({"proxy": {"haproxy": {}}}, "has no socket and no backend and no port", id="empty-proxy"),
        pytest.param({"proxy": {"haproxy": {**PROXY, "socket": "admin"}}}, "'admin' is not an address", id="socket"),
        pytest.param({"proxy": {"haproxy": {**PROXY, "backend": "a; b"}}}, "'a; b' is not a name", id="backend"),
        pytest.param({"proxy": {"haproxy": {**PROXY, "ports": "9-1"}}}, "'9-1' is not a range", id="ports"),
        pytest.param({"drain": "soon"}, "'soon' is not a duration", id="duration"),
        pytest.param({"warm_up": "hot"}, "'hot' is not a valid WarmUp", id="warm-up"),
    ],
)
def test_what_cannot_work_names_the_environment(options: Options, message: str) -> None:
    with pytest.raises(UsageError, match=r"environment 'dev': target\.docker") as caught:
        parse(options)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("address", "host"),
    [
        pytest.param("unix:///var/run/docker.sock", "127.0.0.1", id="socket"),
        pytest.param("tcp://10.0.0.7:2376", "10.0.0.7", id="tcp"),
        pytest.param("ssh://deploy@host", "host", id="ssh"),
    ],
)
def test_where_the_ports_of_an_engine_are(address: str, host: str) -> None:
    assert host_of(address) == host
