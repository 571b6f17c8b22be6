"""Every family against the library that saves it, which runs in an environment of its own.

Skipped unless ``LABELER_REFERENCE_…`` names the Python of an environment that has the library:

    python3.11 -m venv env && env/bin/pip install torch sae-lens
    LABELER_REFERENCE_SAELENS=env/bin/python pytest tests/optional/dictionaries

and likewise ``_SPARSIFY`` (eai-sparsify), ``_DICTIONARY_LEARNING`` (dictionary-learning), ``_CIRCUIT_TRACER``
(circuit-tracer). OpenAI's autoencoders have no package to compare with.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from labeler.evidence.dictionaries import load_dictionary

PACKAGES = {
    "saelens": "sae-lens",
    "sparsify": "eai-sparsify",
    "dictionary_learning": "dictionary-learning",
    "circuit_tracer": "circuit-tracer",
}
pytestmark = pytest.mark.long
CLOSE = {"atol": 1e-4, "rtol": 1e-4}


@pytest.mark.parametrize("library", PACKAGES)
def test_encodings_agree_with_the_reference(tmp_path, library):
    variable = f"LABELER_REFERENCE_{library.upper()}"
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"set {variable} to the Python of an environment with {PACKAGES[library]} (and torch) installed")
    script = Path(__file__).parent / "references" / f"with_{library}.py"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [python, str(script), str(tmp_path)], capture_output=True, text=True, env=environment, timeout=250
    )
    assert done.returncode == 0, done.stderr

    x = load_file(tmp_path / "x.safetensors")["x"]
    cases = json.loads((tmp_path / "cases.json").read_text())
    assert cases
    for case, path in cases.items():
        expected = load_file(tmp_path / f"{case}.safetensors")
        dictionary = load_dictionary(path)
        found = dictionary.encode(x)
        share = float((expected["acts"] > 0).float().mean())
        assert 0.01 < share < 0.99, f"{case}: nothing to compare where {share:.0%} are active"
        torch.testing.assert_close(found, expected["acts"], **CLOSE, msg=lambda text, case=case: f"{case}: {text}")
        if "out" in expected:
            torch.testing.assert_close(
                dictionary.decode(found), expected["out"], **CLOSE, msg=lambda text, case=case: f"{case}: {text}"
            )


def test_autoencoders_in_memory_compute_what_saelens_computes(tmp_path):
    python = os.environ.get("LABELER_REFERENCE_SAELENS")
    if not python:
        pytest.skip("set LABELER_REFERENCE_SAELENS to the Python of an environment with sae-lens installed")
    script = Path(__file__).parent / "references" / "saelens_objects.py"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [python, str(script), str(tmp_path)], capture_output=True, text=True, env=environment, timeout=250
    )
    assert done.returncode == 0, done.stderr
    cases = json.loads((tmp_path / "cases.json").read_text())
    assert len(cases) == 14
    for case, path in cases.items():
        expected, found = load_file(tmp_path / f"{case}.safetensors")["acts"], load_file(tmp_path / path)["acts"]
        assert 0.01 < float((expected > 0).float().mean()) < 0.99, case
        torch.testing.assert_close(found, expected, **CLOSE, msg=lambda text, case=case: f"{case}: {text}")
