import pytest
import torch

from labeler.models.language import load_language_model
from tests.fakes.tiny_model import save_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    loaded = load_language_model(str(save_tiny_model(tmp_path_factory.mktemp("tiny"))))
    loaded.module.float()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model only loses by more
    yield loaded
    torch.set_num_threads(threads)
