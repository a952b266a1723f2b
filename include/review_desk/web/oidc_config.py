"""Settings of an OpenID Connect provider. A module of its own, so that desks without one skip Authlib."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from include.review_desk.errors import DeskSetupError


@dataclass(frozen=True)
class ProviderConfig:
    """Settings of the provider, from the options of ``serve``.

    Parameters
    ----------
    issuer
        Exactly as the provider spells it, for example ``https://login.example.org/realms/night``.
    groups_claim
        Name of the claim that lists a person's groups.
    title
        What the button on the sign-in page says.
    """

    issuer: str
    client_id: str
    client_secret: str
    groups_claim: str = "groups"
    scopes: str = "openid profile email"
    title: str = "Company login"

    def __post_init__(self) -> None:
        if not is_safe(self.issuer) or urlsplit(self.issuer).query or len(self.issuer) > 255:
            raise DeskSetupError(
                f"The OpenID Connect issuer {self.issuer!r} must be an https:// address without a query "
                "(http:// only on this machine)."
            )
        if "openid" not in self.scopes.split():
            raise DeskSetupError(f'The OpenID Connect scopes {self.scopes!r} must contain "openid".')


def is_safe(url: object) -> bool:
    """An https address, or an http one on this machine."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and host in ("127.0.0.1", "localhost", "::1"))
    )
