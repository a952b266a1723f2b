"""Environment variables that a caller gives to a job, and those that would make it run another program.

On AWS a job is alone in its container. Here it is a process of this machine: Python, the dynamic linker and
programs that a job starts read variables that name code to run, or files that name some.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from include.local_sagemaker.arns import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

# Those of Python that choose no code; SageMaker's own guides set the first.
_HARMLESS = frozenset({"PYTHONUNBUFFERED", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER"})
_REFUSED = re.compile(
    r"""
    # The dynamic linker and the C library, and Python.
    (PYTHON|LD_|DYLD_|GCONV_|GLIBC_|MALLOC_) .* | LOCPATH | NLSPATH | HOSTALIASES | RESOLV_HOST_CONF
    | .* _LIBRARY_PATH | .* _PRELOAD
    # Shells, and what programs start by name.
    | PATH | HOME | SHELL | SHELLOPTS | BASH_.* | IFS | PS4 | CDPATH
    | BROWSER | EDITOR | VISUAL | PAGER | LESSOPEN | LESSCLOSE
    | GIT_(SSH|EXEC|CONFIG|ASKPASS|EXTERNAL|PAGER) .*
    # Other interpreters and libraries that load code by name.
    | PERL(5?LIB|5OPT|5DB) | RUBY(OPT|LIB) | NODE_(OPTIONS|PATH) | CLASSPATH | _?JAVA_(TOOL_)?OPTIONS
    | MPLBACKEND | MPLCONFIGDIR | OPENSSL_(CONF|MODULES|ENGINES)
    # Configuration of AWS clients, in which a profile may name a program that gives credentials.
    | AWS_CONFIG_FILE | AWS_SHARED_CREDENTIALS_FILE | AWS_DATA_PATH | BOTO_CONFIG
    """,
    re.VERBOSE,
)


def check_environment(environment: Mapping[str, str], where: str) -> None:
    """Refuse variables that make a process run code which its caller names.

    Parameters
    ----------
    where
        The request's member that holds them.

    Raises
    ------
    ServiceError
        ``ValidationException`` naming the variables.
    """
    refused = sorted(name for name in environment if name not in _HARMLESS and _REFUSED.fullmatch(name))
    if refused:
        raise invalid(
            f"{where} sets {', '.join(refused)}, which this server does not pass on: on AWS a job runs in a "
            "container of its own, but here it is a process of this machine, and such a variable could make "
            "it run any program. Leave it out, or set it in `environment` of the image's [[algorithm]]."
        )
