"""The engage lease: one holder, one socket, and no longer than the beats."""

import pytest

from edgevla.console.lease import LEASE_S, Lease

ANN, BOB = (1, "Ann"), (2, "Bob")


def test_the_holder_is_known_by_session_and_name():
    lease = Lease()
    assert lease.holder is None
    lease.grant(*ANN, now_s=0.0)
    assert lease.holder == ANN


def test_there_is_one_holder():
    lease = Lease()
    lease.grant(*ANN, now_s=0.0)
    with pytest.raises(ValueError, match="session 1"):
        lease.grant(*BOB, now_s=0.1)


def test_beats_keep_it_and_their_end_ends_it():
    lease = Lease()
    secret = lease.grant(*ANN, now_s=0.0)
    for tick in range(1, 50):
        assert lease.beat(secret, 1, socket=7, now_s=0.125 * tick)
        assert not lease.overdue(0.125 * tick + LEASE_S - 0.001)
    assert lease.overdue(0.125 * 49 + LEASE_S + 0.001)


def test_who_never_beats_has_it_for_one_lease_only():
    lease = Lease()
    lease.grant(*ANN, now_s=0.0)
    assert not lease.overdue(LEASE_S)
    assert lease.overdue(LEASE_S + 0.001)


@pytest.mark.parametrize(("secret", "session"), [("wrong", 1), ("", 1), ("é", 1), (None, 2)])
def test_only_the_holder_beats(secret, session):
    lease = Lease()
    mine = lease.grant(*ANN, now_s=0.0)
    assert not lease.beat(mine if secret is None else secret, session, socket=7, now_s=0.1)


def test_it_hangs_on_the_first_socket_that_beats():
    lease = Lease()
    secret = lease.grant(*ANN, now_s=0.0)
    assert not lease.on_socket(7)
    assert lease.beat(secret, 1, socket=7, now_s=0.1)
    assert lease.on_socket(7)
    assert not lease.on_socket(8)
    assert not lease.beat(secret, 1, socket=8, now_s=0.2), "another tab of the same person"


def test_a_beat_that_comes_too_late_does_not_bring_it_back():
    lease = Lease()
    secret = lease.grant(*ANN, now_s=0.0)
    assert not lease.beat(secret, 1, socket=7, now_s=LEASE_S + 0.001)
    assert lease.overdue(LEASE_S + 0.001)


def test_an_old_secret_means_nothing_for_the_next_holder():
    lease = Lease()
    old = lease.grant(*ANN, now_s=0.0)
    lease.end()
    assert not lease.beat(old, 1, socket=7, now_s=0.1)
    lease.grant(*ANN, now_s=0.1)
    assert not lease.beat(old, 1, socket=7, now_s=0.2)
