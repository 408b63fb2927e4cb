"""The terminal face: what is asked for on the command line becomes one call, and an error becomes a sentence.

Nothing heavy is imported before a command is known, so that help is there at once.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Callable, Sequence

from manikin.cli.federating import add_federate
from manikin.errors import ManikinError, closest

_COMMANDS = (
    "models", "show", "new", "check", "make", "compare", "verify", "remake",
    "codebook", "measure", "published", "combine", "federate", "key", "learn", "sample",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without our letters, or a file name that is no text, must not end a run.
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        from manikin.cli import commands

        command: Callable[[argparse.Namespace], int] = getattr(commands, options.command)
        return command(options)
    except ManikinError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(
            "\nInterrupted. Nothing that looks like a release was left; the same command goes on where it was.",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        # The reader of our output, such as head, has seen enough.
        sys.stderr.close()
        return 0
    except OSError as error:
        print(
            f"{error.filename or 'The disk'}: {error.strerror or error}. The same command goes on where it was.",
            file=sys.stderr,
        )
        return 2


class _Parser(argparse.ArgumentParser):
    """A parser that answers a misspelt command with the nearest one."""

    def error(self, message: str) -> None:  # type: ignore[override]
        wrong = message.partition("invalid choice: '")[2].partition("'")[0]
        if wrong:
            message = f"There is no command '{wrong}'. {closest(wrong, _COMMANDS)}"
        self.exit(2, f"{message}\nSee: {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="manikin", description="Synthetic diagnostic datasets that behave like the clinic and contain nobody."
    )
    parser.add_argument("--version", action="version", version=f"manikin {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    commands.add_parser("models", help="list the built-in clinical models")

    show = commands.add_parser("show", help="show a model: variables, sources, how each number is grounded, its graph")
    show.add_argument("model", help="a built-in model, or a model file")
    show.add_argument("--picture", metavar="FILE.svg", help="write the graph as a picture")

    new = commands.add_parser("new", help="write a study file to edit")
    new.add_argument("name", help="the study's name; the file is NAME.yaml")
    new.add_argument("--model", required=True, help="a built-in model, or a model file")

    check = commands.add_parser("check", help="tell every mistake in a study or model, with its place")
    check.add_argument("file")

    make = commands.add_parser("make", help="make a release")
    make.add_argument("what", help="a built-in model, a model file or a study file")
    make.add_argument("--patients", type=_whole, metavar="N", help="how many")
    make.add_argument("--seed", type=_whole, metavar="S", help="the number from which all chance follows")
    make.add_argument("--out", metavar="DIR", help="where the release will stand; by default releases/NAME")
    make.add_argument("--jobs", type=_jobs, metavar="J", help="processes; by default one for each core")
    make.add_argument("--formats", type=_names, metavar="LIST", help="parquet, csv")
    make.add_argument("--tables", type=_names, metavar="LIST", help="patients, encounters, events, analysis, truth")
    make.add_argument(
        "--given", metavar="FACTS", help="what holds for every patient: 'sex=female,age=60..70', 'stage=diagnosed'"
    )
    make.add_argument("--aggregates", metavar="FILE", help="what institutions told, to which the model is bent")
    make.add_argument("--trust", metavar="FILE", help="whose signatures under aggregates are trusted")
    make.add_argument("--oversample", metavar="STRATA", help="of whom there are to be more: 'stage=undiagnosed:10'")
    make.add_argument("--world", type=_whole, metavar="K", help="draw every uncertain number anew; 0 is as published")
    make.add_argument(
        "--defects",
        metavar="LIST",
        help="what is made imperfect on purpose: ehr-typical, or '[{missing: [hba1c], share: 5%%}]'",
    )
    make.add_argument(
        "--scenario", metavar="NAME", help="a scenario of the study; left out, the model is made as published"
    )
    make.add_argument("--reference", metavar="FILE", help="real records to compare with, CSV or Parquet")
    make.add_argument("--mapping", metavar="FILE", help="what the columns of the reference mean")

    compare = commands.add_parser(
        "compare", help="make the same patients in two scenarios of a study, and say what differs"
    )
    compare.add_argument("study", help="a study file with scenarios")
    compare.add_argument(
        "--scenarios", type=_names, metavar="A,B", help="with which is compared, and what; needless where there are two"
    )
    compare.add_argument("--patients", type=_whole, metavar="N", help="how many")
    compare.add_argument("--seed", type=_whole, metavar="S", help="the number from which all chance follows")
    compare.add_argument("--out", metavar="DIR", help="where the comparison will stand; by default releases/STUDY-A-B")
    compare.add_argument("--jobs", type=_jobs, metavar="J", help="processes; by default one for each core")

    _add_measure(commands.add_parser("measure", help="turn records into aggregates that may leave an institution"))

    _add_learn(commands.add_parser("learn", help="learn a table of patients from records; a sampler leaves"))
    _add_sample(commands.add_parser("sample", help="draw patients from a sampler that was learnt"))
    add_federate(commands.add_parser("federate", help="count together with other institutions, none seen alone"))

    verify = commands.add_parser("verify", help="re-check a release; names each file that differs")
    verify.add_argument("folder")

    remake = commands.add_parser("remake", help="make a release again from its lock, and say whether it is the same")
    remake.add_argument("folder")
    remake.add_argument("--out", required=True, metavar="DIR")
    remake.add_argument("--jobs", type=_jobs, metavar="J", help="processes; by default one for each core")

    _add_aggregates(commands)
    return parser


def _add_aggregates(commands: argparse._SubParsersAction[_Parser]) -> None:
    codebook = commands.add_parser("codebook", help="write the codebook of a table")
    actions = codebook.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=_Parser)
    draft = actions.add_parser("draft", help="draft it from a data dictionary, never from data")
    draft.add_argument("dictionary", help="a data dictionary (CSV), a Frictionless table schema or a JSON Schema")
    draft.add_argument("--out", metavar="FILE.yaml", help="where it will stand; by default NAME.yaml")
    draft.add_argument("--name", metavar="NAME", help="what it is called; by default as the dictionary's file")

    key = commands.add_parser("key", help="make the pair of keys with which a site signs its aggregates")
    key.add_argument("name", help="the site; the files are NAME.key, which stays, and NAME.pub, which is given away")

    published = commands.add_parser("published", help="turn published tables into aggregates")
    published.add_argument(
        "tables", nargs="+", metavar="TABLE.csv", help="tables with a header, see docs/aggregates.md"
    )
    published.add_argument("--codebook", required=True, metavar="MODEL", help="a built-in model, or a file")
    published.add_argument("--out", required=True, metavar="FILE.json", help="where the aggregates will stand")
    published.add_argument("--site", default="", metavar="NAME", help="what they are called; by default as the table")

    combine = commands.add_parser("combine", help="add the aggregates of several sites, and say where sites differ")
    combine.add_argument("sites", nargs="+", metavar="SITE.json", help="what each site measured")
    combine.add_argument("--out", required=True, metavar="FILE.json", help="where the sum will stand")
    combine.add_argument(
        "--trust", metavar="FILE", help="the public keys of the sites; whoever is not in it is refused"
    )
    combine.add_argument("--keep-sites", action="store_true", help="keep the sites apart, as an axis of each table")
    combine.add_argument(
        "--weights", type=_weights, metavar="LIST", help="each site's share of the population: 'north=2,south=1'"
    )
    combine.add_argument("--key", metavar="FILE", help="the private key of whoever combines, to sign with")
    combine.add_argument("--name", default="combined", metavar="NAME", help="what the sites together are called")


def _add_learn(learn: argparse.ArgumentParser) -> None:
    learn.add_argument("records", help="records of patients, CSV or Parquet")
    learn.add_argument("--codebook", metavar="MODEL", help="whose bins and limits hold; by default the study's model")
    learn.add_argument("--mapping", required=True, metavar="FILE", help="what the columns of the records mean")
    learn.add_argument("--study", metavar="FILE", help="a study that says who is complete, and which rows count")
    learn.add_argument("--generator", default="vae", metavar="NAME", help="vae, gan, or one of an installed package")
    learn.add_argument("--epsilon", type=float, metavar="E", help="what learning may spend, with --delta")
    learn.add_argument("--delta", type=float, metavar="D", help="well below one over the number of patients: 1e-6")
    learn.add_argument("--without-privacy", action="store_true", help="spend nothing and promise nothing")
    learn.add_argument("--out", required=True, metavar="DIR", help="where the sampler goes; nothing is overwritten")
    learn.add_argument("--ledger", metavar="FILE", help="where purchases are recorded; by default beside the records")


def _add_sample(sample: argparse.ArgumentParser) -> None:
    sample.add_argument("sampler", help="the folder that 'learn' wrote")
    sample.add_argument("--patients", type=_whole, default=10_000, metavar="N", help="how many")
    sample.add_argument("--seed", type=_whole, default=1, metavar="S", help="from which all chance follows")
    sample.add_argument("--out", required=True, metavar="DIR", help="where the tables go; nothing is overwritten")
    sample.add_argument("--jobs", type=_jobs, metavar="J", help="processes; by default one for each core")


def _add_measure(measure: argparse.ArgumentParser) -> None:
    measure.add_argument("records", help="records of patients, CSV or Parquet")
    measure.add_argument("--codebook", metavar="MODEL", help="whose bins are counted in; by default the study's model")
    measure.add_argument("--mapping", required=True, metavar="FILE", help="what the columns of the records mean")
    measure.add_argument("--study", metavar="FILE", help="a study that says what is asked; by default each variable")
    measure.add_argument("--events", metavar="FILE", help="what happened to the patients, where the study asks for it")
    measure.add_argument("--event-mapping", metavar="FILE", help="what the columns of the events mean")
    measure.add_argument("--people", metavar="FILE", help="the event mapping's table of people; by default the records")
    measure.add_argument("--epsilon", type=float, metavar="E", help="what this measurement may spend, with --delta")
    measure.add_argument("--delta", type=float, metavar="D", help="well below one over the number of patients: 1e-6")
    measure.add_argument("--out", metavar="FILE", help="where the aggregates go; nothing is overwritten")
    measure.add_argument("--ledger", metavar="FILE", help="where purchases are recorded; by default beside the records")
    measure.add_argument("--site", metavar="NAME", help="who tells; by default the mapping's reference")
    measure.add_argument("--key", metavar="FILE", help="the site's private key, to sign with")
    measure.add_argument(
        "--patients-public", type=_whole, metavar="N", help="the number of patients, where it is public"
    )
    measure.add_argument(
        "--min-cell", type=_whole, metavar="N", help="exact tables, smaller cells suppressed: not private"
    )
    measure.add_argument("--adaptive", action="store_true", help="ask more where the codebook's model is likely wrong")
    measure.add_argument("--dry-run", action="store_true", help="tell what would be asked and its price; spend nothing")


def _version() -> str:
    from manikin import __version__

    return __version__


def _whole(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,30}(_[0-9]{1,30})*", text) is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number; write, for example: 10000")
    return int(text)


def _jobs(text: str) -> int:
    if not 1 <= (jobs := _whole(text)) <= 1024:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of processes; write one from 1 to 1024")
    return jobs


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _weights(text: str) -> dict[str, float]:
    pairs = [one.partition("=") for one in text.split(",")]
    try:
        return {name.strip(): float(weight) for name, _, weight in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' are no weights; write, for example: north=2,south=1") from None
