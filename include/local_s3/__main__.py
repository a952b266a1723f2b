"""``python -m include.local_s3 serve``: start the server."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from include.aws_protocol.credentials import CredentialsFileError, read_credentials

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.local_s3", description=__doc__)
    serve = parser.add_subparsers(dest="command", required=True).add_parser(
        "serve",
        help="answer S3's and SQS's API on a loopback port",
        description="Answer S3's and SQS's API on 127.0.0.1, for signed requests only.",
    )
    serve.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    serve.add_argument(
        "--state-dir", type=Path, required=True, help="folder of the objects, as plain files; they are kept"
    )
    serve.add_argument(
        "--credentials",
        type=Path,
        required=True,
        metavar="FILE",
        help='JSON {"<access key id>": "<secret>"}; the first pair is the one that signs',
    )
    serve.add_argument("--bucket", help="a bucket to create if it is missing")
    serve.add_argument(
        "--page-origin",
        action="append",
        default=[],
        metavar="URL",
        help="origin of the Review Desk, whose pages may load images from the bucket; may be repeated",
    )
    return parser


def _environment(arguments: argparse.Namespace, access_key_id: str, secret_access_key: str) -> dict[str, str]:
    """What MiniStack reads when it is imported."""
    return {
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret_access_key,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(arguments.port),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(arguments.state_dir.resolve()),
        "SERVICES": "s3,sqs",
        # Otherwise it would also listen for MQTT devices, on every interface.
        "IOT_MTLS_ENABLED": "0",
    }


def _serve(arguments: argparse.Namespace) -> None:
    access_key_id, secret_access_key = next(iter(read_credentials(arguments.credentials).items()))
    os.environ.update(_environment(arguments, access_key_id, secret_access_key))
    # Only now: they read the environment.
    import ministack.app

    from include.local_s3.buckets import create_bucket
    from include.local_s3.gate import Gate
    from include.local_s3.signatures import Key

    key = Key(access_key_id, secret_access_key)

    async def prepare(app: ASGIApp) -> None:
        if arguments.bucket:
            url = f"http://127.0.0.1:{arguments.port}"
            await create_bucket(app, url, key, arguments.bucket, arguments.page_origin)

    ministack.app.app = Gate(ministack.app.app, key, prepare)
    sys.argv = ["ministack"]
    ministack.app.main()


def main() -> None:
    """Run the command line; a wrong setting is one sentence and exit code 2."""
    try:
        _serve(_parser().parse_args())
    except CredentialsFileError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
