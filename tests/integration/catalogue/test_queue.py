"""Leases: nothing is held by two, nothing is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from labeler.catalogue import Catalogue
from labeler.catalogue.records import Claim
from labeler.errors import InputError
from tests.integration.catalogue.building import LEASE, Clock, finish, labelled, new_run
from tests.integration.catalogue.processes import Processes, claim_all


def test_threads_never_hold_the_same_feature(catalogue: Catalogue):
    # Given five hundred features
    catalogue.create_run(new_run(500))

    # When eight threads claim a few at a time until there are none
    def claim_until_empty(_: int) -> list[int]:
        taken: list[int] = []
        while claims := catalogue.claim(7, LEASE, 0.0):
            assert len(claims) <= 7
            taken += [claim.index for claim in claims]
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = [index for indices in pool.map(claim_until_empty, range(8)) for index in indices]

    # Then each was had by one of them
    assert sorted(taken) == list(range(500))


def test_processes_never_hold_the_same_feature(catalogue: Catalogue, catalogue_url: str, processes: Processes):
    catalogue.create_run(new_run(300))

    taken = processes.together(claim_all, catalogue_url, 0.0)

    assert sorted(index for indices in taken for index in indices) == list(range(300))


def test_claims_come_in_index_order_with_older_runs_first(catalogue: Catalogue, clock: Clock):
    first = catalogue.create_run(new_run(3))
    clock.now += 1
    second = catalogue.create_run(new_run(3))

    claims = catalogue.claim(5, LEASE, 0.0)

    assert [(claim.run_id, claim.index) for claim in claims] == [
        *((first, index) for index in range(3)),
        *((second, index) for index in range(2)),
    ]
    assert {(claim.stage, claim.attempts) for claim in claims} == {("label", 1)}


def test_claims_can_be_of_some_runs_only(catalogue: Catalogue):
    catalogue.create_run(new_run(3))
    wanted = catalogue.create_run(new_run(3))

    assert {claim.run_id for claim in catalogue.claim(9, LEASE, 0.0, [wanted])} == {wanted}
    assert catalogue.claim(9, LEASE, 0.0, []) == []
    assert catalogue.claim(0, LEASE, 0.0) == []


def test_a_feature_is_claimed_again_once_its_lease_has_run_out(catalogue: Catalogue):
    catalogue.create_run(new_run(1))
    [first] = catalogue.claim(1, LEASE, 100.0)

    assert not catalogue.claimable(159.9)
    assert catalogue.claim(1, LEASE, 159.9) == []
    assert catalogue.claimable(160.0)
    [second] = catalogue.claim(1, LEASE, 160.0)

    assert second.index == first.index
    assert second.attempts == 2
    assert second.token != first.token


def test_who_lost_the_lease_stores_nothing(catalogue: Catalogue):
    # Given a feature whose first holder was too slow
    run_id = catalogue.create_run(new_run(1))
    [slow] = catalogue.claim(1, LEASE, 0.0)
    [fast] = catalogue.claim(1, LEASE, 60.0)

    # When the slow one comes back before and after the fast one has finished
    before = catalogue.finish_label(slow, labelled("slow"))
    stored = catalogue.finish_label(fast, labelled("fast"))
    after = catalogue.finish_label(slow, labelled("slow"))

    # Then only the fast one's label is there
    assert (before, stored, after) == (False, True, False)
    assert catalogue.extend([slow, fast], LEASE, 61.0) == []
    assert catalogue.release([slow, fast], 0.0) == 0
    assert [chosen.label for chosen in catalogue.labels(run_id)] == ["fast"]


def test_a_lease_that_ran_out_but_was_not_taken_still_counts(catalogue: Catalogue):
    catalogue.create_run(new_run(1))
    [claim] = catalogue.claim(1, LEASE, 0.0)

    assert catalogue.extend([claim], LEASE, 500.0) == [claim]
    assert catalogue.claim(1, LEASE, 559.0) == []
    assert catalogue.finish_label(claim, labelled())


def test_extending_names_what_is_still_held(catalogue: Catalogue):
    catalogue.create_run(new_run(4))
    claims = catalogue.claim(4, LEASE, 0.0)
    finish(catalogue, claims[0])
    catalogue.release([claims[2]], 1_000.0)

    assert catalogue.extend(claims, LEASE, 50.0) == [claims[1], claims[3]]
    assert [claim.index for claim in catalogue.claim(9, LEASE, 109.0)] == []
    assert [claim.index for claim in catalogue.claim(9, LEASE, 110.0)] == [1, 3]


def test_what_was_given_back_waits_for_its_time(catalogue: Catalogue):
    catalogue.create_run(new_run(2))
    claims = catalogue.claim(2, LEASE, 0.0)

    assert catalogue.release(claims, 30.0) == 2
    assert catalogue.release(claims, 0.0) == 0

    assert not catalogue.claimable(29.0)
    assert catalogue.claim(2, LEASE, 29.0) == []
    assert catalogue.claimable(30.0)
    assert [claim.attempts for claim in catalogue.claim(2, LEASE, 30.0)] == [2, 2]


def test_more_claims_than_fit_one_statement_are_extended_and_released(catalogue: Catalogue):
    catalogue.create_run(new_run(1_200))
    claims = catalogue.claim(1_200, LEASE, 0.0)

    assert [claim.index for claim in claims] == list(range(1_200))
    assert catalogue.extend(claims, LEASE, 10.0) == claims
    assert catalogue.release(claims, 0.0) == 1_200


def test_an_empty_catalogue_has_nothing_to_claim(catalogue: Catalogue):
    assert not catalogue.claimable(0.0)
    assert catalogue.claim(5, LEASE, 0.0) == []
    assert catalogue.extend([], LEASE, 0.0) == []
    assert catalogue.release([], 0.0) == 0


def test_a_forged_token_opens_nothing(catalogue: Catalogue):
    run_id = catalogue.create_run(new_run(1))
    catalogue.claim(1, LEASE, 0.0)
    forged = Claim(run_id=run_id, index=0, stage="label", attempts=1, token="%")

    assert not catalogue.finish_label(forged, labelled())
    with pytest.raises(InputError, match="no run"):
        catalogue.progress("%")


def test_twenty_claims_in_a_row_walk_through_the_run(catalogue: Catalogue):
    catalogue.create_run(new_run(40))

    seen = [[claim.index for claim in catalogue.claim(2, LEASE, 0.0)] for _ in range(20)]

    assert all(one[-1] < other[0] for one, other in pairwise(seen))
