"""Links to images: the same for a while, and never shorter-lived than promised."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from include.review_desk.storage.links import MAX_LINK_SECONDS, SteadyLinks


class Signer:
    """Signs as S3 does: another address for another second, valid for what was asked."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self, bucket: str, key: str, seconds: int) -> str:
        assert seconds <= MAX_LINK_SECONDS
        return f"{bucket}/{key} until {self.now + seconds}"


def test_a_page_loaded_ahead_has_the_links_of_the_page_itself():
    signer = Signer()
    links = SteadyLinks(signer, now=lambda: signer.now)
    ahead = links("images", "1.jpg", 3660)
    signer.now = 599
    assert links("images", "1.jpg", 3660) == ahead
    assert links("images", "2.jpg", 3660) != ahead
    signer.now = 600
    assert links("images", "1.jpg", 3660) != ahead


@given(st.lists(st.tuples(st.floats(0, 900), st.integers(1, 500_000)), min_size=1, max_size=30))
def test_every_link_lives_as_long_as_it_was_asked_for(steps: list[tuple[float, int]]):
    signer = Signer()
    links = SteadyLinks(signer, now=lambda: signer.now)
    for wait, seconds in steps:
        signer.now += wait
        assert float(links("b", "k", seconds).rpartition(" ")[2]) >= signer.now + seconds


def test_old_links_are_forgotten():
    links = SteadyLinks(Signer(), now=lambda: 0.0)
    for number in range(10_050):
        links("b", str(number), 60)
    assert len(links._links) == 10_000
