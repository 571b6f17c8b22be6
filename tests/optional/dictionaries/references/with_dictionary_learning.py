"""Run by a Python that has dictionary-learning.

python with_dictionary_learning.py FOLDER
"""

from __future__ import annotations

import json

import torch
from dictionary_learning import dictionary
from dictionary_learning.trainers.batch_top_k import BatchTopKSAE
from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKSAE
from dictionary_learning.trainers.top_k import AutoEncoderTopK
from dictionary_learning.utils import load_dictionary
from recording import FOLDER, D, N, X, finish, keep, randomise

for made in (
    dictionary.AutoEncoder(D, N),
    dictionary.AutoEncoderNew(D, N),
    dictionary.GatedAutoEncoder(D, N),
    dictionary.JumpReluAutoEncoder(D, N),
    AutoEncoderTopK(D, N, 8),
    BatchTopKSAE(D, N, 8),
    MatryoshkaBatchTopKSAE(D, N, 8, [N // 4, N - N // 4]),
):
    randomise(made)
    kind = type(made).__name__
    if "TopK" in kind:
        made.threshold.fill_(0.7)
    folder = FOLDER / kind
    folder.mkdir()
    torch.save(made.state_dict(), folder / "ae.pt")
    (folder / "config.json").write_text(json.dumps({"trainer": {"dict_class": kind, "k": 8, "layer": 0}}))
    loaded, _ = load_dictionary(str(folder), "cpu")
    acts = loaded.encode(X)
    keep(kind, folder, acts, loaded.decode(acts))
finish()
