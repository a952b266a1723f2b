"""The environment of the test process: no way to AWS, an Airflow home that goes away, quick AWS clients."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile

import botocore.session

from tests.support.servers import ROOT


def isolate() -> None:
    """Forget the developer's AWS profile and Airflow connections, and give Airflow a home of its own.

    Airflow reads its configuration when first imported, so that this comes before any import of it.
    """
    for name in [name for name in os.environ if name.startswith(("AWS_", "AIRFLOW_CONN_"))]:
        del os.environ[name]
    home = tempfile.mkdtemp(prefix="second-look-airflow-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ |= {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        # No scheduler runs here that would have to see the deferring process end.
        "AIRFLOW__SECONDLOOK__RESUME_DELAY_SECONDS": "0.1",
    }


def share_service_models() -> None:
    """Let all botocore sessions of this process read the models of AWS's services once.

    Each Airflow hook makes a session, and a session of its own reads megabytes of JSON for its first client:
    a tenth of a second of a test. Nothing else about the clients differs.
    """
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
