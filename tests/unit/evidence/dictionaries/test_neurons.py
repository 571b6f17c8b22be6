import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from tests.fakes.dictionary import inputs


def test_every_neuron_has_a_feature_for_either_sign():
    dictionary = load_dictionary("neurons", width=32)
    x = inputs()
    x[0, 0] = 0
    acts = dictionary.encode(x)
    assert (dictionary.n_features, dictionary.d_model) == (64, 32)
    torch.testing.assert_close(acts[:, 0::2], x.relu())
    torch.testing.assert_close(acts[:, 1::2], (-x).relu())


def test_nothing_is_allocated_for_the_basis():
    wide = load_dictionary("neurons", width=10**9)
    assert wide.W_dec is None
    assert wide.n_features == 2 * 10**9


def test_the_fingerprint_is_that_of_the_width():
    assert load_dictionary("neurons", width=32).fingerprint() == load_dictionary("neurons", width=32).fingerprint()
    assert load_dictionary("neurons", width=32).fingerprint() != load_dictionary("neurons", width=33).fingerprint()


def test_what_neurons_cannot_do_is_said():
    with pytest.raises(InputError, match="the width of the hook point must be given"):
        load_dictionary("neurons")
    with pytest.raises(InputError, match="there must be at least one"):
        load_dictionary("neurons", width=0)
    with pytest.raises(InputError, match="has no decoder"):
        load_dictionary("neurons", width=4).decode(torch.zeros(1, 8))
