"""Named pieces in a bucket of S3, or of a server that speaks its protocol."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from pipeline.errors import SettingsError, StorageError
from pipeline.ports.storage import Kept

if TYPE_CHECKING:  # for its quarter of a second, not for a circle
    from minio import Minio

CONNECT = 5.0
READ = 30.0
"""Seconds without an answer after which a request is given up."""
_CHUNK = 1 << 20
_PART = 16 << 20
_ABSENT = frozenset(("NoSuchKey", "NoSuchObject", "ResourceNotFound"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where the pieces lie: `s3://bucket/prefix?endpoint=https://host:9000&region=eu-1`."""

    bucket: str
    prefix: str = ""
    endpoint: str = "s3.amazonaws.com"
    secure: bool = True
    region: str = ""

    @staticmethod
    def parse(url: str) -> Place:
        """SettingsError for what is no such address."""
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        endpoint = urlsplit(options.pop("endpoint", "https://s3.amazonaws.com"))
        region = options.pop("region", "")
        if parts.scheme != "s3" or not parts.netloc or endpoint.scheme not in ("http", "https") or options:
            raise SettingsError(
                f"setting 'store': '{url}' is no address of a store",
                hint="write a folder, or s3://bucket/prefix?endpoint=https://host (and &region=… where it is needed)",
            )
        prefix = parts.path.strip("/")
        return Place(
            bucket=parts.netloc,
            prefix=f"{prefix}/" if prefix else "",
            endpoint=endpoint.netloc,
            secure=endpoint.scheme == "https",
            region=region,
        )


class S3Objects:
    """Implements `pipeline.storage.objects.Objects`. The client is imported and made with the first request.

    Credentials are those of `AWS_ACCESS_KEY_ID` and its kin, else of the user's AWS file, else (at Amazon) of the
    machine. A server that does not answer is given up after seconds.
    """

    def __init__(self, place: Place, environment: Mapping[str, str]) -> None:
        self._place = place
        self._environment = environment
        self._lock = threading.Lock()
        self._made: Minio | None = None

    def get(self, name: str) -> bytes | None:
        """The whole piece, or None."""
        chunks = self.fetch(name)
        return None if chunks is None else b"".join(chunks)

    def fetch(self, name: str) -> Iterator[bytes] | None:
        """A piece in chunks, or None."""
        with self._failures("read", name):
            answer = self._unless_absent(lambda: self._client.get_object(self._place.bucket, self._place.prefix + name))
        return None if answer is None else self._chunks(answer, name)

    def has(self, name: str) -> bool:
        """Whether it is there."""
        with self._failures("look for", name):
            found = self._unless_absent(lambda: self._client.stat_object(self._place.bucket, self._place.prefix + name))
            return found is not None

    def put(self, name: str, content: bytes, *, replace: bool) -> None:
        """Keep a piece; S3 shows it only whole."""
        if replace or not self.has(name):
            self.send(name, io.BytesIO(content), len(content))

    def send(self, name: str, content: IO[bytes], size: int) -> None:
        """Keep a large piece, in parts."""
        with self._failures("write", name):
            self._client.put_object(
                self._place.bucket,
                self._place.prefix + name,
                content,  # type: ignore[arg-type]  # it only reads
                size,
                part_size=_PART,
            )

    def touch(self, name: str) -> None:
        """A bucket's own rules know only when a piece was written."""

    def delete(self, name: str) -> None:
        """Drop it."""
        with self._failures("delete", name):
            self._client.remove_object(self._place.bucket, self._place.prefix + name)

    def names(self, prefix: str) -> Iterator[Kept]:
        """Pieces below a folder."""
        whole = self._place.prefix + prefix
        with self._failures("list", prefix):
            for item in self._client.list_objects(self._place.bucket, prefix=whole, recursive=True):
                written = item.last_modified
                yield Kept(
                    name=str(item.object_name).removeprefix(self._place.prefix),
                    used=written.timestamp() if written else 0.0,
                )

    @property
    def _client(self) -> Minio:
        with self._lock:
            if self._made is None:
                self._made = _connect(self._place, self._environment)
            return self._made

    def _unless_absent(self, ask: Any) -> Any:
        from minio.error import S3Error

        try:
            return ask()
        except S3Error as error:
            if error.code in _ABSENT:
                return None
            raise

    def _chunks(self, answer: Any, name: str) -> Iterator[bytes]:
        try:
            with self._failures("read", name):
                yield from answer.stream(_CHUNK)
        finally:
            answer.close()
            answer.release_conn()

    @contextmanager
    def _failures(self, what: str, name: str) -> Iterator[None]:
        """Wrap what the client and the network raise."""
        try:
            yield
        except StorageError:
            raise
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("minio", "urllib3", "ssl", "socket", "builtins"):
                raise
            place = f"s3://{self._place.bucket}/{self._place.prefix}{name} at {self._place.endpoint}"
            words = str(getattr(error, "message", "") or error).splitlines() or [type(error).__name__]
            raise StorageError(
                f"cannot {what} {place}: {words[0]}", hint="check the setting 'store' and its credentials"
            ) from error


def _connect(place: Place, environment: Mapping[str, str]) -> Minio:
    try:
        import certifi
        import urllib3
        from minio import Minio
        from minio.credentials.providers import AWSConfigProvider, ChainedProvider, EnvAWSProvider, IamAwsProvider
    except ImportError as error:
        raise StorageError(
            f"the shared store {place.endpoint} cannot be reached: {error}", hint="install it: pip install 'ecluse[s3]'"
        ) from error

    providers: list[Any] = [EnvAWSProvider(), AWSConfigProvider()]
    if place.endpoint.endswith("amazonaws.com"):
        providers.append(IamAwsProvider())
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT, read=READ),
        retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504)),
        maxsize=8,
        cert_reqs="CERT_REQUIRED",
        ca_certs=environment.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )
    return Minio(
        place.endpoint,
        credentials=ChainedProvider(providers),
        secure=place.secure,
        region=place.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or None,
        http_client=pool,
    )
