"""Run by a Python that has circuit-tracer: its own transcoders, and its reading of Gemma Scope's.

python with_circuit_tracer.py FOLDER
"""

from __future__ import annotations

import numpy as np
import torch
from circuit_tracer.transcoder import single_layer_transcoder as single
from circuit_tracer.transcoder.activation_functions import JumpReLU
from recording import FOLDER, D, N, X, finish, keep, numbers, randomise
from safetensors.torch import save_file

CPU = torch.device("cpu")
SHAPES = {"W_enc": (D, N), "W_dec": (N, D), "b_enc": (N,), "b_dec": (D,), "threshold": (N,)}


def compared(case: str, path: str, loaded: single.SingleLayerTranscoder) -> None:
    """Without the skip, which is no feature's."""
    acts = loaded.encode(X)
    loaded.W_skip = None
    keep(case, FOLDER / path, acts, loaded.decode(acts))


for layer, skip in enumerate((False, True)):
    for case, activation in (("relu", torch.relu), ("jumprelu", JumpReLU(torch.rand(N)))):
        made = single.SingleLayerTranscoder(D, N, activation, layer, skip, device=CPU, dtype=torch.float32)
        randomise(made)
        path = f"{case}/layer_{layer}.safetensors"
        (FOLDER / case).mkdir(exist_ok=True)
        made.to_safetensors(str(FOLDER / path))
        compared(
            f"{case}-{skip}",
            path,
            single.load_relu_transcoder(str(FOLDER / path), layer, CPU, torch.float32, False, False),
        )

(FOLDER / "gemma").mkdir()
np.savez(FOLDER / "gemma/params.npz", **{name: tensor.numpy() for name, tensor in numbers(SHAPES).items()})
compared("gemma-scope", "gemma", single.load_gemma_scope_transcoder(str(FOLDER / "gemma/params.npz"), 0, CPU))

(FOLDER / "gemma-2").mkdir()
tensors = numbers({name.lower(): shape for name, shape in SHAPES.items()})
save_file({**tensors, "affine_skip_connection": torch.randn(D, D)}, FOLDER / "gemma-2/params.safetensors")
compared(
    "gemma-scope-2", "gemma-2", single.load_gemma_scope_2_transcoder(str(FOLDER / "gemma-2/params.safetensors"), 0, CPU)
)
finish()
