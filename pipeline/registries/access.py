"""Requests to one registry: its scheme, its login (Basic or Bearer), and redirects that carry no login away."""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from pipeline.dockerapi.registry_login import login
from pipeline.errors import RegistryBusyError, RegistryError
from pipeline.registries.faults import reaching, refused

if TYPE_CHECKING:
    import requests

CONNECTING = 10.0
PATIENCE = 60.0
"""Seconds without a byte."""
_REDIRECTS = (301, 302, 303, 307, 308)
_TOKEN_LIMIT = 1 << 20


class Access:
    """A session with one registry. Tokens are asked for by scope and kept; one that has run out is asked for anew."""

    def __init__(self, registry: str, host: str, *, scheme: str, certificates: str = "") -> None:
        self.registry = registry
        self.host = host
        self.scheme = scheme
        self._certificates = certificates
        self._session: Any = None
        self._login: Mapping[str, str] | None = None
        self._authorization: dict[str, str] = {}
        """By scope; "" is for Basic."""
        self._lock = threading.Lock()

    @property
    def anonymous(self) -> bool:
        """Whether nobody has a login for it."""
        return not self._known()

    def close(self) -> None:
        """Give the connections back."""
        if self._session is not None:
            self._session.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        what: str,
        scopes: tuple[str, ...],
        expected: tuple[int, ...],
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        follow: bool = False,
        patience: float = PATIENCE,
    ) -> requests.Response:
        """One request below the registry's address, or to a Location that it gave. The body is not read yet.

        Answers that are not expected are errors (`faults.refused`). `follow`: redirects, as blobs have them.
        `patience`: seconds that the registry may take to answer.
        """
        url = self._url(path)
        scope = " ".join(sorted(scopes))
        with reaching(self.registry, what):
            response = self._send(method, url, headers, data, scope, patience)
            if response.status_code == 401 and self._authenticated(response, scope, what):
                response.close()
                if data is not None and not isinstance(data, bytes):
                    raise RegistryBusyError(f"cannot {what}: the login ran out meanwhile")
                response = self._send(method, url, headers, data, scope, patience)
            for _ in range(5):
                if not follow or response.status_code not in _REDIRECTS:
                    break
                response = self._redirected(method, url, response, headers, what)
                url = response.url
            if response.status_code not in expected:
                with response:
                    raise refused(response, self.registry, what, anonymous=self.anonymous)
            return response

    def _url(self, path: str) -> str:
        """An address of this registry; a Location on another host or by another scheme stays with ours."""
        parts = urlsplit(urljoin(f"{self.scheme}://{self.host}/", path))
        if parts.hostname != urlsplit(f"//{self.host}").hostname:
            raise RegistryError(
                f"{self.registry} sends uploads to {parts.hostname}", hint="it is not configured with its own address"
            )
        return f"{self.scheme}://{self.host}{parts.path}" + (f"?{parts.query}" if parts.query else "")

    def _send(
        self, method: str, url: str, headers: Mapping[str, str] | None, data: Any, scope: str, patience: float
    ) -> requests.Response:
        given = dict(headers or {})
        with self._lock:
            authorization = self._authorization.get(scope) or self._authorization.get("")
        if authorization:
            given["Authorization"] = authorization
        return self._raw(method, url, headers=given, data=data, patience=patience)

    def _raw(self, method: str, url: str, *, patience: float = PATIENCE, **more: Any) -> requests.Response:
        session = self._opened()
        answer: requests.Response = session.request(
            method,
            url,
            stream=True,
            allow_redirects=False,
            timeout=(CONNECTING, patience),
            proxies=self._proxies(url),
            **more,
        )
        return answer

    def _redirected(
        self, method: str, url: str, response: requests.Response, headers: Mapping[str, str] | None, what: str
    ) -> requests.Response:
        """The next address of a redirect; the login stays with the registry."""
        target = urljoin(url, response.headers.get("Location", ""))
        response.close()
        parts = urlsplit(target)
        if parts.scheme != "https" and not (parts.scheme == self.scheme == "http"):
            raise RegistryError(
                f"cannot {what}: {self.registry} sends us to {parts.scheme}://{parts.netloc}, without TLS"
            )
        return self._raw(method, target, headers=dict(headers or {}))

    def _authenticated(self, response: requests.Response, scope: str, what: str) -> bool:
        """Whether there is an authorization now that was not there when the registry said 401."""
        challenge = response.headers.get("WWW-Authenticate", "")
        kind, _, rest = challenge.partition(" ")
        known = self._known()
        sent = response.request.headers.get("Authorization", "")
        if kind.lower() == "basic" and "username" in known:
            made = "Basic " + b64encode(f"{known['username']}:{known.get('password', '')}".encode()).decode()
            with self._lock:
                self._authorization[""] = made
            return sent != made
        if kind.lower() == "bearer":
            facts = dict(re.findall(r'(\w+)="([^"]*)"', rest))
            token = self._token(facts, scope, what)
            with self._lock:
                self._authorization[scope] = f"Bearer {token}"
            return sent != f"Bearer {token}"
        return False

    def _token(self, facts: Mapping[str, str], scope: str, what: str) -> str:
        realm, known = facts.get("realm", ""), self._known()
        parts = urlsplit(realm)
        if parts.scheme != "https" and not (parts.scheme == self.scheme == "http"):
            raise RegistryError(f"cannot {what}: {self.registry} wants a login at '{realm[:80]}', which is not https")
        scopes = scope.split()
        if "identitytoken" in known:
            form = {
                "grant_type": "refresh_token",
                "service": facts.get("service", ""),
                "client_id": "ecluse",
                "scope": scope,
                "refresh_token": known["identitytoken"],
            }
            response = self._raw("POST", realm, data=form)
        else:
            login = (known["username"], known.get("password", "")) if "username" in known else None
            asked = [("service", facts.get("service", "")), *(("scope", item) for item in scopes)]
            response = self._raw("GET", realm, params=asked, auth=login)
        with response:
            if response.status_code != 200:
                raise refused(response, self.registry, what, anonymous=not known)
            try:
                found = json.loads(response.raw.read(_TOKEN_LIMIT, decode_content=True))
                token = found.get("token") or found.get("access_token")
            except (ValueError, AttributeError, RecursionError) as error:
                raise RegistryError(f"cannot {what}: {parts.hostname} gives no token") from error
        if not isinstance(token, str) or not token.isascii() or any(letter.isspace() for letter in token):
            raise RegistryError(f"cannot {what}: {parts.hostname} gives no token")
        return token

    def _known(self) -> Mapping[str, str]:
        if self._login is None:
            found = login(f"{self.registry}/x", None)  # a credential helper's keys begin with capitals
            self._login = {name.lower(): value for name, value in found.items()}
        return self._login

    def _opened(self) -> Any:
        with self._lock:
            if self._session is None:
                import requests

                self._session = requests.Session()
                self._session.trust_env = False  # a .netrc is nobody's registry login
                self._session.verify = self._certificates or True
                self._session.headers["User-Agent"] = "ecluse"
            return self._session

    def _proxies(self, url: str) -> dict[str, str]:
        """The proxies of the environment; none for this machine, as docker has it."""
        import requests

        return {} if self.scheme == "http" else requests.utils.get_environ_proxies(url, no_proxy=None)
