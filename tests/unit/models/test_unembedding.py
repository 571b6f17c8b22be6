"""The way out of the residual stream, against the model's own logits."""

import pytest
import torch

from labeler.errors import InputError
from tests.fakes.tiny_model import CONFIGURATIONS, VOCABULARY, tiny_language_model


@pytest.mark.parametrize("name", [name for name in CONFIGURATIONS if name != "opt, norms behind"])
def test_it_gives_the_models_logits_up_to_a_number_and_a_bias(name):
    model = tiny_language_model(name)
    decoder, head = model.module.get_decoder(), model.module.get_output_embeddings()
    norm = next(m for n, m in decoder.named_children() if n.startswith(("norm", "final", "ln_f")))
    stream = torch.randn(5, 32)
    stream -= stream.mean(-1, keepdim=True)  # then all norms only divide, each token by a number of its own
    with torch.inference_mode():
        logits = head(norm(stream)) - head(norm(torch.zeros(1, 32)))
    found = stream @ model.unembedding().T
    known = len(model.tokenizer)
    assert known < VOCABULARY  # what pads the matrix is left out
    assert found.shape == (5, known)
    assert float(torch.cosine_similarity(found, logits[:, :known], dim=-1).min()) > 0.9999


def test_a_projection_before_it_is_refused():
    with pytest.raises(InputError, match="reads 16 dimensions, not 32"):
        tiny_language_model("opt, norms behind").unembedding()
