"""Sites that are processes of their own, over TLS on loopback, of which some are killed in the middle of a round."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flwr", reason="a federation needs the extra 'federation'")
pytest.importorskip("opendp", reason="privacy noise needs the extra 'site'")

from three_sites import SITES, Sites, codebook, counts_of, plan_with

from manikin.errors import FederationError, RequestError
from manikin.federation import coordinate, join, make_trial_keys
from manikin.federation.keys import Keys
from manikin.federation.serving import serving

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PATIENCE = 12.0


@dataclass
class Federation:
    """A folder of keys and counts, and the processes that were started."""

    folder: Path
    sites: Sites
    address: str
    running: dict = field(default_factory=dict)

    def start(self, *names):
        for name in names:
            with (self.folder / f"{name}.log").open("a") as log:
                command = [sys.executable, str(HERE / "a_site.py"), str(self.folder), name, self.address]
                environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, sys.path)])}
                self.running[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def hold(self, name, where):
        (self.folder / f"{name}.{where}").touch()

    def kill(self, name, where):
        """Kill a site without warning when it has come to where it waits."""
        end = time.monotonic() + 90
        while not (self.folder / f"{name}.waits").exists():
            assert time.monotonic() < end, (self.folder / f"{name}.log").read_text()
            time.sleep(0.05)
        self.running[name].send_signal(signal.SIGKILL)
        assert self.running[name].wait(10) == -signal.SIGKILL
        (self.folder / f"{name}.{where}").unlink()
        (self.folder / f"{name}.waits").unlink()

    def ended(self, name):
        """Return how a site's process ended, and what it said."""
        return self.running[name].wait(30), (self.folder / f"{name}.log").read_text()

    def coordinate(self, plan, **options):
        return coordinate(plan, self.address, self.folder / "keys", wait=90, patience=PATIENCE, **options)


@pytest.fixture
def federation(tmp_path):
    make_trial_keys(tmp_path / "keys", SITES, "127.0.0.1")
    counts = {name: counts_of(plan_with(), seed) for seed, name in enumerate(SITES)}
    (tmp_path / "counts").mkdir()
    for name, tables in counts.items():
        np.savez(tmp_path / "counts" / f"{name}.npz", **{str(place): table for place, table in enumerate(tables)})
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    found = Federation(tmp_path, Sites(tmp_path, Keys(tmp_path / "keys"), counts), address)
    yield found
    for process in found.running.values():
        process.kill()
        process.wait()


def test_a_site_killed_while_it_counts_is_not_in_the_sum_and_has_paid_nothing(federation):
    plan = plan_with()
    federation.hold("north", "before")
    federation.start(*SITES)
    killer = threading.Thread(target=federation.kill, args=("north", "before"))
    killer.start()
    outcome = federation.coordinate(plan)
    killer.join()
    assert set(outcome.paid) == {"east", "south"}
    assert outcome.lost == {"north": "silent at 'hide'"}
    assert (outcome.total == sum(federation.sites.told(name, plan) for name in ("east", "south"))).all()
    assert [len(federation.sites.purchases(name)) for name in SITES] == [1, 0, 1]
    for name in ("east", "south"):
        code, said = federation.ended(name)
        assert code == 0, said
        assert "in the sum: east, south" in said


def test_sites_killed_when_they_had_paid_come_back_and_count_once_for_one_price(federation):
    plan = plan_with()
    for name in ("north", "south"):
        federation.hold(name, "after")
    federation.start(*SITES)

    def kill_and_start():
        for name in ("north", "south"):
            federation.kill(name, "after")
        answers.update({name: federation.sites.told(name, plan) for name in ("north", "south")})
        federation.start("north", "south")

    answers: dict = {}
    killer = threading.Thread(target=kill_and_start)
    killer.start()
    outcome = federation.coordinate(plan, attempts=2)
    killer.join()
    assert set(outcome.paid) == set(SITES)
    assert not outcome.lost
    assert (outcome.total == sum(answers.values()) + federation.sites.told("east", plan)).all()
    assert [len(federation.sites.purchases(name)) for name in SITES] == [1, 1, 1]
    for name in SITES:
        assert federation.ended(name)[0] == 0


def join_as(name, federation, keys):
    site = federation.sites.site(name)
    return join(
        name,
        federation.address,
        keys,
        known=codebook()[1],
        account=site.account,
        journal=site.journal,
        answer=site.answer,
        wait=1,
    )


def test_a_stranger_can_not_take_the_place_of_a_site(federation, tmp_path):
    """It knows the certificate and calls itself north, with a key that nobody agreed on."""
    make_trial_keys(tmp_path / "forged", SITES, "127.0.0.1")
    (tmp_path / "forged" / "authority.pem").write_bytes((tmp_path / "keys" / "authority.pem").read_bytes())
    host, port = federation.address.split(":")
    with serving(host, int(port), federation.sites.keys) as link:
        with pytest.raises(FederationError, match="doesn't know this site's key"):
            join_as("north", federation, tmp_path / "forged")
        assert not link.present(1, 0)


def test_a_site_does_not_believe_a_coordinator_with_another_certificate(federation, tmp_path):
    make_trial_keys(tmp_path / "forged", SITES, "127.0.0.1")
    (tmp_path / "keys" / "authority.pem").write_bytes((tmp_path / "forged" / "authority.pem").read_bytes())
    host, port = federation.address.split(":")
    with (
        serving(host, int(port), federation.sites.keys) as link,
        pytest.raises(FederationError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        join_as("north", federation, tmp_path / "keys")
    assert not link.present(1, 0)


def test_a_round_may_last_longer_than_flower_waits_for_a_sign_of_life(federation, monkeypatch):
    """Flower's minute is made two seconds here."""
    from flwr.supercore.corestate import in_memory_corestate

    from manikin.federation import serving as end

    monkeypatch.setattr(in_memory_corestate, "HEARTBEAT_DEFAULT_INTERVAL", 1)
    monkeypatch.setattr(end, "_BEAT_SECONDS", 0.1)
    host, port = federation.address.split(":")
    with serving(host, int(port), federation.sites.keys) as link:
        time.sleep(4)
        assert link.state.get_run_status({link.run})[link.run].status == "running"


def test_a_coordinator_that_is_not_there_is_told_in_a_sentence(federation):
    with pytest.raises(FederationError, match="can't be reached"):
        join_as("north", federation, federation.folder / "keys")


def test_a_site_with_the_key_of_another_is_told_so(federation):
    keys = federation.folder / "keys"
    (keys / "north.key").write_bytes((keys / "south.key").read_bytes())
    with pytest.raises(RequestError, match="not the private half"):
        federation.sites.site("north")


def test_an_address_in_use_is_told_in_a_sentence(federation):
    host, port = federation.address.split(":")
    with (
        socket.create_server((host, int(port))),
        pytest.raises(FederationError, match="can't be served"),
        serving(host, int(port), federation.sites.keys),
    ):
        pass
