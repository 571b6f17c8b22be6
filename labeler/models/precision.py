"""What this machine computes models in: its device, and the number format that is fast on it."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from labeler.models.turn import TURN

WORTH = 1.25
"""bfloat16 has to be so many times faster than float32: it keeps 8 bits of a number, and a measurement has noise."""
_HOPELESS = 0.5  # of float32's speed: a small product has told then, and a large one in bfloat16 would take seconds
_SIZES = {"cpu": (128, 512), "cuda": (2_048,), "mps": (1_024,)}  # of the measured products, a few ms each
_TIMES = 5  # the fastest of them counts: others may be busy on this machine


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Where language models run in this process, and in which number format."""

    device: torch.device
    dtype: torch.dtype
    gflops: Mapping[torch.dtype, float]
    """What a matrix product came to in float32 and in bfloat16; of one thread, on a processor; 0 where it cannot be done."""

    @property
    def speed(self) -> float:
        """GFLOP/s in the chosen format."""
        return self.gflops[self.dtype]

    def __str__(self) -> str:
        measured = ", ".join(f"{name_of(dtype)} {speed:,.1f}" for dtype, speed in self.gflops.items())
        each = " a thread" if self.device.type == "cpu" else ""
        return f"{hardware(self.device)} in {name_of(self.dtype)} (GFLOP/s{each}: {measured})"


def precision() -> Precision:
    """The device and the number format of this process's language models, measured once, in some 20 ms.

    Measured, not asked for: a processor that cannot do bfloat16 emulates it without a word, 5 to 30 times slower than
    float32, and one that only has wider registers is told to support it though it gains nothing.
    """
    with TURN:
        return _measured()


@functools.lru_cache(maxsize=1)
def _measured() -> Precision:
    device = best_device()
    gflops = measure(device)
    return Precision(device=device, dtype=faster(gflops), gflops=gflops)


def best_device() -> torch.device:
    """An accelerator where there is one, else the processor; on MPS it was never tried."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def faster(gflops: Mapping[torch.dtype, float]) -> torch.dtype:
    """The number format that measured speeds speak for; float32 where neither could be measured."""
    half = gflops[torch.bfloat16]
    return torch.bfloat16 if half > 0 and half >= WORTH * gflops[torch.float32] else torch.float32


@torch.inference_mode()
def measure(device: torch.device) -> dict[torch.dtype, float]:
    """GFLOP/s of a matrix product on a device, in float32 and in bfloat16; of one thread where it is the processor."""
    threads = torch.get_num_threads()
    if device.type == "cpu":  # where others are busy, several threads wait for each other more than they compute
        torch.set_num_threads(1)
    try:
        found: dict[torch.dtype, float] = {}
        for size in _SIZES[device.type]:
            found = {dtype: _speed(device, dtype, size) for dtype in (torch.float32, torch.bfloat16)}
            if found[torch.bfloat16] < _HOPELESS * found[torch.float32]:
                break
        return found
    finally:
        torch.set_num_threads(threads)


def _speed(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """GFLOP/s of the fastest of some products; 0 where the device does not know the format."""
    try:
        one, other = (torch.ones(size, size, dtype=dtype, device=device) for _ in range(2))
        torch.nn.functional.linear(one, other)  # the first one prepares what the others use
        seconds = min(_seconds(device, one, other) for _ in range(_TIMES))
    except (RuntimeError, TypeError):
        return 0.0
    return 2 * size**3 / seconds / 1e9


def _seconds(device: torch.device, one: torch.Tensor, other: torch.Tensor) -> float:
    _wait(device)
    began = time.perf_counter()
    torch.nn.functional.linear(one, other)
    _wait(device)
    return max(time.perf_counter() - began, 1e-9)


def _wait(device: torch.device) -> None:
    """Until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def hardware(device: torch.device) -> str:
    """What a device is, for a person: a GPU's name, or a processor with the widest instructions that torch uses on it."""
    if device.type == "cuda":
        return f"cuda, {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "mps"
    threads = torch.get_num_threads()
    return f"cpu, {torch.backends.cpu.get_cpu_capability()}, {threads} {'thread' if threads == 1 else 'threads'}"


def name_of(dtype: torch.dtype) -> str:
    """As people write it: ``float32``."""
    return str(dtype).removeprefix("torch.")
