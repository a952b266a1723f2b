"""``python -m include.local_sagemaker serve``: start the server."""

from __future__ import annotations

import argparse
import fcntl
import logging
import shutil
import sys
from pathlib import Path
from typing import IO

import uvicorn

from include.aws_protocol.credentials import CredentialsFileError, read_credentials
from include.local_sagemaker.algorithms import Algorithms
from include.local_sagemaker.app import create_app
from include.local_sagemaker.arns import Place
from include.local_sagemaker.errors import ConfigurationError, LocalSageMakerError
from include.local_sagemaker.logs import Logs
from include.local_sagemaker.process import ProcessTable, reap_survivors
from include.local_sagemaker.s3 import S3
from include.local_sagemaker.service import Service
from include.local_sagemaker.state import Store


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.local_sagemaker", description=__doc__)
    serve = parser.add_subparsers(dest="command", required=True).add_parser(
        "serve",
        help="answer SageMaker's API on a loopback port",
        description="Answer SageMaker's API on 127.0.0.1, running container images as local processes.",
    )
    serve.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    serve.add_argument(
        "--state-dir", type=Path, required=True, help="folder of everything that survives a restart"
    )
    serve.add_argument("--s3-endpoint", required=True, metavar="URL", help="where S3 answers")
    serve.add_argument(
        "--credentials",
        type=Path,
        required=True,
        metavar="FILE",
        help='JSON {"<access key id>": "<secret>"} of those who may call; the first also signs calls to S3',
    )
    serve.add_argument(
        "--algorithms",
        type=Path,
        required=True,
        metavar="FILE",
        help="TOML with [[algorithm]] tables: image (glob), command (list), and if wanted working_directory "
        "and environment (table)",
    )
    serve.add_argument("--region", default="us-east-1", help="default: %(default)s")
    serve.add_argument("--account-id", default="111122223333", help="default: %(default)s")
    serve.add_argument(
        "--role-arn",
        action="append",
        default=[],
        metavar="ARN",
        help="an execution role that exists; may be repeated; without it every role does",
    )
    serve.add_argument(
        "--stop-grace-seconds",
        type=float,
        default=30.0,
        metavar="N",
        help="time between SIGTERM and SIGKILL for a job that is stopped (120 on AWS); default: %(default)s",
    )
    serve.add_argument(
        "--startup-timeout-seconds",
        type=float,
        default=240.0,
        metavar="N",
        help="time for a container's first ping where its configuration names none; default: %(default)s",
    )
    return parser


def _lock(folder: Path) -> IO[str]:
    """Lock the state folder for this process; closing the returned file releases it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigurationError(f"Another server uses the state folder {folder}; stop it first.") from None
    return lock


def _serve(arguments: argparse.Namespace) -> None:
    credentials = read_credentials(arguments.credentials)
    algorithms = Algorithms(arguments.algorithms)
    folder: Path = arguments.state_dir.resolve()
    lock = _lock(folder)
    store = Store(folder / "state.sqlite")
    reap_survivors(store)
    shutil.rmtree(folder / "work", ignore_errors=True)  # No job survives the server.
    access_key_id, secret_access_key = next(iter(credentials.items()))
    service = Service(
        store=store,
        place=Place(arguments.region, arguments.account_id),
        s3=S3(arguments.s3_endpoint, arguments.region, access_key_id, secret_access_key),
        algorithms=algorithms,
        logs=Logs(folder / "logs"),
        processes=ProcessTable(store),
        folder=folder / "work",
        role_arns=frozenset(arguments.role_arn),
        stop_grace_seconds=arguments.stop_grace_seconds,
        startup_timeout_seconds=arguments.startup_timeout_seconds,
    )
    uvicorn.run(
        create_app(service, credentials),
        host="127.0.0.1",
        port=arguments.port,
        # There is no WebSocket here: an upgrade is answered as the HTTP request that it also is.
        ws="none",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=3,
    )
    lock.close()


def main() -> None:
    """Run the command line; a wrong setting is one sentence and exit code 2."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        _serve(arguments)
    except (LocalSageMakerError, CredentialsFileError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
