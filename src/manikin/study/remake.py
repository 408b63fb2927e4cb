"""Makes a release again from its lock, says whether it is the same, and re-checks one as it stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from manikin.aggregates import load
from manikin.appraisal import Finding
from manikin.clinic import Calibrated, ClinicalModel, compile_model, parse_model, repairs
from manikin.cohort import Cohort
from manikin.errors import ReleaseError
from manikin.generators.agreement import Agreement, agree
from manikin.release import LOCK, Lock, Locks, differences, read_manifest, refuse_occupied, versions
from manikin.streams import Seed
from manikin.study.comparison import carry_out_comparison, comparison_of
from manikin.study.run import AGGREGATES, COMPARISON, MODEL, STUDY, Compare, Progress, carry_out, silent
from manikin.study.scenarios import model_of
from manikin.study.study import Study, parse_study


def remake(
    folder: Path, out: Path, *, jobs: int | None = None, progress: Progress = silent
) -> tuple[list[str], list[str]]:
    """Make a release again from its lock.

    Returns:
        The files that differ from the original, and the versions that do.

    Raises:
        ReleaseError: The folder is no release, or what it was made from was changed.
    """
    expected = read_manifest(folder)
    lock = folder / LOCK
    if LOCK in expected and lock.is_file() and comparison_of(lock.read_text(encoding="utf-8", errors="replace")):
        return _compared_again(folder, out, jobs, progress)
    stored, model, study = _inputs(folder, expected.keys() & {LOCK, MODEL, STUDY, COMPARISON, AGGREGATES})
    refuse_occupied(out)
    again = _calibrated(stored, model)
    carry_out(
        study,
        again,
        out,
        agreement=_agreement(stored, again, folder),
        jobs=jobs,
        compare=_handed_over(folder),
        progress=progress,
        shard_patients=stored.shard_patients,
    )
    return _outcome(folder, out, stored)


def _compared_again(folder: Path, out: Path, jobs: int | None, progress: Progress) -> tuple[list[str], list[str]]:
    """Make a comparison again from its lock."""
    model, study = _texts(folder, read_manifest(folder).keys() & {LOCK, MODEL, STUDY})
    locks = Locks.from_json((folder / LOCK).read_text(encoding="utf-8"))
    refuse_occupied(out)
    calibrated = [_calibrated(locks.scenarios[one.name], model_of(model, one)) for one in study.scenarios]
    stored = locks.scenarios[locks.compared[0]]
    carry_out_comparison(
        study, model, calibrated, out, jobs=jobs, progress=progress, shard_patients=stored.shard_patients
    )
    return _outcome(folder, out, stored)


def _outcome(folder: Path, out: Path, stored: Lock) -> tuple[list[str], list[str]]:
    """Return the files that differ between a release and the one made again, and the versions that do."""
    expected, found = read_manifest(folder), read_manifest(out)
    other = [name for name in sorted(expected.keys() | found.keys()) if expected.get(name) != found.get(name)]
    newer = [name for name, now in versions().items() if stored.versions.get(name) != now]
    return other, [f"{name} {stored.versions.get(name)} -> {versions()[name]}" for name in newer]


def verify(folder: Path, progress: Progress = silent) -> list[str]:
    """Return what differs between a release and its manifest, a line each."""
    return [str(one) for one in differences(folder, lambda done, total: progress("verifying", done, total))]


def _inputs(folder: Path, names: set[str]) -> tuple[Lock, ClinicalModel, Study]:
    """Return what a release was made from, if that is as it was released."""
    model, study = _texts(folder, names)
    return Lock.from_json((folder / LOCK).read_text(encoding="utf-8")), model, study


def _texts(folder: Path, names: set[str]) -> tuple[ClinicalModel, Study]:
    changed = differences(folder, only=names)
    if changed or not {LOCK, MODEL, STUDY} <= names:
        raise ReleaseError(
            f"{folder} can't be made again: {'; '.join(map(str, changed)) or 'its inputs are not in its manifest'}."
        )
    # To the byte: a model's digest is that of its file, whatever ends its lines.
    texts = {name: (folder / name).read_bytes().decode() for name in (MODEL, STUDY)}
    model = parse_model(texts[MODEL], MODEL)
    return model, parse_study(texts[STUDY], model)


def _calibrated(stored: Lock, model: ClinicalModel) -> Calibrated:
    """Return the outcome of the calibration as the lock tells it; nothing is solved again."""
    latent = {name: np.array(matrix) for name, matrix in stored.latent.items()}
    world = model.world(stored.world, Seed(int(stored.seed)))
    moved = {
        name: (one.value, stored.parameters[name])
        for name, one in world.parameters.items()
        if stored.parameters[name] != one.value
    }
    return Calibrated(compile_model(world, stored.parameters, latent), moved, repairs(world))


def _agreement(stored: Lock, calibrated: Calibrated, folder: Path) -> Agreement | None:
    """Return how the model was bent, as the lock tells it, with the evidence for it."""
    if stored.bend is None:
        return None
    return agree(calibrated.program, load(folder / AGGREGATES)).as_locked(stored.bend)


def _handed_over(folder: Path) -> Compare | None:
    """Return the comparison that came with a release, which can't be made again without the records."""
    path = folder / COMPARISON
    if not path.exists():
        return None

    def compare(cohort: Cohort) -> Finding:  # noqa: ARG001 - it is the same cohort, to the byte
        return Finding.from_json(path.read_text(encoding="utf-8"))

    return compare
