import numpy as np
import torch

from labeler.evidence.neighbours import by_direction, by_sightings


def test_directions_that_point_alike_are_near_and_a_group():
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(40, 64, generator=generator)
    W[7] = W[3] + 0.1 * torch.randn(64, generator=generator)
    W[9] = 5 * W[3]
    found = by_direction(W)
    assert set(found.nearest[3, :2].tolist()) == {7, 9}
    assert (found.closeness[3, :2] > 0.9).all()
    assert [int(at) for at in np.flatnonzero(found.group == 3)] == [3, 7, 9]
    assert (np.delete(found.group, [3, 7, 9]) == -1).all()


def test_cosines_are_those_of_numpy():
    W = torch.randn(30, 16, generator=torch.Generator().manual_seed(1))
    found = by_direction(W)
    unit = W.numpy() / np.linalg.norm(W.numpy(), axis=1, keepdims=True)
    cosines = unit @ unit.T - 2 * np.eye(30)
    np.testing.assert_allclose(found.closeness, -np.sort(-cosines, axis=1)[:, :8], atol=2e-3)


def test_a_large_group_of_equals_hangs_together():
    """More members than neighbours are listed."""
    W = torch.randn(200, 32, generator=torch.Generator().manual_seed(2))
    W[50:120] = W[50]
    found = by_direction(W)
    assert (found.group[50:120] == 50).all()
    assert (found.group >= 0).sum() == 70


def test_two_features_are_as_close_as_what_they_share():
    rng = np.random.default_rng(0)
    a = rng.choice(2**40, 60, replace=False)
    b = np.r_[a[:30], rng.choice(2**40, 30)]
    feature = np.repeat([0, 1, 2], 60)
    found = by_sightings(feature, np.r_[a, b, rng.choice(2**40, 60)].astype(np.uint64), 3)
    assert found.nearest[0, 0] == 1
    assert abs(float(found.closeness[0, 0]) - 0.5) < 0.01
    assert found.nearest[2, 0] == -1
    assert found.group.tolist() == [0, 0, -1]


def test_one_dictionary_of_one_feature_has_no_neighbours():
    found = by_direction(torch.ones(1, 4))
    assert (found.nearest == -1).all()
    assert found.group.tolist() == [-1]
    assert by_sightings(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64), 1).group.tolist() == [-1]
