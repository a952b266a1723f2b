"""An OpenID Connect provider for tests: a real server that can be told to lie in one point."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.support.servers import free_port, wait_for

CLIENT_ID, CLIENT_SECRET = "review-desk", "the desk's secret"


class Provider:
    """Signs in whoever ``person`` says, without asking.

    ``lies`` are claims of the id_token that replace the true ones (None: left out); ``sign`` makes the token.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}/realm"
        self.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
        self.reset()
        routes = [
            Route("/realm/.well-known/openid-configuration", self._discovery),
            Route("/realm/authorize", self._authorize),
            Route("/realm/token", self._token, methods=["POST"]),
            Route("/realm/keys", self._keys),
            Route("/realm/me", self._me),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes), host="127.0.0.1", port=self.port, log_config=None, access_log=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def reset(self) -> None:
        self.person: dict[str, Any] = {"sub": "42", "preferred_username": "ada", "groups": ["night"]}
        self.lies: dict[str, Any] = {}
        self.metadata_lies: dict[str, Any] = {}
        self.answer_lies: dict[str, str] = {}
        self.away = False
        self.in_userinfo: set[str] = set()
        self.signature = "RS256"
        self._codes: dict[str, dict[str, Any]] = {}

    def start(self) -> None:
        self._thread.start()
        wait_for(lambda: self._server.started)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def rotate_key(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})

    async def _discovery(self, _request: Request) -> Response:
        if self.away:
            return Response(status_code=503)
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/me",
            }
            | self.metadata_lies
        )

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = dict(query)
        answer = {"code": code, "state": query["state"], "iss": self.issuer} | self.answer_lies
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(answer)}", status_code=302)

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self._codes.pop(form["code"], None)
        basic = base64.b64encode(b"review-desk:the%20desk%27s%20secret").decode()
        plain = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        known = request.headers.get("authorization") in (f"Basic {basic}", f"Basic {plain}")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        fits = asked is not None and asked["redirect_uri"] == form.get("redirect_uri")
        if not known or not fits or asked["code_challenge"] != challenge:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        answer = {"access_token": "opaque", "token_type": "Bearer", "expires_in": 60}
        return JSONResponse(answer | {"id_token": self._id_token(asked["nonce"])})

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 60,
            "nonce": nonce,
        }
        claims |= {name: value for name, value in self.person.items() if name not in self.in_userinfo}
        claims |= self.lies
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.signature in ("none", "HS256"):
            return self._unsigned(claims)
        key = self.key if self.signature == "RS256" else RSAKey.generate_key(2048, {"kid": self.key.kid})
        return jwt.encode({"alg": "RS256", "kid": str(self.key.kid)}, claims, key)

    def _unsigned(self, claims: dict[str, Any]) -> str:
        """No signature, or the classic confusion: the public key taken for a secret that both sides share."""
        header = {"alg": self.signature, "kid": str(self.key.kid)}
        text = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        if self.signature == "none":
            return f"{text}."
        secret = self.key.as_pem(private=False)
        return f"{text}.{_base64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"

    async def _keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def _me(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer opaque"
        return JSONResponse(self.person)


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
