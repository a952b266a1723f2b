"""Options of ``serve`` about access: programs with keys, people behind a proxy or with single sign-on."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from include.review_desk.clock import system_clock
from include.review_desk.errors import DeskSetupError
from include.review_desk.people.api_keys import ApiKeys, check_desk_key, has_keys
from include.review_desk.people.devices import Devices
from include.review_desk.web.oidc_config import ProviderConfig

if TYPE_CHECKING:
    import argparse

    from include.review_desk.people.desk_key import DeskKey
    from include.review_desk.storage.database import Database

logger = logging.getLogger(__name__)


def add_proxy_option(group: argparse._ArgumentGroup) -> None:
    """``--behind-proxy``."""
    group.add_argument(
        "--behind-proxy",
        metavar="ADDRESS",
        help="address of the reverse proxy, or several with commas: its X-Forwarded-For says whose failed "
        "sign-ins are counted (default: the header is ignored)",
    )


def add_oidc_options(group: argparse._ArgumentGroup) -> None:
    """``--oidc-...``: sign-in by an OpenID Connect provider, beside passwords."""
    group.add_argument(
        "--oidc-issuer",
        metavar="URL",
        help="let people sign in by this OpenID Connect provider, too. Register <public URL>/oidc/callback "
        "there as redirect URI. The first sign-in makes the account; it is in the work teams whose "
        "OidcMemberDefinition (CreateWorkteam) names one of the person's groups",
    )
    group.add_argument("--oidc-client-id", metavar="ID", help="what the provider calls the desk")
    group.add_argument(
        "--oidc-client-secret-file", type=Path, metavar="FILE", help="file with the provider's client secret"
    )
    group.add_argument(
        "--oidc-groups-claim",
        default="groups",
        metavar="CLAIM",
        help="claim that lists a person's groups (default groups)",
    )
    group.add_argument(
        "--oidc-scopes",
        default="openid profile email",
        metavar="SCOPES",
        help='what to ask the provider for (default "openid profile email")',
    )
    group.add_argument(
        "--oidc-name",
        default="Company login",
        metavar="TEXT",
        help='what the button on the sign-in page says (default "Company login")',
    )


def devices(key: DeskKey) -> Devices:
    """Known browsers: for as long as the desk's own key, or as this process where there is none."""
    return Devices(key.derive("devices") if key.exists() else None)


def api_keys(key: DeskKey, database: Database, credentials: dict[str, str]) -> ApiKeys:
    """Who may call: the keys of ``--credentials`` and those of create-key.

    Raises
    ------
    DeskSetupError
        There are keys in the database, and the desk's own key that they were made with is not here.
    """
    check_desk_key(database, key)
    if not credentials and not has_keys(database):
        logger.warning(
            "no program may call the API yet: make a key with "
            "python -m include.review_desk create-key (see its --help), while the desk runs"
        )
    return ApiKeys(database, key, system_clock, credentials)


def provider(options: argparse.Namespace) -> ProviderConfig | None:
    """The OpenID Connect provider, None without ``--oidc-issuer``.

    Raises
    ------
    DeskSetupError
        The client's id or secret is missing, or an option cannot be used.
    """
    if not options.oidc_issuer:
        return None
    if not options.oidc_client_id or options.oidc_client_secret_file is None:
        raise DeskSetupError("--oidc-issuer needs --oidc-client-id and --oidc-client-secret-file as well.")
    path: Path = options.oidc_client_secret_file
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DeskSetupError(f"The client secret file {path} cannot be read: {error}.") from None
    if not secret:
        raise DeskSetupError(f"The client secret file {path} is empty.")
    return ProviderConfig(
        issuer=options.oidc_issuer,
        client_id=options.oidc_client_id,
        client_secret=secret,
        groups_claim=options.oidc_groups_claim,
        scopes=options.oidc_scopes,
        title=options.oidc_name,
    )
