"""The toy model and what is made of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from manikin.clinic import Calibrated, ClinicalModel, calibrate, parse_model
from manikin.generators import KnowledgeSampler
from manikin.streams import Seed
from manikin.study import Made, Study, changed, run
from toy import SHARD, TOY

# A machine that is busy must not fail a property.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(scope="session")
def model() -> ClinicalModel:
    return parse_model(TOY)


@pytest.fixture(scope="session")
def calibrated(model: ClinicalModel) -> Calibrated:
    return calibrate(model)


@pytest.fixture(scope="session")
def sampler(calibrated: Calibrated) -> Callable[..., KnowledgeSampler]:
    """Return samplers of the toy: by seed, what is given and of whom there are to be more."""
    program = calibrated.program

    def build(seed: int = 1, given: str = "", oversample: str = "") -> KnowledgeSampler:
        return KnowledgeSampler(program.model, program.parameters, program.latent, Seed(seed), given, oversample)

    return build


@pytest.fixture(scope="session")
def study(model: ClinicalModel) -> Study:
    return Study("toy", model.intent, "toy.yaml", patients=1_000, formats=("parquet", "csv"))


@pytest.fixture(scope="session")
def _made(model: ClinicalModel, study: Study, tmp_path_factory: pytest.TempPathFactory) -> Made:
    with pytest.MonkeyPatch.context() as patch:
        small_shards_with(patch)
        return run(study, model, tmp_path_factory.mktemp("releases") / "toy", jobs=1)


@pytest.fixture
def made(_made: Made) -> Made:
    """Return a release of a thousand patients in four shards; it is shared, so look and don't touch."""
    return _made


@pytest.fixture
def release(_made: Made, tmp_path: Path) -> Path:
    """Return a copy of the release that may be broken."""
    assert _made.folder is not None
    return Path(shutil.copytree(_made.folder, tmp_path / "release"))


@pytest.fixture
def toy_file(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(TOY, encoding="utf-8")
    return path


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    small_shards_with(monkeypatch)


def small_shards_with(patch: pytest.MonkeyPatch) -> None:
    """Make shards of a few hundred patients, so that small cohorts have several."""
    patch.setitem(run.__globals__, "fitting", lambda _sampler: SHARD)


@pytest.fixture
def make_release(model: ClinicalModel, study: Study, small_shards: None) -> Callable[..., Made]:  # noqa: ARG001
    """Return a way to make the toy's release with other options, in one process unless told otherwise."""

    def make(out: Path, jobs: int = 1, **options: object) -> Made:
        return run(changed(study, **options), model, out, jobs=jobs)

    return make
