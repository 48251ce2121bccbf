"""The contract of `pipeline.ports.images.Images`, against a real engine and real registries, for both builders."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.errors import (
    CancelledError,
    EngineError,
    ImageNotFoundError,
    RegistryBusyError,
    RegistryError,
)
from pipeline.executors.docker.images import DockerImages
from pipeline.model.container import Stream
from pipeline.model.run import BuiltImage
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.images import Build, BuildSpec, Credentials
from pipeline.settings import Settings

BUILDERS = pytest.mark.parametrize(
    "builder", [pytest.param("buildkit", id="buildkit"), pytest.param("classic", id="classic")]
)
NAME = "contract"


class Written:
    """Keeps what was written; `awaited` is set once a text has appeared."""

    def __init__(self, awaited: str = "") -> None:
        self.content = b""
        self.seen = threading.Event()
        self._awaited = awaited.encode()

    def write(self, stream: Stream, chunk: bytes) -> None:
        self.content += chunk
        if self._awaited and self._awaited in self.content:
            self.seen.set()

    @property
    def text(self) -> str:
        return self.content.decode()


@pytest.fixture
def subject(engine: str, tmp_home: Path, installation: str) -> Iterator[DockerImages]:
    adapter = DockerImages(Settings(home=tmp_home, docker_host=engine))
    yield adapter
    for leftover in adapter.leftovers(installation):
        adapter.remove(leftover.name)


@pytest.fixture
def reference(installation: str) -> str:
    return f"ecluse-local/{installation[:8]}/{NAME}:{uuid4().hex}"


def context(files: Mapping[str, str]) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    buffer.seek(0)
    return buffer


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def build(subject: DockerImages, reference: str) -> Callable[..., Build]:
    def run(files: Mapping[str, str], **more: object) -> Build:
        output = more.pop("output", Written())
        cancel = more.pop("cancel", Cancellation())
        spec = BuildSpec(reference=reference, **more)  # type: ignore[arg-type]
        return subject.build(context(files), spec, output=output, cancel=cancel)  # type: ignore[arg-type]

    return run


@BUILDERS
def test_an_image_is_built_with_its_arguments_labels_and_target(
    build: Callable[..., Build], subject: DockerImages, reference: str, images, builder: str
) -> None:
    dockerfile = (
        f"FROM {images.busybox} AS first\nARG WHO\nCOPY file /file\nRUN echo $WHO > /who\nFROM first\nRUN false\n"
    )
    output = Written()
    built = build(
        {"sub/Dockerfile.ci": dockerfile, "file": "content"},
        dockerfile="sub/Dockerfile.ci",
        target="first",
        args={"WHO": "marin"},
        labels={"one": "1"},
        builder=builder,
        output=output,
    )
    assert built.builder == builder
    assert built.failure is None
    assert built.image == subject.inspect(reference)
    assert built.image is not None
    assert docker("run", "--rm", built.image.id, "cat", "/who", "/file") == "marin\ncontent"
    assert json.loads(docker("inspect", built.image.id))[0]["Config"]["Labels"]["one"] == "1"
    assert "> /who" in output.text


@BUILDERS
@pytest.mark.parametrize(
    ("steps", "step", "code", "line", "message"),
    [
        pytest.param("RUN echo out; exit 7\n", "RUN echo out; exit 7", 7, 0, "7", id="command"),
        pytest.param("COPY nothere /x\n", "COPY nothere /x", None, 0, "nothere", id="missing-file"),
        pytest.param("RAN x\n", "", None, 2, "unknown instruction: RAN", id="unknown-instruction"),
    ],
)
def test_a_failed_step_is_a_result(
    build: Callable[..., Build],
    images,
    builder: str,
    steps: str,
    step: str,
    code: int | None,
    line: int,
    message: str,
) -> None:
    output = Written()
    built = build({"Dockerfile": f"FROM {images.busybox}\n{steps}"}, builder=builder, output=output)
    assert built.image is None
    assert built.failure is not None
    assert (built.failure.step, built.failure.code, built.failure.line) == (step, code, line)
    assert message in built.failure.message
    assert "out\n" in output.text or code is None


@BUILDERS
def test_a_base_image_that_does_not_exist_is_an_error(build: Callable[..., Build], registry: str, builder: str) -> None:
    with pytest.raises(ImageNotFoundError, match="contract/nothere:1 is neither on the engine nor in its registry"):
        build({"Dockerfile": f"FROM {registry}/contract/nothere:1\nRUN true\n"}, builder=builder)


def test_secrets_reach_the_step_and_nothing_else(build: Callable[..., Build], images) -> None:
    secret = uuid4().hex
    step = "RUN --mount=type=secret,id=TOKEN test $(wc -c < /run/secrets/TOKEN) = 32"
    built = build({"Dockerfile": f"FROM {images.busybox}\n{step}\n"}, secrets={"TOKEN": secret}, builder="buildkit")
    assert built.image is not None
    assert secret not in docker("inspect", built.image.id)
    assert secret not in docker("history", "--no-trunc", built.image.id)
    saved = subprocess.run(["docker", "save", built.image.id], capture_output=True, check=True).stdout
    assert secret.encode() not in saved


def test_the_classic_builder_refuses_secrets(build: Callable[..., Build], images) -> None:
    with pytest.raises(EngineError, match=r"the classic builder has no build secrets \(TOKEN\)"):
        build({"Dockerfile": f"FROM {images.busybox}\n"}, secrets={"TOKEN": "x" * 8}, builder="classic")


def test_certificates_and_proxies_of_the_host_reach_a_step_without_a_trace(
    engine: str, tmp_home: Path, reference: str, images, tmp_path: Path, installation: str
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("the bundle of this host\n")
    adapter = DockerImages(
        Settings(
            home=tmp_home, docker_host=engine, certificates=str(bundle), proxy={"HTTPS_PROXY": "http://proxy.example:1"}
        )
    )
    mount = "--mount=type=secret,id=certificates,target=/certs.crt"
    step = f"RUN {mount} cat /certs.crt; echo proxy=$HTTPS_PROXY; : {uuid4().hex}"
    output = Written()
    spec = BuildSpec(reference=reference, builder="buildkit")
    built = adapter.build(
        context({"Dockerfile": f"FROM {images.busybox}\n{step}\n"}), spec, output=output, cancel=Cancellation()
    )
    assert "the bundle of this host" in output.text
    assert "proxy=http://proxy.example:1" in output.text
    assert built.image is not None
    facts = docker("inspect", built.image.id) + docker("history", "--no-trunc", built.image.id)
    assert "proxy.example" not in facts
    assert docker("run", "--rm", built.image.id, "sh", "-c", "cat /certs.crt | wc -c").strip() == "0"
    adapter.remove(reference)


@BUILDERS
def test_cancelling_ends_the_build(build: Callable[..., Build], images, builder: str) -> None:
    cancel = Cancellation()
    mark = uuid4().hex
    output = Written(awaited=f"started {mark}\n")

    def stop() -> None:
        output.seen.wait(60)
        cancel.cancel("enough")

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(CancelledError, match="enough"):
        build(
            {"Dockerfile": f"FROM {images.busybox}\nRUN echo started {mark}; sleep 1000; echo {mark}\n"},
            builder=builder,
            output=output,
            cancel=cancel,
        )
    thread.join()
    for _ in range(100):
        if f"sleep 1000; echo {mark}" not in _processes():
            return
        threading.Event().wait(0.1)
    pytest.fail("the build's process still runs")


def _processes() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def test_a_name_that_is_not_there(subject: DockerImages) -> None:
    assert subject.inspect("ecluse-local/none/none:1") is None
    subject.remove("ecluse-local/none/none:1")


def test_an_export_is_a_docker_archive(build: Callable[..., Build], subject: DockerImages, images) -> None:
    built = build({"Dockerfile": f"FROM {images.busybox}\nRUN echo new > /new\n"})
    assert built.image is not None
    with tarfile.open(fileobj=io.BytesIO(b"".join(subject.export(built.image)))) as tar:
        assert "manifest.json" in tar.getnames()


def test_a_rebuild_leaves_no_nameless_image(build: Callable[..., Build], images) -> None:
    first = build({"Dockerfile": f"FROM {images.busybox}\nRUN echo 1 > /n\n"})
    second = build({"Dockerfile": f"FROM {images.busybox}\nRUN echo 2 > /n\n"})
    assert first.image is not None
    assert second.image is not None
    ids = docker("images", "--all", "--no-trunc", "--quiet").split()
    assert second.image.id in ids
    assert first.image.id not in ids


def test_push_reads_the_digest_back_and_leaves_no_name(
    build: Callable[..., Build], subject: DockerImages, images, registry: str
) -> None:
    image = _built(build, images)
    repository = f"{registry}/contract/{uuid4().hex}"
    assert subject.registry_digest(f"{repository}:1", credentials=None) is None
    first = _push(subject, image, repository, "1")
    again = _push(subject, image, repository, "1")
    assert first == again == subject.registry_digest(f"{repository}:1", credentials=None)
    assert first.startswith("sha256:")
    assert repository not in docker("images", "--format", "{{.Repository}}:{{.Tag}}")
    pulled = subject.pull(f"{repository}@{first}")
    assert pulled.id == image.id
    subject.remove(f"{repository}@{first}")


def test_push_gives_a_name_of_the_user_back(
    build: Callable[..., Build], subject: DockerImages, images, registry: str
) -> None:
    image = _built(build, images)
    repository = f"{registry}/contract/{uuid4().hex}"
    docker("tag", images.busybox, f"{repository}:1")
    before = docker("images", "--no-trunc", "--quiet", f"{repository}:1")
    _push(subject, image, repository, "1")
    assert docker("images", "--no-trunc", "--quiet", f"{repository}:1") == before
    docker("rmi", f"{repository}:1")


def test_push_of_an_image_that_is_gone(subject: DockerImages, registry: str) -> None:
    gone = BuiltImage(id="sha256:" + "0" * 64, reference="gone:1")
    with pytest.raises(ImageNotFoundError, match="is no longer on the engine"):
        _push(subject, gone, f"{registry}/contract/gone", "1")


def test_a_login(build: Callable[..., Build], subject: DockerImages, images, registry_with_login) -> None:
    image = _built(build, images)
    where = registry_with_login
    repository = f"{where.address}/contract/{uuid4().hex}"
    for credentials in (None, Credentials(username=where.user, password="wrong-password")):
        with pytest.raises(RegistryError, match="does not let this login write") as raised:
            _push(subject, image, repository, "1", credentials)
        assert not raised.value.transient
        assert "docker login" in raised.value.hint
        assert "wrong-password" not in raised.value.message
    right = Credentials(username=where.user, password=where.password)
    digest = _push(subject, image, repository, "1", right)
    assert subject.registry_digest(f"{repository}:1", credentials=right) == digest


def test_the_login_of_the_docker_configuration(
    build: Callable[..., Build],
    subject: DockerImages,
    images,
    registry_with_login,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = _built(build, images)
    where = registry_with_login
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    login = ["docker", "login", "--username", where.user, "--password-stdin", where.address]
    subprocess.run(login, input=where.password, text=True, capture_output=True, check=True)
    repository = f"{where.address}/contract/{uuid4().hex}"
    assert _push(subject, image, repository, "1").startswith("sha256:")


@pytest.mark.parametrize(
    ("repository", "kind", "message"),
    [
        pytest.param("127.0.0.1:1/x", RegistryBusyError, "127.0.0.1:1 does not answer as it should", id="nobody-there"),
        pytest.param("registry.invalid/x", RegistryError, "host registry.invalid is unknown", id="unknown-host"),
    ],
)
def test_a_registry_that_cannot_be_reached(
    build: Callable[..., Build],
    subject: DockerImages,
    images,
    repository: str,
    kind: type[RegistryError],
    message: str,
) -> None:
    image = _built(build, images)
    with pytest.raises(kind, match=message) as raised:
        _push(subject, image, repository, "1")
    assert type(raised.value) is kind
    assert raised.value.hint


def _built(build: Callable[..., Build], images) -> BuiltImage:
    built = build({"Dockerfile": f"FROM {images.busybox}\nRUN echo {uuid4().hex} > /unique\n"})
    assert built.image is not None
    return built.image


def _push(
    subject: DockerImages, image: BuiltImage, repository: str, tag: str, credentials: Credentials | None = None
) -> str:
    return subject.push(
        image, repository=repository, tag=tag, credentials=credentials, output=Written(), cancel=Cancellation()
    )
