"""The command as institutions run it: three processes that read records, and a coordinator that never does."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flwr", reason="a federation needs the extra 'federation'")
pytest.importorskip("opendp", reason="privacy noise needs the extra 'site'")

from manikin.aggregates import loads
from manikin.cli import main
from manikin.federation.keys import Keys
from manikin.federation.serving import serving

SITES = ("east", "north", "south")
PLAN = """
federation: autumn-2026
population: adults seen in 2025
model: diabetes-screening
sites: [east, north, south]
rho: 0.02
complete: [sex]
tables: [[sex], [sex, age]]
"""
MAPPING = """
reference: {site} hospital
patient: ID
columns:
  sex: {{column: SEX, values: {{1: male, 2: female}}}}
  age: {{column: AGE}}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plan.yaml").write_text(PLAN)
    rng = np.random.default_rng(5)
    for place, site in enumerate(SITES):
        many = 500 * (place + 1)
        rows = zip(range(many), rng.integers(1, 3, many), rng.integers(18, 90, many), strict=True)
        lines = [f"p{one},{sex},{age}" for one, sex, age in rows]
        # The second row of a patient, which must not count.
        (tmp_path / f"{site}.csv").write_text("\n".join(["ID,SEX,AGE", *lines, "p0,1,50"]) + "\n")
        (tmp_path / f"{site}.yaml").write_text(MAPPING.format(site=site))
    assert main(["federate", "keys", "--sites", ",".join(SITES), "--out", str(tmp_path / "keys")]) == 0
    return tmp_path


def command(folder, site, address, *more):
    names = ["--coordinator", address, "--site", site, "--tls", folder / "keys", "--codebook", "diabetes-screening"]
    files = [folder / f"{site}.csv", "--mapping", folder / f"{site}.yaml", "--ledger", folder / f"{site}.jsonl"]
    return [str(one) for one in ("federate", "join", *files, *names, "--wait", "60", *more)]


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.slow
def test_three_hospitals_count_their_patients_together(folder, capsys):
    address, out = free_address(), folder / "all.json"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    agreed = ["--epsilon", "3", "--delta", "1e-6", "--plan", str(folder / "plan.yaml")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "manikin", *command(folder, site, address, *agreed)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        for site in SITES
    ]
    plan = ["--plan", str(folder / "plan.yaml"), "--address", address, "--tls", str(folder / "keys")]
    assert (
        main(
            ["federate", "coordinate", *plan, "--out", str(out), "--attempts", "1", "--wait", "90", "--patience", "60"]
        )
        == 0
    )
    assert "north                        in the sum" in capsys.readouterr().out
    for site, process in zip(SITES, processes, strict=True):
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert f"{site} hospital: rho" in said
        assert "In the sum                   east, north, south" in said
    found = loads(out.read_text())
    # Six standard deviations; false alarm 2e-9.
    assert found.patients.number == pytest.approx(3000, abs=6 * found.patients.noise)
    by_sex, by_age = found.aggregates
    assert by_sex.values.sum() == pytest.approx(3000, abs=6 * by_sex.noise * np.sqrt(by_sex.values.size))
    assert by_age.values.shape == (2, 9)


def test_a_site_that_has_no_account_is_asked_for_its_budget(folder, capsys):
    assert main(command(folder, "north", "127.0.0.1:9")) == 2
    assert "Say all that it may ever give" in capsys.readouterr().err
    assert not (folder / "north.jsonl").exists()


def test_mistakes_are_told_before_anybody_is_waited_for(folder, capsys):
    (folder / "all.json").touch()
    plan = ["--plan", str(folder / "plan.yaml"), "--address", "127.0.0.1:9443", "--tls", str(folder / "keys")]
    coordinate = ["federate", "coordinate", *plan, "--out"]
    assert main([*coordinate, str(folder / "all.json")]) == 2
    (folder / "keys" / "sites" / "east.pem").unlink()
    assert main([*coordinate, str(folder / "sum.json")]) == 2
    (folder / "plan.yaml").write_text(PLAN.replace("[sex, age]", "[sex, agee]"))
    assert main([*coordinate, str(folder / "sum.json")]) == 2
    told = capsys.readouterr().err
    assert "is there already" in told
    assert "no public key of east" in told
    assert "Did you mean 'age'" in told


def test_keys_are_never_overwritten(folder, capsys):
    before = (folder / "keys" / "north.key").read_bytes()
    assert main(["federate", "keys", "--sites", "north,south", "--out", str(folder / "keys")]) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert (folder / "keys" / "north.key").read_bytes() == before
    assert Path(folder / "keys" / "north.key").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_keys_made_as_documented_serve(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "federation.md").read_text()
    site, coordinator = (block for block in page.split("```")[1::2] if "openssl" in block)
    (tmp_path / "keys" / "sites").mkdir(parents=True)
    blocks = [site.replace("north", name) for name in SITES]
    blocks.append(coordinator.replace("DNS:federation.example.org", "IP:127.0.0.1"))
    for block in blocks:
        subprocess.run(["bash", "-ec", block], cwd=tmp_path, check=True, capture_output=True)
    keys = Keys(tmp_path / "keys")
    for name in SITES:
        keys.private(name)
    host, port = free_address().split(":")
    with serving(host, int(port), keys):
        context = ssl.create_default_context(cafile=tmp_path / "keys" / "authority.pem")
        with (
            socket.create_connection((host, int(port))) as plain,
            context.wrap_socket(plain, server_hostname=host) as line,
        ):
            assert line.version() in {"TLSv1.2", "TLSv1.3"}
