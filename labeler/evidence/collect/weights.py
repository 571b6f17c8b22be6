"""What the weights alone say of a feature: the tokens that it promotes and suppresses, and who points the same way."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor

from labeler.evidence.dictionaries import Dictionary
from labeler.evidence.neighbours import Neighbours, by_direction
from labeler.evidence.store.manifest import PROMOTED, Columns, no_tokens
from labeler.models.hooks import HookPoint
from labeler.models.language import LanguageModel
from labeler.progress import tell


@torch.inference_mode()
def promoted_tokens(directions: Tensor, unembedding: Tensor) -> Columns:
    """The tokens that each direction makes most and least likely: [n, d_model], [vocabulary, d_model].

    Returns the store's columns ``promoted``, ``suppressed`` (token ids [n, PROMOTED]) and their ``…_logits``, against
    the mean token.
    """
    unembedding = unembedding.float()
    unembedding = unembedding - unembedding.mean(dim=0)
    found: dict[str, list[Tensor]] = defaultdict(list)
    for start in range(0, len(directions), 512):
        tell("finding promoted tokens", start, len(directions), "features")
        rows = directions[start : start + 512]
        logits = rows.to(unembedding.device).float() @ unembedding.T
        for name, sign in (("promoted", 1.0), ("suppressed", -1.0)):
            values, ids = (sign * logits).topk(min(PROMOTED, logits.shape[1]), dim=-1)
            found[name].append(ids.int().cpu())
            found[f"{name}_logits"].append((sign * values).clamp(-65504, 65504).half().cpu())
    tell("finding promoted tokens", len(directions), len(directions), "features")
    return {name: torch.cat(parts).numpy() for name, parts in found.items()}


def from_weights(dictionary: Dictionary, model: LanguageModel) -> tuple[Columns, Neighbours | None]:
    """The tokens that a dictionary's features promote and suppress, and who is near whom.

    A bare basis has no two directions that are near each other: who is near is then for co-firing to say.
    """
    written = HookPoint.parse(dictionary.hook_out or dictionary.hook)
    through, W_dec = model.writes(written), dictionary.W_dec
    directions = residual_directions(dictionary, through)
    bare = W_dec is None and through is None
    neighbours = None if bare else by_direction(directions if W_dec is None else W_dec)
    if directions.shape[1] != model.d_model:  # neither the residual stream's basis nor linearly led there
        return no_tokens(dictionary.n_features), neighbours
    return promoted_tokens(directions, model.unembedding()), neighbours


def residual_directions(dictionary: Dictionary, through: Tensor | None) -> Tensor:
    """What each feature adds to the residual stream: [n_features, d_model]."""
    if dictionary.W_dec is not None:
        return dictionary.W_dec if through is None else dictionary.W_dec @ through.float().to(dictionary.W_dec.device)
    basis = torch.eye(dictionary.d_model) if through is None else through.float()
    return torch.stack([basis, -basis], dim=1).flatten(0, 1)  # both signs of each neuron in turn
