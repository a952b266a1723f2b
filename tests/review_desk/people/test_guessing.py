"""Guessing passwords slows down the guesser, and no one else. By a clock that the test turns."""

from __future__ import annotations

from include.review_desk.errors import TooManyAttempts
from include.review_desk.people.devices import DEVICE_SECONDS, Devices
from include.review_desk.people.limits import SignInLimiter
from tests.support.desk import unique
from tests.support.reviewer import PASSWORD

from .browser import Browser, problem

OFFICE = "192.0.2.1"


def refused(limiter: SignInLimiter, name: str, address: str, now_ms: int, device: str | None = None) -> int:
    """How long this attempt has to wait, in seconds; 0: it may be made, and counts as a failure."""
    try:
        limiter.begin(name, address, now_ms, device)
    except TooManyAttempts as error:
        return error.retry_after_seconds
    return 0


def test_sixty_wrong_passwords_lock_out_no_colleague_at_the_same_address():
    limiter = SignInLimiter()
    for number in range(60):
        assert not refused(limiter, f"name-{number % 12}", OFFICE, 0)
    assert refused(limiter, "name-1", OFFICE, 0) == 300
    # Neither a person whose name nobody has tried, nor one at a browser that is known.
    assert not refused(limiter, "ada", OFFICE, 0)
    assert not refused(limiter, "name-1", OFFICE, 0, "the device of name-1")


def test_the_reserve_of_an_address_is_no_way_around_its_limit():
    limiter = SignInLimiter()
    tried = sum(not refused(limiter, f"name-{number}", OFFICE, 0) for number in range(500))
    assert tried == 120
    assert refused(limiter, "ada", OFFICE, 0) == 300
    assert not refused(limiter, "ada", OFFICE, 0, "the device of ada")
    assert not refused(limiter, "ada", "192.0.2.2", 0)


def test_one_name_cannot_be_guessed_from_a_thousand_addresses():
    limiter, now_ms, guesses = SignInLimiter(), 0, 0
    for number in range(1000):
        wait_seconds = refused(limiter, "ada", f"198.51.{number // 250}.{number % 250}", now_ms)
        guesses += wait_seconds == 0
        now_ms += 3_600
    # An hour of it.
    assert now_ms == 3_600_000
    assert guesses < 35
    assert refused(limiter, "ada", OFFICE, now_ms) > 0
    assert not refused(limiter, "ada", OFFICE, now_ms, "the device of ada")
    assert not refused(limiter, "bob", OFFICE, now_ms)


def test_a_known_device_guesses_no_faster_than_any_other():
    limiter = SignInLimiter()
    assert sum(not refused(limiter, "ada", OFFICE, 0, "stolen") for _ in range(100)) == 8
    assert refused(limiter, "ada", OFFICE, 0, "stolen") == 300
    assert not refused(limiter, "ada", OFFICE, 300_000, "stolen")


def test_who_waits_long_enough_may_try_again():
    limiter = SignInLimiter()
    for number in range(12):
        assert not refused(limiter, "ada", f"192.0.2.{number}", 0)
    assert refused(limiter, "ada", OFFICE, 0) == 1
    assert not refused(limiter, "ada", OFFICE, 1_000)
    assert refused(limiter, "ada", OFFICE, 1_000) == 2
    assert not refused(limiter, "ada", OFFICE, 3_600_000)


def test_a_device_is_known_for_the_people_who_signed_in_there_and_no_others():
    devices = Devices(b"k" * 32)
    cookie = devices.remember("", "ada", 0)
    device = devices.known(cookie, "ada", 0)
    assert device is not None
    assert devices.known(cookie, "bob", 0) is None
    assert devices.known(cookie, "ada", DEVICE_SECONDS * 1000) is None
    assert Devices(b"o" * 32).known(cookie, "ada", 0) is None
    identity, expires, signature = cookie.split(".")
    for forged in (
        f"{identity}.{int(expires) + 1}.{signature}",
        f"{'x' * 16}.{expires}.{signature}",
        f"{identity}.{expires}.{'A' * 43}",
        "~" * 5000,
        "nonsense",
        "\ud800",
        "",
    ):
        assert devices.known(forged, "ada", 0) is None
        assert devices.known(devices.remember(forged, "ada", 0), "ada", 0) is not None
    assert "ada" not in cookie


def test_a_shared_browser_is_known_for_its_latest_people():
    devices = Devices()
    cookie, people = "", [f"person-{number}" for number in range(7)]
    for name in (*people, "person-6"):
        cookie = devices.remember(cookie, name, 0)
    assert [name for name in people if devices.known(cookie, name, 0)] == people[2:]
    device = devices.known(cookie, "person-6", 0)
    assert devices.known(devices.remember(cookie, "person-6", 9000), "person-6", 9000) == device


def test_a_person_gets_in_at_the_own_browser_whatever_a_guesser_does(site, person):
    with Browser(site.url) as own, Browser(site.url) as guesser:
        assert own.sign_in(person, PASSWORD).status_code == 303
        assert own.submit("/sign-out", page="/answers").status_code == 303
        for _ in range(8):
            assert guesser.sign_in(person, "wrong").status_code == 401
        assert guesser.sign_in(person, PASSWORD).status_code == 429
        assert own.sign_in(person, PASSWORD).status_code == 303


def test_a_device_made_up_or_of_another_person_helps_nobody(site, person):
    other = unique("other")
    site.add_worker(unique("team"), other)
    with Browser(site.url) as browser:
        assert browser.sign_in(other, PASSWORD).status_code == 303
        browser.cookies.delete("desk_session")
        for _ in range(8):
            assert browser.sign_in(person, "wrong").status_code == 401
        late = browser.sign_in(person, PASSWORD)
        assert (late.status_code, "try again in" in problem(late)) == (429, True)
