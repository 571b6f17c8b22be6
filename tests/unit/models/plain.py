"""What a model says in plain forward passes, without cache, padding or batch."""

import torch


@torch.inference_mode()
def next_logprobs(model, ids):
    """[len(ids), vocabulary], row i about the token behind ids[i]."""
    return model.module(torch.tensor([ids]), use_cache=False).logits[0].float().log_softmax(-1)


def likeliest(model, ids, tokens):
    """So many ids behind these, each the likeliest."""
    written = []
    for _ in range(tokens):
        written.append(int(next_logprobs(model, [*ids, *written])[-1].argmax()))
    return written
