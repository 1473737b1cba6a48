"""One-time links, the sessions they open, and the token of each."""

import gc

import pytest

from edgevla.console.sessions import IDLE_S, LIFE_S, LINK_LIFE_S, MAX_LINKS, MAX_SESSIONS, Sessions


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions(clock):
    return Sessions(clock)


def enter(sessions, name="Ann"):
    return sessions.log_in(sessions.new_link(name))


def test_a_link_opens_one_session_in_the_name_it_was_made_for(sessions):
    session, secret = enter(sessions)
    assert (session.number, session.name) == (1, "Ann")
    assert sessions.find(secret) is session


def test_a_link_works_once(sessions):
    key = sessions.new_link("Ann")
    assert sessions.log_in(key) is not None
    assert sessions.log_in(key) is None


@pytest.mark.parametrize("key", ["", "x", "é", "\x00", "a" * 100_000])
def test_a_key_that_is_none_opens_nothing(sessions, key):
    sessions.new_link("Ann")
    assert sessions.log_in(key) is None


def test_a_link_grows_too_old(sessions, clock):
    key = sessions.new_link("Ann")
    clock.now_s += LINK_LIFE_S
    assert sessions.log_in(key) is None


def test_of_too_many_links_the_oldest_are_void(sessions):
    keys = [sessions.new_link("Ann") for _ in range(MAX_LINKS + 1)]
    assert sessions.log_in(keys[0]) is None
    assert sessions.log_in(keys[1]) is not None


def test_a_session_that_is_not_used_ends(sessions, clock):
    _, secret = enter(sessions)
    clock.now_s += IDLE_S - 1.0
    assert sessions.find(secret)
    clock.now_s += IDLE_S - 1.0
    assert sessions.find(secret), "it was used in between"
    clock.now_s += IDLE_S
    assert sessions.find(secret) is None


def test_an_open_page_keeps_its_session_and_no_session_lasts_longer_than_a_shift(sessions, clock):
    session, secret = enter(sessions)
    for _ in range(int(LIFE_S / IDLE_S * 2) - 1):
        clock.now_s += IDLE_S / 2
        assert sessions.alive(session)
    clock.now_s += IDLE_S / 2
    assert not sessions.alive(session)
    assert sessions.find(secret) is None


def test_of_too_many_sessions_the_one_that_was_silent_for_longest_ends(sessions, clock):
    secrets = []
    for _ in range(MAX_SESSIONS):
        clock.now_s += 1.0
        secrets.append(enter(sessions)[1])
    clock.now_s += 1.0
    sessions.find(secrets[0])
    enter(sessions)
    assert sessions.find(secrets[0])
    assert sessions.find(secrets[1]) is None


def test_a_token_belongs_to_its_session(sessions):
    (first, _), (second, _) = enter(sessions), enter(sessions)
    assert sessions.is_token(first, sessions.token(first))
    assert not sessions.is_token(second, sessions.token(first))
    assert not sessions.is_token(first, "")
    assert not sessions.is_token(first, "é")


def test_no_secret_is_kept(sessions):
    key = sessions.new_link("Ann")
    _, secret = sessions.log_in(key)
    unused = sessions.new_link("Bob")
    kept = gc.get_referents(*[vars(sessions)[name] for name in ("_links", "_sessions")])
    fields = [str(getattr(each, name)) for each in kept for name in each.__slots__]
    assert fields
    assert not any(each in field for each in (key, secret, unused) for field in fields)
    assert secret not in repr(sessions.find(secret))
