"""An environment without the keys and the SDK settings of whoever runs the tests."""

from __future__ import annotations

import os

import pytest

from labeler.settings import Settings

_PREFIXES = ("ANTHROPIC_", "OPENAI_", "LABELER_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every variable that could change where a request goes, or with which key."""
    for variable in list(os.environ):
        if variable.upper().startswith(_PREFIXES):
            monkeypatch.delenv(variable)


def settings(**values: object) -> Settings:
    """Settings from these values alone."""
    return Settings(_env_file=None, **values)
