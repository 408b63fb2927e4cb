"""Whose aggregates these are can be told, and what was changed on the way is refused."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from facts import facts
from hypothesis import given
from hypothesis import strategies as st

from manikin.aggregates import load, loads, make_key, read_key, read_trust, save, signed, signing, to_json
from manikin.errors import AggregatesError, MissingExtraError, RequestError, SignatureError

pytest.importorskip("cryptography", reason="cryptography is not installed: pip install 'manikin[site]'")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for site in ("north", "south"):
        make_key(folder / site)
    return folder


@pytest.fixture
def trust_north(keys: Path, tmp_path: Path) -> Path:
    path = tmp_path / "trust"
    path.write_text("# the sites we know\n\n" + (keys / "north.pub").read_text())
    return path


def test_a_signed_file_is_believed_by_whoever_trusts_its_site(keys: Path, trust_north: Path, tmp_path: Path) -> None:
    save(signed(facts(), read_key(keys / "north.key")), tmp_path / "a.json")
    assert load(tmp_path / "a.json", read_trust(trust_north)).site == "north"


def test_the_layout_of_a_file_is_free_and_its_content_is_not(keys: Path, trust_north: Path) -> None:
    text = to_json(signed(facts(), read_key(keys / "north.key")))
    trust = read_trust(trust_north)
    loads(json.dumps(json.loads(text), indent=4, sort_keys=True), trust)
    with pytest.raises(SignatureError, match="does not fit") as caught:
        loads(text.replace('"number": 201', '"number": 202'), trust)
    assert caught.value.state == "tampered"
    with pytest.raises(SignatureError, match="does not fit"):  # even where nobody says whom to trust
        loads(text.replace('"number": 201', '"number": 202'))


@given(st.data())
def test_no_number_can_be_changed(keys: Path, data: st.DataObject) -> None:
    document = json.loads(to_json(signed(facts(), read_key(keys / "north.key"))))
    table = data.draw(st.sampled_from(document["aggregates"]))
    table["noise"] = data.draw(st.floats(0.1, 100).filter(lambda one: one != table["noise"]))
    with pytest.raises(SignatureError):
        loads(json.dumps(document))


def test_another_key_makes_it_foreign(keys: Path, trust_north: Path) -> None:
    trust = read_trust(trust_north)
    with pytest.raises(SignatureError, match="another key than the trusted one") as caught:
        loads(to_json(signed(facts(), read_key(keys / "south.key"))), trust, "a.json")
    assert caught.value.state == "foreign"
    assert str(caught.value).startswith("a.json: ")
    with pytest.raises(SignatureError, match="is not trusted"):
        loads(to_json(signed(facts(site="south"), read_key(keys / "south.key"))), trust)


def test_a_trusted_site_can_not_speak_for_another(keys: Path, tmp_path: Path) -> None:
    both = tmp_path / "trust"
    both.write_text((keys / "north.pub").read_text() + (keys / "south.pub").read_text())
    with pytest.raises(SignatureError):
        loads(to_json(signed(facts(site="north"), read_key(keys / "south.key"))), read_trust(both))


def test_unsigned_is_told_where_trust_is_asked_for(trust_north: Path) -> None:
    loads(to_json(facts()))
    with pytest.raises(SignatureError, match="did not sign") as caught:
        loads(to_json(facts()), read_trust(trust_north))
    assert caught.value.state == "unsigned"


@pytest.mark.parametrize("value", ["", "AAAA", "é", "A" * 88, "=" * 88])
def test_half_a_signature_does_not_fit(keys: Path, value: str) -> None:
    one = signed(facts(), read_key(keys / "north.key"))
    assert one.signature is not None
    for broken in (replace(one.signature, value=value or "x"), replace(one.signature, key=value or "x")):
        with pytest.raises(SignatureError):
            loads(to_json(replace(one, signature=broken)))


def test_a_private_key_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        private, public = make_key(tmp_path / "north")
    finally:
        os.umask(previous)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_bytes(), public.read_bytes()
    with pytest.raises(RequestError, match="never overwritten"):
        make_key(tmp_path / "north")
    private.unlink()
    with pytest.raises(RequestError, match="never overwritten"):
        make_key(tmp_path / "north")
    assert not private.exists()
    assert public.read_bytes() == before[1]
    (tmp_path / "led.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RequestError, match="never overwritten"):
        make_key(tmp_path / "led")
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(RequestError, match="can't be written"):
        make_key(tmp_path / "nowhere" / "north")
    with pytest.raises(RequestError, match="name of its site"):
        make_key(Path("/"))


def test_a_key_shows_its_public_half_only(keys: Path, tmp_path: Path) -> None:
    key = read_key(keys / "north.key")
    secret = (keys / "north.key").read_text().splitlines()[1]
    assert repr(key) == f"SigningKey(public='{key.public}')"
    broken = tmp_path / "broken.key"
    broken.write_text((keys / "north.key").read_text().replace("-----END", "-----FIN"))
    with pytest.raises(RequestError, match="is no private key") as caught:
        read_key(broken)
    assert secret not in str(caught.value)
    with pytest.raises(RequestError, match="is no private key"):
        read_key(keys / "north.pub")
    with pytest.raises(RequestError, match="can't be read"):
        read_key(tmp_path / "none.key")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nobody is trusted"),
        ("# only words\n", "nobody is trusted"),
        ("ed25519 short north\n", "line 1: This is no public key"),
        ("\nssh-rsa AAAA north\n", "line 2: This is no public key"),
    ],
)
def test_a_trust_file_with_a_mistake_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "trust").write_text(text)
    with pytest.raises(AggregatesError, match=message):
        read_trust(tmp_path / "trust")
    with pytest.raises(AggregatesError, match="can't be read"):
        read_trust(tmp_path / "none")


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(signing, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"manikin\[site\]"):
        make_key(tmp_path / "north")
    assert not list(tmp_path.iterdir())
