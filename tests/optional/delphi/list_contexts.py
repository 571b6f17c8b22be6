"""What Delphi lists as the top contexts of features, as JSON: run by the python of an environment that holds eai-delphi.

``python list_contexts.py LATENTS HOOK N CONTEXT FEATURE [FEATURE …]`` prints ``{feature: [[token ids, maximum], …]}``,
at most N windows of CONTEXT tokens each, strongest first, through Delphi's own ``LatentDataset``.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import torch
from delphi.config import ConstructorConfig, SamplerConfig
from delphi.latents import LatentDataset


def main(latents: str, hook: str, n: str, context: str, *features: str) -> None:
    """List the features that have a window at all; the others are left out, as Delphi does."""
    dataset = LatentDataset(
        raw_dir=latents,
        modules=[hook],
        latents={hook: torch.tensor([int(feature) for feature in features])},
        sampler_cfg=SamplerConfig(n_examples_train=int(n), n_examples_test=0, train_type="top"),
        constructor_cfg=ConstructorConfig(example_ctx_len=int(context), min_examples=1, n_non_activating=0),
        # Its text is for prompts only; ids are what is compared.
        tokenizer=SimpleNamespace(batch_decode=lambda ids: [""] * len(ids)),
    )
    listed = {
        record.latent.latent_index: [[example.tokens.tolist(), example.max_activation] for example in record.train]
        for record in dataset
    }
    print(json.dumps(listed))


if __name__ == "__main__":
    main(*sys.argv[1:])
