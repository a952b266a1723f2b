"""Entry point: ``python -m include.detector train|serve``, what SageMaker's containers are called with."""

from __future__ import annotations

import os
import sys
import warnings

# Before MXNet is imported: one thread is the fastest for nets and images of this size, and the only setting
# that gives the same bits each time.
for _name in ("OMP_NUM_THREADS", "MXNET_CPU_WORKER_NTHREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"
warnings.filterwarnings("ignore", category=DeprecationWarning)


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    command = arguments[0] if len(arguments) == 1 else ""
    if command == "train":
        from . import train

        return train.main()
    if command == "serve":
        from . import serve

        return serve.main()
    sys.stderr.write("usage: python -m include.detector train|serve\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
