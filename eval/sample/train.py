"""Train the sample dictionary: a TopK SAE on the residual stream of SmolLM2-135M-Instruct.

    python -m eval.sample.train [--tokens 1500000] [--epochs 2] [--scratch DIR] [--out DIR]

About 25 minutes on 2 cores. Interrupted and called again, it goes on where it was. The method is Gao et al.,
arXiv 2406.04093: unit decoder rows, encoder started as its transpose, an auxiliary loss that revives dead features.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save_file
from torch import Tensor

from eval.sample.text import training_corpus
from labeler.data import shipped
from labeler.evidence.collect.forward import activations, batches, windows
from labeler.models.hooks import HookPoint
from labeler.models.language import END_OF_TEXT, load_language_model
from labeler.models.names import SMOLLM2
from labeler.models.precision import precision

MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
HOOK = "blocks.14.hook_resid_post"
MAX_NORM = 500.0
SHARD = 50_000  # tokens between checkpoints of the collection


@dataclass(frozen=True)
class Recipe:
    """What makes one dictionary and no other."""

    n_features: int = 4096
    k: int = 32
    tokens: int = 1_500_000
    epochs: int = 2
    batch: int = 2048
    learning_rate: float = 8e-4
    aux_k: int = 128
    aux_weight: float = 1 / 32
    dead_after: int = 200_000  # tokens without firing
    seed: int = 0


def held_out(document: str) -> bool:
    """One document in twenty is never trained on."""
    return hashlib.sha256(document.encode()).digest()[0] < 256 / 20


def collect(recipe: Recipe, scratch: Path, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of the training and the held-out documents, float16 [tokens, d_model]; outlier tokens left out."""
    model = load_language_model(SMOLLM2)
    hook = HookPoint.parse(HOOK)
    task = progress.add_task("residuals", total=recipe.tokens, rate="")
    started, fresh = time.monotonic(), 0
    shards: list[Path] = []
    done = 0
    for number, batch in enumerate(batches(windows(training_corpus(), model), SHARD)):
        path = scratch / f"residuals-{number:04d}.npz"
        count = sum(len(w.ids) for w in batch)
        if not path.exists():
            x = activations(model, [hook], batch, first=model.separator_id)[0].float()
            test = torch.from_numpy(np.repeat([held_out(w.document) for w in batch], [len(w.ids) for w in batch]))
            keep = x.norm(dim=1) <= MAX_NORM
            part = path.with_suffix(".part.npz")
            np.savez(part, train=x[keep & ~test].half().numpy(), test=x[keep & test].half().numpy())
            part.rename(path)
            fresh += count
        shards.append(path)
        done += count
        rate = fresh / (time.monotonic() - started)
        progress.update(task, completed=done, rate=f"{rate:,.0f} tokens/s")
        if done >= recipe.tokens:
            break
    loaded = [np.load(path) for path in shards]
    return np.concatenate([s["train"] for s in loaded]), np.concatenate([s["test"] for s in loaded])


@dataclass
class Autoencoder:
    """The parameters being trained, on inputs scaled to a mean norm of sqrt(d_model)."""

    W_enc: Tensor
    W_dec: Tensor
    b_enc: Tensor
    b_dec: Tensor

    def parameters(self) -> list[Tensor]:
        """All four."""
        return [self.W_enc, self.W_dec, self.b_enc, self.b_dec]

    def pre(self, x: Tensor) -> Tensor:
        """Activations before the largest k are kept: [batch, n_features]."""
        with _rough():
            return ((x - self.b_dec) @ self.W_enc).float() + self.b_enc

    def decode(self, values: Tensor, indices: Tensor) -> Tensor:
        """Reconstruction from the kept activations: [batch, k] twice -> [batch, d_model]."""
        acts = torch.zeros(len(values), self.W_dec.shape[0]).scatter(-1, indices, values)
        with _rough():
            return (acts @ self.W_dec).float() + self.b_dec


