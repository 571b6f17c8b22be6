"""Run by a Python that has eai-sparsify.

python with_sparsify.py FOLDER
"""

from __future__ import annotations

import torch
from recording import FOLDER, D, X, finish, keep, randomise
from sparsify import SparseCoder, SparseCoderConfig

for case, settings in {
    "topk": {},
    "groupmax": {"activation": "groupmax"},
    "transcoder": {"transcode": True},
    "skip-transcoder": {"transcode": True, "skip_connection": True, "activation": "groupmax"},
}.items():
    coder = SparseCoder(D, SparseCoderConfig(expansion_factor=4, k=8, **settings))
    randomise(coder)
    coder.save_to_disk(FOLDER / case)
    acts, features, _ = SparseCoder.load_from_disk(FOLDER / case).encode(X)
    keep(case, FOLDER / case, torch.zeros(len(X), 4 * D).scatter(-1, features, acts), coder.decode(acts, features))
finish()
