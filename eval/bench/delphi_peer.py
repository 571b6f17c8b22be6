"""Delphi's own cache pass, timed: run by the python of an environment that holds eai-delphi, not by labeler's.

``python eval/bench/delphi_peer.py MODEL DICTIONARY TOKENS HOOK OUT`` writes ``OUT/latents/{HOOK}`` as Delphi 0.1.3 does
and prints one line of JSON. Delphi's code runs as it is (``LatentCache.run``, ``save_splits``, ``save_config``); what
stands around it is as kind to it as can be: the bare model without its head, as Delphi itself loads it, in the
checkpoint's own dtype, no key-value cache, inference mode. How to make that environment: tests/optional/delphi.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from delphi.config import CacheConfig
from delphi.latents.cache import LatentCache
from resident import Memory  # beside this script
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoModel


def topk_encoder(folder: Path) -> Callable[[Tensor], Tensor]:
    """A SAELens topk dictionary as Delphi wants it: x [batch, seq, d_model] -> [batch, seq, n_features], mostly zero.

    Does what Delphi does around the coders of its own family: float32 weights, ReLU before the top k, then a dense
    tensor of the model's dtype. Tokens whose norm exceeds ``max_norm`` have no active feature, as cfg.json has it.
    """
    config = json.loads((folder / "cfg.json").read_text())
    if config["architecture"] != "topk":
        raise SystemExit(f"{folder}: architecture '{config['architecture']}' is not benched; only topk")
    weights = {name: tensor.float() for name, tensor in load_file(folder / "sae_weights.safetensors").items()}
    encoder, bias, b_dec = weights["W_enc"].T.contiguous(), weights["b_enc"], weights["b_dec"]
    max_norm = {**config, **config.get("metadata", {})}.get("max_norm")

    def encode(x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        read = flat.float()
        centred = read - b_dec if config.get("apply_b_dec_to_input", True) else read
        acts, features = torch.nn.functional.linear(centred, encoder, bias).relu_().topk(config["k"], sorted=False)
        if max_norm is not None:
            acts[read.norm(dim=-1) > max_norm] = 0
        dense = torch.zeros(len(flat), len(bias), dtype=flat.dtype).scatter_(-1, features, acts.to(flat.dtype))
        return dense.reshape(*x.shape[:-1], -1)

    return encode


def load_model(folder: str) -> Any:
    """The model without its head, in the checkpoint's dtype, as transformers 4 reads it.

    A folder that transformers 5 wrote keeps the rotary base where 4 does not look, and falls back to another in silence.
    """
    config = AutoConfig.from_pretrained(folder)
    rotary = getattr(config, "rope_parameters", None)
    if rotary:
        if rotary["rope_type"] != "default":
            raise SystemExit(f"{folder}: rope_type '{rotary['rope_type']}' is not benched; only default")
        config.rope_theta = rotary["rope_theta"]
    config.use_cache = False
    return AutoModel.from_pretrained(folder, config=config, dtype="auto").eval()


@torch.inference_mode()
def main() -> None:
    """Load, cache, save, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", help="folder of a Hugging Face model")
    parser.add_argument("dictionary", type=Path, help="folder of a SAELens topk dictionary")
    parser.add_argument("tokens", type=Path, help=".npy of token ids [n_sequences, context]")
    parser.add_argument("hook", help="the module as Delphi names it: layers.14")
    parser.add_argument("out", type=Path, help="run folder to write")
    parser.add_argument("--batch-size", type=int, default=32, help="sequences at once (Delphi's default: 32)")
    parser.add_argument("--splits", type=int, default=5, help="shards (Delphi's default: 5)")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()

    torch.set_num_threads(given.threads)
    tokens = torch.from_numpy(np.load(given.tokens, allow_pickle=False).astype(np.int64))
    model = load_model(given.model)
    if given.hook not in dict(model.named_modules()):
        raise SystemExit(f"the model has no module '{given.hook}'; a layer's output is named like layers.0")
    log = given.out / "log"
    log.mkdir(parents=True, exist_ok=True)
    encoder = topk_encoder(given.dictionary)
    cache = LatentCache(model, {given.hook: encoder}, batch_size=given.batch_size, log_path=log)
    model(tokens[: given.batch_size])  # what is built on first use is nobody's speed, and nobody's memory

    memory = Memory()
    before, peak_before = memory.now(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    memory.take()
    started = time.perf_counter()
    cache.run(tokens.numel(), tokens)
    seconds = time.perf_counter() - started
    after, highest_run = memory.now(), memory.take()

    started = time.perf_counter()
    cache.save_splits(given.splits, given.out / "latents")
    save_seconds = time.perf_counter() - started
    config = CacheConfig(
        batch_size=given.batch_size,
        cache_ctx_len=tokens.shape[1],
        n_tokens=tokens.numel(),
        n_splits=given.splits,
    )
    cache.save_config(given.out / "latents", config, str(given.model))
    n_tokens = int(cache.cache.tokens[given.hook].numel())
    figures = {
        "tokens": n_tokens,
        "seconds": round(seconds, 3),
        "tokens_per_second": round(n_tokens / seconds, 1),
        "save_seconds": round(save_seconds, 3),
        "nnz": len(cache.cache.latent_activations[given.hook]),
        "rss_before_mb": round(before, 1),
        "rss_after_mb": round(after, 1),
        "rss_highest_run_mb": round(highest_run, 1),
        "rss_highest_save_mb": round(memory.take(), 1),
        "peak_before_mb": round(peak_before, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "dtype": str(model.dtype).removeprefix("torch."),
        "threads": given.threads,
        "batch_size": given.batch_size,
        "bytes_on_disk": sum(f.stat().st_size for f in (given.out / "latents" / given.hook).iterdir()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
