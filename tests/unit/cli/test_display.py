"""Where results go: as wide as is wanted, and of some width whatever is said."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("columns", "width"), [("60", 60), ("", 120), ("abc", 120), ("0", 120), ("-5", 120), ("²", 120)]
)
def test_output_that_no_terminal_shows_has_the_width_that_is_wanted(columns, width):
    code = "from labeler.cli.display import out; print(out.width)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "COLUMNS": columns},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(width)