def _rough() -> torch.autocast:
    """Products in bfloat16 where this machine is fast at it."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision().dtype == torch.bfloat16)


def start(recipe: Recipe, train: np.ndarray, scale: float) -> Autoencoder:
    """Random unit directions, the encoder their transpose, the bias the mean of the data."""
    generator = torch.Generator().manual_seed(recipe.seed)
    d_model = train.shape[1]
    W_dec = torch.randn(recipe.n_features, d_model, generator=generator)
    W_dec /= W_dec.norm(dim=1, keepdim=True)
    mean = torch.from_numpy(train[:: max(1, len(train) // 100_000)].astype(np.float32)).mean(0) / scale
    sae = Autoencoder(W_dec.T.clone().contiguous(), W_dec, torch.zeros(recipe.n_features), mean)
    for parameter in sae.parameters():
        parameter.requires_grad_(True)
    return sae


def fit(
    recipe: Recipe, train: np.ndarray, test: np.ndarray, scratch: Path, progress: Progress
) -> tuple[Autoencoder, float]:
    """Adam with warm-up and a linear end; a checkpoint every 250 steps. Returns the autoencoder and the scale."""
    scale = float(np.linalg.norm(train[:50_000].astype(np.float32), axis=1).mean() / math.sqrt(train.shape[1]))
    sae = start(recipe, train, scale)
    optimizer = torch.optim.Adam(sae.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.999))
    per_epoch = len(train) // recipe.batch
    steps = per_epoch * recipe.epochs
    silent = torch.zeros(recipe.n_features, dtype=torch.long)  # tokens since each feature fired
    checkpoint, first = scratch / "checkpoint.pt", 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        first, silent = saved["step"], saved["silent"]
        optimizer.load_state_dict(saved["optimizer"])
        with torch.no_grad():
            for parameter, value in zip(sae.parameters(), saved["parameters"], strict=True):
                parameter.copy_(value)

    task = progress.add_task("training", total=steps, completed=first, rate="")
    for step in range(first, steps):
        epoch, position = divmod(step, per_epoch)
        if position == 0 or step == first:
            order = np.random.default_rng([recipe.seed, epoch]).permutation(len(train))
        rows = np.sort(order[position * recipe.batch : (position + 1) * recipe.batch])
        x = torch.from_numpy(train[rows].astype(np.float32)) / scale
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * min(1.0, (step + 1) / 100, 3.3 * (steps - step) / steps)

        pre = sae.pre(x)
        values, indices = pre.relu().topk(recipe.k, dim=-1)
        error = x - sae.decode(values, indices)
        loss = error.square().sum(1).mean()
        dead = silent > recipe.dead_after
        if dead.any():
            n_dead = int(dead.sum())
            revived, at = pre.masked_fill(~dead, -torch.inf).topk(min(recipe.aux_k, n_dead), dim=-1)
            guess = sae.decode(revived.relu(), at) - sae.b_dec
            loss = loss + recipe.aux_weight * (error.detach() - guess).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            sae.W_dec /= sae.W_dec.norm(dim=1, keepdim=True)
        silent += len(x)
        silent[indices[values > 0].unique()] = 0

        if (step + 1) % 250 == 0:
            state = {
                "step": step + 1,
                "silent": silent,
                "optimizer": optimizer.state_dict(),
                "parameters": [p.detach() for p in sae.parameters()],
            }
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").rename(checkpoint)
            explained = 1 - float(error.square().sum() / (x - x.mean(0)).square().sum())
            progress.console.print(
                f"step {step + 1}: explained variance {explained:.3f}, {int(dead.sum())} silent features"
            )
        progress.update(task, completed=step + 1)
    return sae, scale


@torch.no_grad()
def export(
    sae: Autoencoder, scale: float, recipe: Recipe, train: np.ndarray, test: np.ndarray, out: Path
) -> dict[str, float]:
    """Write the folder as SAELens does, float16, in the residual stream's own units; return what its card says."""
    weights = {
        "W_enc": sae.W_enc.detach().half().contiguous(),
        "W_dec": sae.W_dec.detach().half().contiguous(),
        "b_enc": (sae.b_enc.detach() * scale).half().contiguous(),
        "b_dec": (sae.b_dec.detach() * scale).half().contiguous(),
    }
    config = {
        "architecture": "topk",
        "d_in": train.shape[1],
        "d_sae": recipe.n_features,
        "k": recipe.k,
        "dtype": "float16",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "rescale_acts_by_decoder_norm": False,
        "metadata": {
            "sae_lens_version": "6.0.0",
            "sae_lens_training_version": None,
            "model_name": MODEL,
            "hook_name": HOOK,
            "hook_head_index": None,
            "model_class_name": "AutoModelForCausalLM",
            "context_size": 129,
            "prepend_bos": True,
            "first_token": END_OF_TEXT,
            "exclude_special_tokens": True,
            "max_norm": MAX_NORM,
        },
    }
    out.mkdir(parents=True, exist_ok=True)
    save_file(weights, out / "sae_weights.safetensors")
    (out / "cfg.json").write_text(json.dumps(config, indent=1) + "\n")
    figures = measure(out, train, test)
    card = {"recipe": asdict(recipe), **figures}
    (out / "training.json").write_text(json.dumps(card, indent=1) + "\n")
    return figures


@torch.no_grad()
def measure(folder: Path, train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Explained variance and L0 on the held-out documents; features dead or dense over the training tokens."""
    from labeler.evidence.dictionaries import load_dictionary

    dictionary = load_dictionary(folder)
    fired = torch.zeros(dictionary.n_features)
    for block in np.array_split(train, len(train) // 20_000 + 1):
        fired += (dictionary.encode(torch.from_numpy(block.astype(np.float32))) > 0).sum(0)
    x = torch.from_numpy(test.astype(np.float32))
    mean, residual, total, active = x.mean(0), 0.0, 0.0, 0
    for block in x.split(20_000):
        acts = dictionary.encode(block)
        residual += float((block - dictionary.decode(acts)).square().sum())
        total += float((block - mean).square().sum())
        active += int((acts > 0).sum())
    return {
        "train_tokens": len(train),
        "test_tokens": len(test),
        "explained_variance": round(1 - residual / total, 4),
        "l0": round(active / len(x), 2),
        "dead": int((fired == 0).sum()),
        "dense": int((fired > 0.1 * len(train)).sum()),
    }


def main() -> None:
    """Collect, train, export, report."""
    recipe = Recipe()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=recipe.tokens)
    parser.add_argument("--epochs", type=int, default=recipe.epochs)
    parser.add_argument("--scratch", type=Path, default=Path("build/sample"))
    parser.add_argument("--out", type=Path, default=shipped("dictionary"))
    args = parser.parse_args()
    recipe = Recipe(tokens=args.tokens, epochs=args.epochs)
    args.scratch.mkdir(parents=True, exist_ok=True)
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%")
    with Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[rate]}")) as progress:
        train, test = collect(recipe, args.scratch, progress)
        sae, scale = fit(recipe, train, test, args.scratch, progress)
    figures = export(sae, scale, recipe, train, test, args.out)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
