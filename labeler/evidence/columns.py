"""What a shard says of every feature beside its contexts: the tokens that it promotes and suppresses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PROMOTED = 10
"""Tokens listed on either side."""

Columns = dict[str, NDArray[Any]]
"""[n_features, …] each."""


def no_tokens(n: int) -> Columns:
    """Nothing promoted and nothing suppressed, for features without a direction in the residual stream."""
    columns: Columns = {}
    for name in ("promoted", "suppressed"):
        columns[name] = np.full((n, PROMOTED), -1, dtype=np.int32)
        columns[f"{name}_logits"] = np.zeros((n, PROMOTED), dtype=np.float16)
    return columns
