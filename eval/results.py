"""Where figures rest that the README quotes."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import labeler

FOLDER = Path(__file__).parent / "results"


def save(name: str, figures: dict[str, Any]) -> Path:
    """Write figures with the machine and the version that they were taken on."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    taken = {
        "labeler": labeler.__version__,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }
    path.write_text(json.dumps({**taken, **figures}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def load(name: str) -> dict[str, Any]:
    """Figures that were saved."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found
