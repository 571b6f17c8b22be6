"""What the references' scripts share: random inputs and weights, and a record of what came out. Needs torch alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

D, N, OUT = 24, 80, 20
"""Width of the inputs, features, width of a transcoder's outputs."""

torch.manual_seed(0)
X = 3 * torch.randn(60, D) + torch.randn(D)
FOLDER = Path(sys.argv[1])

_cases: dict[str, str] = {}


def keep(case: str, path: Path, acts: Tensor, out: Tensor | None = None) -> None:
    """Note a case: what to load, what X encodes to, and what that decodes to where it is to be compared."""
    _cases[case] = str(path)
    tensors = {"acts": acts, **({} if out is None else {"out": out})}
    save_file({k: v.detach().float().contiguous() for k, v in tensors.items()}, FOLDER / f"{case}.safetensors")


def finish() -> None:
    """Write the list of cases and the inputs."""
    save_file({"x": X}, FOLDER / "x.safetensors")
    (FOLDER / "cases.json").write_text(json.dumps(_cases))


def number(name: str, *shape: int) -> Tensor:
    """Random weights; thresholds are positive."""
    tensor = torch.randn(*shape) * (D**-0.5 if len(shape) == 2 else 0.5)
    return tensor.abs() if "threshold" in name else tensor


def numbers(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Random weights by shape."""
    return {name: number(name, *shape) for name, shape in shapes.items()}


def randomise(module: nn.Module) -> None:
    """Every parameter at random."""
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            tensor.copy_(number(name, *tensor.shape))
