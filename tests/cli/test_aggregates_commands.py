"""Keys, published tables, sums of sites and codebooks, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from facts_of_sites import TABLE, WARD, site_file

from manikin.aggregates import load, read_key, save, signed
from manikin.cli import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ward.yaml").write_text(WARD, encoding="utf-8")
    return tmp_path


def test_sites_sign_and_are_added(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cryptography", reason="cryptography is not installed: pip install 'manikin[site]'")
    for name in ("north", "south"):
        assert main(["key", name]) == 0
        save(signed(site_file(name), read_key(here / f"{name}.key")), here / f"{name}.json")
    assert "north.key" in capsys.readouterr().out
    (here / "trust").write_text("".join((here / f"{name}.pub").read_text() for name in ("north", "south")))
    assert (
        main(["combine", "north.json", "south.json", "--out", "all.json", "--trust", "trust", "--key", "north.key"])
        == 0
    )
    said = capsys.readouterr().out
    assert "north                    200 patients, epsilon 1, signed" in said
    assert "no difference between sites beyond noise" in said
    assert load(here / "all.json").sites == ("north", "south")
    assert load(here / "all.json").signature is not None
    assert main(["combine", "north.json", "south.json", "--out", "all.json"]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["north.json", "north.json"], "'north' stands twice"),
        (["north.json", "none.json"], "none.json: The file can't be read"),
        (["north.json", "south.json", "--trust", "trust"], "nobody is trusted"),
        (["north.json", "south.json", "--weights", "north=1"], "'south' has no weight"),
        (["north.json", "south.json", "--weights", "north"], "write, for example: north=2,south=1"),
        (["north.json", "far.json"], "codebook ward 2.0.0"),
        (["north.json", "broken.json"], r"broken.json: $.tier: 'top' is not known here"),
    ],
)
def test_what_can_not_be_added_leaves_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    for name in ("north", "south"):
        save(site_file(name), here / f"{name}.json")
    save(site_file("far", version="2.0.0"), here / "far.json")
    (here / "broken.json").write_text((here / "north.json").read_text().replace('"open"', '"top"'))
    (here / "trust").write_text("")
    try:
        code = main(["combine", *options, "--out", "all.json"])
    except SystemExit as error:
        code = int(error.code or 0)
    assert code == 2
    assert message in capsys.readouterr().err
    assert not (here / "all.json").exists()


def test_sites_are_kept_and_differences_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(site_file("north", [20, 180]), here / "a.json")
    save(site_file("south", [150, 50]), here / "b.json")
    assert main(["combine", "a.json", "b.json", "--out", "all.json", "--keep-sites"]) == 0
    said = capsys.readouterr().out
    assert "sex                      sites differ by" in said
    assert load(here / "all.json").aggregates[0].attributes == ("site",)


def test_published_tables_become_aggregates(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "table.csv").write_text(TABLE, encoding="utf-8")
    assert main(["published", "table.csv", "--codebook", "ward.yaml", "--out", "a.json"]) == 0
    assert "worth 1,000 patients" in capsys.readouterr().out
    assert load(here / "a.json").codebook.name == "ward"
    (here / "table.csv").write_text(TABLE.replace("52", "62"), encoding="utf-8")
    assert main(["published", "table.csv", "--codebook", "ward.yaml", "--out", "b.json"]) == 2
    assert "The shares sum to 110" in capsys.readouterr().err
    assert not (here / "b.json").exists()


def test_a_codebook_is_drafted_and_checked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "columns.csv").write_text("name,type,unit,levels\nsex,category,,female|male\nage,integer,years,\n")
    assert main(["codebook", "draft", "columns.csv"]) == 0
    assert "columns.yaml written" in capsys.readouterr().out
    assert main(["check", "columns.yaml"]) == 0
    assert "a codebook of 2 variables, columns 0.1.0. No mistakes.\nWithout bins" in capsys.readouterr().out
    assert main(["codebook", "draft", "columns.csv"]) == 2
    assert "is there already" in capsys.readouterr().err
    (here / "rows.csv").write_text("age,sex\n41,female\n")
    assert main(["codebook", "draft", "rows.csv"]) == 2
    assert "Rows about people are never read" in capsys.readouterr().err
    assert not (here / "rows.yaml").exists()


def test_a_key_is_made_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cryptography", reason="cryptography is not installed: pip install 'manikin[site]'")
    assert main(["key", "north"]) == 0
    secret = (here / "north.key").read_text()
    assert main(["key", "north"]) == 2
    found = capsys.readouterr()
    assert "never overwritten" in found.err
    assert secret.splitlines()[1] not in found.out + found.err
    assert (here / "north.key").read_text() == secret
