"""Identity's decisions, for all values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.identity import rules
from services.identity.rules import Budget, Limit, Session, words
from services.identity.rules.words import device_of, word_held
from shared.hashing import is_guessable

NOW = datetime(2026, 5, 1, tzinfo=UTC)
KEYS = [rules.derived_key(b"m" * 32, "session tokens"), rules.derived_key(b"n" * 32, "session tokens")]
LIMITS = st.sampled_from([rules.BY_ACCOUNT, rules.BY_SOURCE, rules.SIGNUPS_BY_ADDRESS])
PAUSES = st.lists(st.integers(0, 3600), max_size=60)


def a_session(**changes: object) -> Session:
    session = Session(
        session_id="ses_01k9zq3v5m8c1t0g7w2x4y6z8a", user_id="usr_01k9zq3v5m8c1t0g7w2x4y6z8a", org_id=None, kind="bearer", root=b"r" * 32,
        generation=3, rotated_at=NOW, amr=("pwd",), authenticated_at=NOW, started_at=NOW, last_used_at=NOW,
        expires_at=NOW + rules.BEARER_LIFE, ends_at=NOW + rules.BEARER_LIFE, source_ip=None, user_agent=None,
    )  # fmt: skip
    return replace(session, **changes)  # type: ignore[arg-type]


@given(limit=LIMITS, seconds=PAUSES)
def test_no_window_ever_holds_more_attempts_than_its_limit(limit: Limit, seconds: list[int]) -> None:
    budget, now, made = None, NOW, []
    for pause in seconds:
        now += timedelta(seconds=pause)
        if budget is None or not budget.wait(now):
            budget = rules.spend(budget, limit, now)
            made.append(now)
    for start in made:
        # a window may begin with the last attempts of one and go on with the first of the next
        assert sum(start <= at < start + limit.window for at in made) <= 2 * limit.attempts


@given(seconds=PAUSES)
def test_no_pause_is_longer_than_a_quarter_of_an_hour_and_none_is_shorter_than_the_one_before(
    seconds: list[int],
) -> None:
    budget, now, waits = None, NOW, [timedelta()]
    for pause in seconds:
        now += timedelta(seconds=pause % 60)
        if budget is not None:
            now += budget.wait(now)
        budget = rules.spend(budget, rules.BY_ACCOUNT, now)
        waits.append(budget.wait(now))
    assert max(waits) <= rules.LONGEST_PAUSE
    if sum(s % 60 for s in seconds) < 800:  # all within one window
        assert waits == sorted(waits)


@given(limit=LIMITS, spent=st.integers(0, 300))
def test_an_attempt_that_ends_well_never_makes_things_worse(limit: Limit, spent: int) -> None:
    before = Budget(spent, None, NOW + limit.window)
    after = rules.take_back(rules.spend(before, limit, NOW), limit, NOW)
    assert after.spent <= before.spent
    if spent < limit.attempts:
        assert not after.wait(NOW)


@given(generation=st.integers(0, 99), other=st.integers(0, 99), kind=st.sampled_from(["bearer", "cookie"]))
def test_a_token_proves_its_own_session_kind_and_generation_and_nothing_else(
    generation: int, other: int, kind: rules.Kind
) -> None:
    session = a_session(kind=kind, generation=generation)
    token = rules.session_token(session, KEYS[1])
    presented = rules.read_session_token(token, kind)
    assert presented is not None
    assert presented.is_genuine(session, KEYS)
    assert not presented.is_genuine(session, KEYS[:1])
    assert not replace(presented, generation=other).is_genuine(session, KEYS) or other == generation
    assert not presented.is_genuine(replace(session, root=b"x" * 32), KEYS)
    assert not presented.is_genuine(replace(session, session_id="ses_01k9zq3v5m8c1t0g7w2x4y6z8b"), KEYS)
    assert not presented.is_genuine(replace(session, kind="cookie" if kind == "bearer" else "bearer"), KEYS)
    assert rules.read_session_token(token, "cookie" if kind == "bearer" else "bearer") is None


@given(text=st.text())
def test_any_text_can_be_read_as_a_token(text: str) -> None:
    rules.read_session_token(text, "bearer")
    rules.source_of(text)
    device = device_of(text)
    assert device is None or (device.isprintable() and device.isascii())


@given(generation=st.integers(0, 10), seconds=st.integers(0, 60))
def test_only_the_newest_token_rotates_and_only_the_one_before_it_is_forgiven(generation: int, seconds: int) -> None:
    standing = rules.standing_of(generation, a_session(), NOW + timedelta(seconds=seconds))
    expected = "newest" if generation == 3 else "replaced" if generation == 2 and seconds <= 10 else "reused"
    assert standing == expected


@given(
    word=st.text(min_size=4, max_size=20).filter(lambda w: len(words._letters(w)) >= 4),
    before=st.text(max_size=10),
    after=st.text(max_size=10),
)
def test_a_personal_word_is_found_wherever_it_stands_and_however_it_is_written(
    word: str, before: str, after: str
) -> None:
    for written in (word, word.upper(), "-".join(word)):
        if words._letters(written) == words._letters(word):
            assert word_held(before + written + after, {"your name": word}) == "your name"


def test_short_words_are_not_looked_for() -> None:
    assert word_held("banana bread oven", {"your name": "Ana"}) is None


@given(password=st.text(min_size=1, max_size=256))
def test_any_text_can_be_judged(password: str) -> None:
    assert is_guessable(password) in (True, False)


def test_a_source_is_an_address_or_a_network_of_one_subscriber() -> None:
    assert rules.source_of("203.0.113.7") == rules.source_of("::ffff:203.0.113.7") == "203.0.113.7"
    assert rules.source_of("2001:db8:1:2:3::4") == rules.source_of("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert rules.source_of(None) == rules.source_of("nonsense") == "unknown"
    assert [rules.is_this_machine(rules.source_of(ip)) for ip in ("127.0.0.1", "::1", "10.0.0.1", "::2:0:0:0:1")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_session_by_cookie_ends_when_nobody_uses_it() -> None:
    session = a_session(kind="cookie", expires_at=NOW + rules.COOKIE_LIFE)
    assert session.used(NOW).ends_at == NOW + timedelta(hours=1)
    assert session.used(NOW + timedelta(hours=11, minutes=30)).ends_at == NOW + timedelta(hours=12)
