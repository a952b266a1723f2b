"""``python tests/faults``: see table.py."""

import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT)]
# An installed package is called tests, too; a folder without __init__.py would lose against it.
sys.modules["tests"] = types.ModuleType("tests")
sys.modules["tests"].__path__ = [str(ROOT / "tests")]

from tests.faults.table import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
