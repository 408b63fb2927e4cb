"""The commands, one thin function each; each returns the exit code: 0 done, 1 a check failed, 2 a wrong request."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from manikin.cli.aggregating import codebook, combine, key, published
from manikin.cli.federating import federate
from manikin.cli.learning import learn, sample
from manikin.cli.measuring import measure
from manikin.cli.terminal import Terminal
from manikin.cli.writing import write_new
from manikin.errors import RequestError

__all__ = [
    "check", "codebook", "combine", "compare", "federate", "key", "learn", "make", "measure", "models", "new", "published",
    "remake", "sample", "show", "verify",
]  # fmt: skip

if TYPE_CHECKING:
    from manikin.aggregates import Trust
    from manikin.appraisal import Appraisal, Finding
    from manikin.appraisal.twins import Contrast
    from manikin.clinic import ClinicalModel
    from manikin.cohort import Cohort
    from manikin.study import Made, Study


def models(_: Namespace) -> int:
    """Print the built-in models."""
    from manikin.clinic import built_in

    found = built_in()
    width = max(len(name) for name in found)
    for name, title in found.items():
        print(f"{name:<{width}}  {title}")
    return 0


def show(options: Namespace) -> int:
    """Print what a model says, and its graph."""
    from manikin.appraisal import graph_of
    from manikin.appraisal.report import as_text, draw
    from manikin.clinic import find_model

    model = find_model(options.model)
    for line in _description(model):
        print(line)
    print("\nGraph\n")
    print(as_text(graph_of(model)))
    if options.picture:
        write_new(Path(options.picture), draw(graph_of(model)))
        print(f"\nThe graph as a picture: {options.picture}")
    return 0


def new(options: Namespace) -> int:
    """Write a study file to edit."""
    from manikin.study import changed, study_of

    study, _ = study_of(options.model)
    path = Path(options.name if options.name.endswith((".yaml", ".yml")) else f"{options.name}.yaml")
    comment = "# A study: what is asked for, and why. Edit it, then:  manikin check {0}  and  manikin make {0}\n"
    write_new(path, comment.format(path) + changed(study, name=path.stem).to_yaml())
    print(f"{path} written. Edit it, then: manikin check {path}")
    return 0


def check(options: Namespace) -> int:
    """Tell every mistake in a study, a model or a codebook."""
    from manikin.clinic import find_model, is_codebook, read_codebook
    from manikin.study import is_study, read_study

    path = Path(options.file)
    if is_study(path):
        study, model = read_study(path)
        worlds = f" in {len(study.scenarios)} scenarios" if study.scenarios else ""
        print(f"{path}: a study of {study.patients:,} patients of {model.name} {model.version}{worlds}. No mistakes.")
    elif is_codebook(path):
        found = read_codebook(path)
        print(f"{path}: a codebook of {len(found.variables)} variables, {found.name} {found.version}. No mistakes.")
        if found.unbinned:
            print(f"Without bins, so that they can't be measured: {', '.join(found.unbinned)}.")
    else:
        model = find_model(options.file)
        print(f"{path}: {_summary(model)}. No mistakes.")
    return 0


def make(options: Namespace) -> int:
    """Make the release of a study or of a model."""
    from manikin.study import run, study_of

    study, model = study_of(options.what)
    study = _with_options(study, model, options)
    out = Path(options.out or Path("releases") / study.name)
    print(f"{_summary(model)} · {study.patients:,} patients · seed {study.seed}")
    with Terminal() as terminal:
        made = run(
            study,
            model,
            out,
            jobs=options.jobs,
            compare=_comparison(options),
            trust=_trust(options),
            progress=terminal.progress,
        )
    _print_verdict(made)
    print(f"\n{out}   open {out / 'report.html'}")
    return 0


def compare(options: Namespace) -> int:
    """Make the same patients in two scenarios of a study, and print what differs."""
    from manikin import study

    wanted, model = study.study_of(options.study)
    wanted = study.changed(wanted, patients=options.patients, seed=options.seed)
    names = options.scenarios or tuple(one.name for one in wanted.scenarios)
    out = Path(options.out or Path("releases") / "-".join((wanted.name, *names)))
    print(f"{_summary(model)} · {wanted.patients:,} patients in {' and '.join(names)} · seed {wanted.seed}")
    with Terminal() as terminal:
        found = study.compare(wanted, model, names, out, jobs=options.jobs, progress=terminal.progress)
    _print_contrast(found.contrast)
    print(f"\n{out}   open {out / 'comparison.html'}")
    return 0


def verify(options: Namespace) -> int:
    """Re-check a release and name each file that differs."""
    from manikin import study

    folder = Path(options.folder)
    with Terminal() as terminal:
        found = study.verify(folder, terminal.progress)
    for line in found:
        print(line)
    print(f"{folder}: {len(found)} difference(s)." if found else f"{folder}: every file is as it was released.")
    return 1 if found else 0


def remake(options: Namespace) -> int:
    """Make a release again from its lock and say whether it is the same."""
    from manikin import study

    with Terminal() as terminal:
        files, versions = study.remake(
            Path(options.folder), Path(options.out), jobs=options.jobs, progress=terminal.progress
        )
    for name in files:
        print(f"{name}: differs")
    for line in versions:
        print(f"made with another version: {line}")
    print(
        f"{options.out}: {len(files)} file(s) differ from {options.folder}."
        if files
        else f"{options.out}: the same, to the byte."
    )
    return 1 if files else 0


def _with_options(study: Study, model: ClinicalModel, options: Namespace) -> Study:
    from manikin.study import changed, defects_in

    return changed(
        study,
        patients=options.patients,
        seed=options.seed,
        given=options.given,
        oversample=options.oversample,
        world=options.world,
        aggregates=options.aggregates,
        formats=options.formats,
        tables=options.tables,
        defects=None if options.defects is None else defects_in(options.defects, model),
        scenario=options.scenario,
    )


def _trust(options: Namespace) -> Trust | None:
    if options.trust is None:
        return None
    from manikin.aggregates import read_trust

    return read_trust(Path(options.trust))


def _comparison(options: Namespace) -> Callable[[Cohort], Finding] | None:
    if options.reference is None and options.mapping is None:
        return None
    if options.reference is None or options.mapping is None:
        raise RequestError("--reference and --mapping belong together: the records, and what their columns mean.")
    from manikin.real_data import comparison

    return comparison(Path(options.reference), Path(options.mapping))


def _summary(model: ClinicalModel) -> str:
    from manikin.clinic import Role

    kept = sum(one.role is not Role.HELPER for one in model.variables.values())
    return f"{model.name} {model.version} · {kept} variables · {len(model.sources)} sources"


def _description(model: ClinicalModel) -> list[str]:
    from manikin.clinic import Role

    lines = [
        model.title,
        _summary(model),
        "",
        f"One row   {model.index}",
        f"About     {model.population}",
        f"For       {model.intent.purpose}",
    ]
    lines += [f"Not for   {one}" for one in model.not_for]
    lines += ["", "Variables"]
    for one in model.variables.values():
        if one.role is not Role.HELPER:
            meaning = one.meaning
            unit = meaning.unit or "/".join(meaning.levels) or meaning.kind.value
            grounds = (
                ", ".join(sorted({f"{ground.source.key} ({ground.basis})" for ground in meaning.grounds})) or "derived"
            )
            lines.append(
                f"  {meaning.name:<28} {unit:<34.34} {'truth  ' if one.role is Role.TRUTH else '       '}{grounds}"
            )
    lines += _pathway_lines(model)
    lines += ["", "How its numbers are grounded"]
    lines += [f"  {basis:<12}{count:>6}" for basis, count in model.numbers_by_basis().items()]
    lines += ["", "Sources"]
    lines += [f"  {source.key:<18} {source}" for source in model.sources.values()]
    return lines


def _pathway_lines(model: ClinicalModel) -> list[str]:
    pathway = model.pathway
    if pathway is None:
        return []
    lines = ["", f"Pathway   {pathway.title}"]
    for state in pathway.states.values():
        goes = [f"ends: {state.ends}"] if state.ends else list(dict.fromkeys(way.go for way in state.then))
        risks = [f"{risk.go} at any time" for risk in state.risks]
        lines.append(f"  {state.name:<28} -> {', '.join([*goes, *dict.fromkeys(risks)])}")
    lines += ["", "Tests that can be ordered"]
    lines += [f"  {test.name:<28} {', '.join(test.measures)}" for test in pathway.tests.values()]
    return lines


def _print_verdict(made: Made) -> None:
    appraisal = made.appraise()
    for gate in appraisal.gates:
        print(f"  {gate.name:<28} {'passed' if gate.passed else 'FAILED'}   {gate.reached}")
    read = any(finding.check == "comparison" for finding in appraisal.findings)
    print(f"  {'Private':<28} no record was used to make it{'; records were read to compare' if read else ''}")
    for finding in appraisal.findings:
        if finding.check in ("targets", "comparison", "accuracy"):
            print(f"  {_sentence_of(finding.check):<28} {finding.answer}")
    if made.study.scenario:
        print(f"  {'In the scenario':<28} {made.study.scenario}; the model as published is another")
    if made.study.defects:
        count = len(made.study.defects)
        print(f"  {'Imperfect on purpose':<28} {count} defect{'s' if count > 1 else ''}; the log stands in defects/")
    for one in appraisal.model["not_for"]:
        print(f"  {'Not for':<28} {one}")
    print(f"  {'Weakest':<28} {_weakest(appraisal)}; see docs/sources.md")


def _print_contrast(contrast: Contrast) -> None:
    from manikin.appraisal.report import in_words

    print(f"  {'Touched':<48} {contrast.touched:,} of {contrast.patients:,} patients")
    print(f"  {'The same, to the byte':<48} {contrast.identical:,}")
    for one in contrast.differences:
        if one.differing and not one.name.startswith("course_"):
            print(f"  {one.title:<48.48} {in_words(one)}")


def _sentence_of(check: str) -> str:
    return {"targets": "Published values", "comparison": "Beside real records", "accuracy": "Accuracy of the test"}[
        check
    ]


def _weakest(appraisal: Appraisal) -> str:
    numbers = appraisal.weak_numbers
    return f"{numbers['assumption']} numbers rest on assumption, {numbers['recalled']} on memory"
