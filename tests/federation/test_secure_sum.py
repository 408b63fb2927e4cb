"""Whoever falls silent, the sum of those who are left is exact, and one vector is never more than noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("flwr", reason="a federation needs the extra 'federation'")

from manikin.errors import FederationError
from manikin.federation.secure_sum import deal, hidden, opened, revealed, secrets_for
from manikin.federation.secure_sum import given as gifts_of

FAR = 2**53


def attempt(vectors, threshold, *, undealt=(), unsent=(), ungiving=()):
    """Return what the coordinator holds at the end: hidden vectors, the roster and what was given."""
    secrets = {name: secrets_for(name, "attempt") for name in vectors}
    roster = {name: one.announcement for name, one in secrets.items()}
    dealers = [name for name in vectors if name not in undealt]
    dealt = {name: deal(secrets[name], roster, threshold) for name in dealers}
    senders = [name for name in dealers if name not in unsent]
    masked = {name: hidden(vectors[name], secrets[name], roster, dealers) for name in senders}
    held = {
        name: opened(secrets[name], roster, {dealer: dealt[dealer][name] for dealer in dealers}) for name in senders
    }
    gifts = [gifts_of(held[name], senders) for name in senders if name not in ungiving]
    return masked, roster, gifts


@st.composite
def silences(draw):
    """Return how many members there are, and who falls silent before which step, so that a majority is left."""
    many = draw(st.integers(3, 6))
    threshold = many // 2 + 1
    lost = draw(st.permutations(range(many)))[: draw(st.integers(0, many - threshold))]
    when = [draw(st.sampled_from(["undealt", "unsent", "ungiving"])) for _ in lost]
    return (
        many,
        threshold,
        {step: [f"m{one}" for one, at in zip(lost, when, strict=True) if at == step] for step in when},
    )


@settings(max_examples=25)
@given(silences(), st.integers(0, 2**32 - 1))
def test_the_sum_is_exact_whoever_falls_silent(silence, seed):
    many, threshold, lost = silence
    rng = np.random.default_rng(seed)
    vectors = {f"m{one}": rng.integers(-FAR, FAR, 5) for one in range(many)}
    masked, roster, gifts = attempt(vectors, threshold, **lost)
    assert (revealed(masked, roster, gifts) == sum(vectors[name] for name in masked)).all()


def test_fewer_than_the_threshold_open_nothing():
    vectors = {name: np.arange(50) for name in "abc"}
    masked, roster, gifts = attempt(vectors, 3)
    try:
        wrong = revealed(masked, roster, gifts[:2])
    except ValueError:
        return
    assert (wrong != sum(vectors.values())).all()


def test_a_hidden_vector_looks_like_chance():
    """A bit of a hidden vector of zeros is set in half of the cells; false alarm 1e-9, by Hoeffding's bound."""
    masked, _, _ = attempt({name: np.zeros(20_000, np.int64) for name in "abc"}, 2)
    bits = np.unpackbits(masked["a"].view(np.uint8)).reshape(20_000, 64)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < np.sqrt(np.log(2 * 64 / 1e-9) / (2 * 20_000))


def test_each_attempt_hides_anew():
    vectors = {name: np.zeros(10, np.int64) for name in "abc"}
    assert (attempt(vectors, 2)[0]["a"] != attempt(vectors, 2)[0]["a"]).all()


def test_masks_in_common_cancel_only_with_all_who_dealt():
    """What the private masks leave of one vector is still hidden by those in common: no one's table is opened alone."""
    vectors = {name: np.arange(20) for name in "abc"}
    masked, roster, gifts = attempt(vectors, 2)
    alone = revealed({"a": masked["a"]}, roster, [{"a": gift["a"]} for gift in gifts])
    assert (alone != vectors["a"]).all()


def test_an_envelope_for_another_member_or_attempt_is_refused():
    secrets = {name: secrets_for(name, "one") for name in "abc"}
    roster = {name: one.announcement for name, one in secrets.items()}
    dealt = deal(secrets["a"], roster, 2)
    assert opened(secrets["b"], roster, {"a": dealt["b"]}).keys() == {"a"}
    for sender, sealed in [("a", dealt["c"]), ("c", dealt["b"]), ("a", b"nothing")]:
        with pytest.raises(FederationError, match="sealed"):
            opened(secrets["b"], roster, {sender: sealed})
    later = secrets_for("b", "two")
    moved = type(later)("b", "two", secrets["b"].envelopes, later.masks, later.seed)
    with pytest.raises(FederationError, match="attempt"):
        opened(moved, roster, {"a": dealt["b"]})
