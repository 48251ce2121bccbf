"""An OpenID Connect provider, asked by authlib: discovery, code with PKCE, and an ID token that is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import EcluseError, RefusedError, SettingsError
from pipeline.operations.access.secret_words import derived
from pipeline.settings import Settings

_KEYS = ("name", "issuer", "client", "secret_file", "login", "groups", "scope")
_NEEDED = ("issuer", "client", "secret_file")
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Never `none`, and none of a shared secret."""
_LEEWAY = 60
_TIMEOUT = 10
_LARGEST = 1024 * 1024
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ProviderError(EcluseError):
    """The provider does not answer, or not as OpenID Connect asks for."""

    transient = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Vouched:
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    claims: Mapping[str, Any] = field(repr=False)


class Provider:
    """One provider, as the settings name it; what it says of itself is asked once for each sign-in."""

    def __init__(self, settings: Mapping[str, str], *, back: str) -> None:
        self.issuer = settings["issuer"].rstrip("/")
        self.name = settings.get("name") or urlsplit(self.issuer).netloc
        self.login_claim = settings.get("login") or "preferred_username"
        self.groups_claim = settings.get("groups") or "groups"
        self._settings = settings
        self._back = back

    def way_there(self, seed: str) -> str:
        """Where to send the browser; state, nonce and verifier are derived from its cookie's seed."""
        url, _ = self._client(seed).create_authorization_url(
            self._endpoint(self._described(), "authorization_endpoint"),
            state=derived(seed, "state"),
            nonce=derived(seed, "nonce"),
            code_verifier=derived(seed, "verifier"),
        )
        return str(url)

    def vouched(self, seed: str, code: str, *, now: datetime) -> Vouched:
        """Who came back with this code. RefusedError for an ID token that does not hold."""
        described = self._described()
        with _wrapped():
            token = self._client(seed).fetch_token(
                self._endpoint(described, "token_endpoint"),
                code=code,
                code_verifier=derived(seed, "verifier"),
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        claims = self._checked(token, self._json(self._endpoint(described, "jwks_uri")), seed, now=now)
        if "userinfo_endpoint" in described and not {self.login_claim, self.groups_claim} <= claims.keys():
            more = self._json(self._endpoint(described, "userinfo_endpoint"), token=str(token["access_token"]))
            if more.get("sub") == claims["sub"]:
                claims = {**more, **claims}
        return Vouched(issuer=self.issuer, subject=str(claims["sub"]), claims=claims)

    def _checked(self, token: Mapping[str, Any], keys: Any, seed: str, *, now: datetime) -> dict[str, Any]:
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        client = self._settings["client"]
        try:
            read = jwt.decode(str(token.get("id_token", "")), KeySet.import_key_set(keys), algorithms=_ALGORITHMS)
            options = {
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": client},
                "nonce": {"essential": True, "value": derived(seed, "nonce")},
            }
            params = {"client_id": client, "nonce": derived(seed, "nonce"), "access_token": token.get("access_token")}
            claims = CodeIDToken(read.claims, read.header, options, params)
            claims.validate(now=int(now.timestamp()), leeway=_LEEWAY)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise RefusedError(
                f"the ID token of {self.name} does not hold: {type(error).__name__}", hint="sign in once more"
            ) from error
        return dict(claims)

    def _client(self, seed: str) -> Any:
        del seed
        from authlib.integrations.requests_client import OAuth2Session

        return OAuth2Session(
            self._settings["client"],
            _secret(self._settings["secret_file"]),
            scope=self._settings.get("scope") or "openid profile email",
            redirect_uri=self._back,
            code_challenge_method="S256",
        )

    def _described(self) -> dict[str, Any]:
        found = self._json(f"{self.issuer}/.well-known/openid-configuration")
        if str(found.get("issuer", "")).rstrip("/") != self.issuer:
            raise ProviderError(f"{self.name} says that it is another issuer", hint="compare the setting 'oidc'")
        return found

    def _endpoint(self, described: Mapping[str, Any], name: str) -> str:
        url = str(described.get(name, ""))
        check_url(url, what=f"{name} of {self.name}")
        return url

    def _json(self, url: str, *, token: str = "") -> dict[str, Any]:
        import requests

        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with _wrapped():
            answer = requests.get(url, headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True)
            with answer:
                content = answer.raw.read(_LARGEST + 1, decode_content=True)
            if answer.status_code != 200 or len(content) > _LARGEST:
                raise ProviderError(f"{urlsplit(url).netloc} answers {answer.status_code}", hint="try again later")
            import json

            found = json.loads(content)
        if not isinstance(found, dict):
            raise ProviderError(f"{urlsplit(url).netloc} answers something else than OpenID Connect")
        return found


def provider_of(settings: Settings, *, back: str) -> Provider | None:
    """The provider of the settings; None where they name none. SettingsError where they are wrong."""
    given = settings.oidc
    if not given:
        return None
    unknown = sorted(set(given) - set(_KEYS))
    missing = [name for name in _NEEDED if not given.get(name)]
    if unknown or missing:
        wrong = f"has an unknown key '{unknown[0]}'" if unknown else f"lacks '{missing[0]}'"
        raise SettingsError(f"setting 'oidc' {wrong}", hint="its keys are " + ", ".join(_KEYS))
    check_url(given["issuer"], what="setting 'oidc': issuer")
    return Provider(given, back=back)


def check_url(url: str, *, what: str) -> None:
    """SettingsError unless it is https, or on this machine: codes and tokens go there."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname and not parts.username:
        return
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return
    raise SettingsError(f"{what} is no https address", hint="a provider is spoken to by TLS alone")


def _secret(file: str) -> str:
    path = Path(file).expanduser()
    try:
        if path.stat().st_mode & 0o077:
            raise SettingsError(f"setting 'oidc': {path} can be read by others", hint=f"chmod 600 '{path}'")
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"setting 'oidc': cannot read {path}", hint="it holds the client's secret") from error


class _wrapped:  # noqa: N801 - reads as a verb
    """Errors of the network and of authlib as ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        from authlib.common.errors import AuthlibBaseError
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        if isinstance(error, AuthlibBaseError):
            raise RefusedError(
                f"the provider refuses: {error.error or 'no reason'}", hint="sign in once more"
            ) from error
        if isinstance(error, RequestException | HTTPError | ValueError):
            raise ProviderError(
                f"the provider cannot be asked: {type(error).__name__}", hint="try again later"
            ) from error
