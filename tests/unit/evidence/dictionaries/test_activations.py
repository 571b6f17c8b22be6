import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from labeler.evidence.dictionaries.activations import Gated, GroupMax, Threshold, TopK

# Halves, so that sums are exact and ties are common.
halves = st.integers(-8, 8).map(lambda n: n / 2)
pre_activations = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=24), elements=halves).map(
    torch.from_numpy
)


def dense(active, like):
    rows, features, values = active
    assert rows.shape == features.shape == values.shape
    assert len({(int(r), int(f)) for r, f in zip(rows, features, strict=True)}) == len(rows)
    assert not (values <= 0).any()
    found = torch.zeros_like(like)
    found[rows, features] = values
    return found


@given(pre_activations, st.integers(1, 24))
def test_topk_finds_the_largest_values_whatever_is_tied(pre, k):
    k = min(k, pre.shape[1])
    found = dense(TopK(k)(pre), pre)
    expected = pre.relu().sort(dim=-1, descending=True).values
    expected[:, k:] = 0
    assert torch.equal(found.sort(dim=-1, descending=True).values, expected)
    assert torch.equal(found[found > 0], pre[found > 0])


@given(pre_activations, st.integers(1, 4))
def test_groupmax_finds_one_of_every_group(pre, k):
    pre = pre.repeat(1, k)
    found = dense(GroupMax(k)(pre), pre)
    groups = found.view(len(pre), k, -1)
    assert int((groups > 0).sum(-1).max()) <= 1
    assert torch.equal(groups.amax(-1), pre.view(len(pre), k, -1).amax(-1).relu())


@given(pre_activations, halves)
def test_a_threshold_is_exceeded_or_not_and_never_below_zero(pre, threshold):
    expected = pre * (pre > max(threshold, 0))
    assert torch.equal(dense(Threshold(threshold)(pre), pre), expected)
    assert torch.equal(dense(Threshold(torch.full((pre.shape[1],), threshold))(pre), pre), expected)


@given(pre_activations, st.sampled_from([0.5, 1.0, 2.0]), halves)
def test_a_gate_and_its_magnitude_must_both_be_open(pre, scale, offset):
    n = pre.shape[1]
    found = dense(Gated(torch.full((n,), scale), torch.full((n,), offset))(pre), pre)
    assert torch.equal(found, (pre * scale + offset).relu() * (pre > 0))


@pytest.mark.parametrize(
    "activation", [TopK(2), GroupMax(2), Threshold(), Threshold(torch.ones(4)), Gated(torch.ones(4), torch.zeros(4))]
)
def test_a_nan_is_active_and_a_row_of_minus_infinity_is_not(activation):
    pre = torch.tensor([[0.5, torch.nan, -1.0, -2.0], [-torch.inf] * 4])
    rows, features, values = activation(pre)
    assert (1, True) in [(int(f), bool(v.isnan())) for f, v in zip(features, values, strict=True)]
    assert 1 not in rows


@pytest.mark.parametrize(
    ("activation", "says"),
    [
        (TopK(0), "k is 0, expected 1 to 6"),
        (TopK(7), "k is 7, expected 1 to 6"),
        (TopK(6), ""),
        (GroupMax(4), "divides 6 features evenly"),
        (GroupMax(0), "k is 0"),
        (GroupMax(3), ""),
        (Threshold(torch.zeros(5)), r"threshold has shape [5], expected [6]"),
        (Threshold(0.5), ""),
        (Gated(torch.ones(6), torch.ones(5)), "b_mag has shape [5], expected [6]"),
    ],
)
def test_what_does_not_fit_the_features_is_said(activation, says):
    wrong = activation.wrong(6)
    assert says in wrong
    assert bool(wrong) == bool(says)
