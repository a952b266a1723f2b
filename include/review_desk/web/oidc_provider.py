"""The OpenID Connect provider: its discovery document, its keys, its tokens.

Authorization Code flow with PKCE (RFC 7636), as in OpenID Connect Core 1.0 §3.1 and RFC 9700. The provider is
first contacted when a person signs in through it, and every request has a timeout.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from dataclasses import dataclass
from typing import Any

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.deprecate import AuthlibDeprecationWarning
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from include.review_desk.errors import SingleSignOnFailed
from include.review_desk.people.single_sign_on import Identity
from include.review_desk.web.oidc_config import ProviderConfig, is_safe

with warnings.catch_warnings():
    # Authlib warns that it prefers httpx2, which means nothing to the person who starts the desk.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import AsyncOAuth2Client

CALLBACK_PATH = "/oidc/callback"
# Signatures that only the provider can make: no "none", no HMAC with a shared secret.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_TIMEOUT = httpx.Timeout(5.0)
_METADATA_SECONDS = 3600.0
_LEEWAY_SECONDS = 60
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
# The access token is sent there.
_USER_INFO = "userinfo_endpoint"
_NAME_CLAIMS = ("preferred_username", "email", "name")


@dataclass(frozen=True)
class Attempt:
    """A sign-in in progress: secrets shared by the browser that began it and the provider's answer."""

    state: str
    nonce: str
    code_verifier: str
    next_path: str


def _tells_safe_addresses(metadata: dict[str, Any]) -> bool:
    """Whether each endpoint is there, and none of them, not even the optional one, is plain http."""
    told = [metadata.get(endpoint) for endpoint in _ENDPOINTS]
    optional = metadata.get(_USER_INFO)
    return all(map(is_safe, told)) and (not optional or is_safe(optional))


class Provider:
    """One OpenID Connect provider, for one desk."""

    def __init__(self, config: ProviderConfig, public_url: str) -> None:
        self.config = config
        self._redirect_uri = public_url + CALLBACK_PATH
        self._metadata: dict[str, Any] | None = None
        self._metadata_until = 0.0
        self._away_at = 0.0
        self._keys: KeySet | None = None
        self._lock = asyncio.Lock()

    async def authorization_url(self, attempt: Attempt) -> str:
        """Where to send the browser.

        Raises
        ------
        SingleSignOnFailed
            The provider does not answer, or its discovery document cannot be used.
        """
        metadata = await self._discover()
        async with self._client(metadata) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.code_verifier,
            )
        return str(url)

    async def identity(self, attempt: Attempt, code: str) -> Identity:
        """Who signed in: the code is exchanged, the id_token verified.

        Raises
        ------
        SingleSignOnFailed
            The provider does not answer, refuses the code, or sends a token that proves nothing.
        """
        metadata = await self._discover()
        async with self._client(metadata) as client:
            try:
                token = await client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=attempt.code_verifier,
                )
            except AuthlibBaseError:
                raise self._failed("did not accept the sign-in: start again") from None
            except (httpx.HTTPError, ValueError):
                raise self._away() from None
        claims = await self._verified(token, attempt.nonce, metadata)
        if self.config.groups_claim not in claims and metadata.get(_USER_INFO):
            claims |= await self._user_info(metadata, token, claims["sub"])
        return self._identity(claims)

    async def _discover(self) -> dict[str, Any]:
        began = time.monotonic()
        async with self._lock:
            if self._metadata is None or time.monotonic() >= self._metadata_until:
                if self._away_at >= began:
                    # Fetched while this request waited for the lock, so that many requests share one timeout.
                    raise self._away()
                url = self.config.issuer.rstrip("/") + "/.well-known/openid-configuration"
                metadata = await self._fetch(url)
                if metadata.get("issuer") != self.config.issuer:
                    raise self._failed(f"calls itself another issuer than {self.config.issuer}")
                if not _tells_safe_addresses(metadata):
                    raise self._failed("does not tell its addresses as it should")
                self._metadata, self._keys = metadata, None
                self._metadata_until = time.monotonic() + _METADATA_SECONDS
            return self._metadata

    async def _verified(self, token: dict[str, Any], nonce: str, metadata: dict[str, Any]) -> dict[str, Any]:
        id_token = token.get("id_token")
        if not isinstance(id_token, str):
            raise self._failed("sent no id_token")
        try:
            verified = await self._with_keys(id_token, metadata)
            claims = CodeIDToken(
                verified.claims,
                verified.header,
                {
                    "iss": {"essential": True, "value": self.config.issuer},
                    "aud": {"essential": True, "value": self.config.client_id},
                },
                {
                    "nonce": nonce,
                    "client_id": self.config.client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(now=int(time.time()), leeway=_LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError):
            raise self._failed("sent a token that is not valid: start again") from None
        subject = claims["sub"]
        if not isinstance(subject, str) or not subject.isprintable() or not 0 < len(subject) <= 255:
            raise self._failed("sent a token without a usable subject")
        return dict(claims)

    async def _with_keys(self, id_token: str, metadata: dict[str, Any]) -> jwt.Token:
        """The token, its signature verified; keys rotate, so they are fetched again when none fits."""
        if self._keys is not None:
            try:
                return jwt.decode(id_token, self._keys, algorithms=_ALGORITHMS)
            except (JoseError, ValueError):
                self._keys = None
        keys = KeySet.import_key_set(await self._fetch(metadata["jwks_uri"]))  # type: ignore[arg-type]
        verified = jwt.decode(id_token, keys, algorithms=_ALGORITHMS)
        self._keys = keys
        return verified

    async def _user_info(
        self, metadata: dict[str, Any], token: dict[str, Any], subject: str
    ) -> dict[str, Any]:
        """The claims that the provider keeps out of the id_token."""
        headers = {"Authorization": f"Bearer {token.get('access_token', '')}"}
        claims = await self._fetch(metadata[_USER_INFO], headers)
        if claims.get("sub") != subject:
            raise self._failed("sent another person's data")
        kept = (self.config.groups_claim, *_NAME_CLAIMS)
        return {name: claims[name] for name in kept if name in claims}

    def _identity(self, claims: dict[str, Any]) -> Identity:
        names = (claims.get(name) for name in _NAME_CLAIMS)
        groups = claims.get(self.config.groups_claim, [])
        listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        return Identity(
            issuer=self.config.issuer,
            subject=claims["sub"],
            name=next((name for name in names if isinstance(name, str) and name.strip()), ""),
            groups=frozenset(group for group in listed if isinstance(group, str)),
        )

    async def _fetch(self, url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False) as client:
                response = await client.get(url, headers=headers)
            response.raise_for_status()
            document = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            raise self._away() from None
        if response.status_code != 200 or not isinstance(document, dict):
            raise self._away()
        return document

    def _client(self, metadata: dict[str, Any]) -> AsyncOAuth2Client:
        known = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        basic = "client_secret_basic" in known
        return AsyncOAuth2Client(
            client_id=self.config.client_id,
            client_secret=self.config.client_secret,
            token_endpoint_auth_method="client_secret_basic" if basic else "client_secret_post",
            scope=self.config.scopes,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            timeout=_TIMEOUT,
            follow_redirects=False,
        )

    def _away(self) -> SingleSignOnFailed:
        self._away_at = time.monotonic()
        return self._failed("does not answer: try again later, or sign in with a password")

    def _failed(self, what: str) -> SingleSignOnFailed:
        return SingleSignOnFailed(f"{self.config.title} {what}.")
