"""Whom a node gives the next epoch of a bucket."""

from __future__ import annotations

import pytest

from pulsing.streaming.ownership.votes import HOLD_S, Votes


def everybody_lives(node_id: int) -> bool:
    return True


def nobody_lives(node_id: int) -> bool:
    return False


@pytest.fixture
def votes() -> Votes:
    votes = Votes()
    assert votes.vote("q:bucket_0", 2, claimant=1, now=0.0, lives=everybody_lives)
    return votes


def test_an_epoch_is_given_to_one_claimant_only(votes: Votes) -> None:
    later = HOLD_S + 1.0
    assert not votes.vote("q:bucket_0", 2, claimant=2, now=later, lives=nobody_lives)
    assert votes.vote("q:bucket_0", 3, claimant=2, now=later, lives=nobody_lives)
    assert not votes.vote("q:bucket_0", 3, claimant=1, now=2 * later, lives=nobody_lives)


def test_whoever_asks_again_is_given_the_same_and_later_epochs_but_no_earlier_one(votes: Votes) -> None:
    assert votes.vote("q:bucket_0", 2, claimant=1, now=0.1, lives=everybody_lives)
    assert votes.vote("q:bucket_0", 3, claimant=1, now=0.1, lives=everybody_lives)
    assert not votes.vote("q:bucket_0", 2, claimant=1, now=0.1, lives=everybody_lives)


def test_a_promise_keeps_others_off_until_news_of_the_new_owner_have_come(votes: Votes) -> None:
    assert not votes.vote("q:bucket_0", 3, claimant=2, now=HOLD_S - 0.1, lives=everybody_lives)
    assert votes.vote("q:bucket_0", 3, claimant=2, now=HOLD_S, lives=everybody_lives)


def test_a_promise_to_one_that_is_gone_or_has_given_up_keeps_nobody_off(votes: Votes) -> None:
    assert votes.vote("q:bucket_0", 3, claimant=2, now=0.1, lives=nobody_lives)
    votes.withdraw("q:bucket_0", claimant=2)
    assert votes.vote("q:bucket_0", 4, claimant=1, now=0.2, lives=everybody_lives)


def test_only_the_claimant_itself_gives_up_its_claim(votes: Votes) -> None:
    votes.withdraw("q:bucket_0", claimant=2)
    assert not votes.vote("q:bucket_0", 3, claimant=2, now=0.1, lives=everybody_lives)


def test_a_promise_whose_owner_is_known_keeps_nobody_off(votes: Votes) -> None:
    votes.settle("q:bucket_0", 1)
    assert not votes.vote("q:bucket_0", 3, claimant=2, now=0.1, lives=everybody_lives)
    votes.settle("q:bucket_0", 2)
    assert votes.vote("q:bucket_0", 3, claimant=2, now=0.1, lives=everybody_lives)


def test_each_bucket_is_voted_for_by_itself(votes: Votes) -> None:
    assert votes.vote("q:bucket_1", 2, claimant=2, now=0.0, lives=everybody_lives)
    assert (votes.promised("q:bucket_0"), votes.promised("q:bucket_2")) == (2, 0)
