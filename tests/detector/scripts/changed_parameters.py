"""Compare two artifacts: which arguments differ, and whether the graphs do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from include.detector import artifact

first, second = (artifact.load(Path(argument)) for argument in sys.argv[1:])
changed = [
    name
    for name, value in first.arguments.items()
    if not np.array_equal(value.asnumpy(), second.arguments[name].asnumpy())
]
print(json.dumps({"arguments": changed, "symbol": first.symbol.tojson() != second.symbol.tojson()}))
