"""What the documentation shows runs, and what the program can do is documented."""

import re
import shlex
from pathlib import Path

import codebook_page
import pytest

from manikin.cli import _parser
from manikin.cohort import DEFECTS, TABLES
from manikin.cohort.defects import presets
from manikin.cohort.defects.reading import FORMS
from manikin.formats import FORMATS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
_COMMAND = re.compile(r"^\$? ?(manikin .*)$", re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if _PYTHON.search(page.read_text())], ids=lambda page: page.name
)
def test_python_examples_run_in_the_order_in_which_a_reader_meets_them(page, capsys):
    names = {}
    for code in _PYTHON.findall(page.read_text()):
        exec(compile(code, page.name, "exec"), names)
    capsys.readouterr()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_documentation_are_understood(page):
    for line in _COMMAND.findall(page.read_text()):
        words = shlex.split(re.sub(r"\s{2,}.*$", "", line).replace("[", "").replace("]", ""))[1:]
        if words and words[0] not in ("--help",):
            filled = [{"N": "10", "S": "1", "J": "1"}.get(word, word) for word in words]
            assert _parser().parse_args(filled).command == words[0], line


def test_every_command_stands_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    subcommands = next(action for action in _parser()._actions if action.dest == "command").choices
    for command in subcommands:
        assert f"manikin {command}" in readme


@pytest.mark.parametrize("name", [*TABLES, DEFECTS, *FORMATS])
def test_every_table_and_format_stands_in_the_readme(name):
    assert name in (ROOT / "README.md").read_text()


def test_links_between_pages_lead_somewhere():
    for page in [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_rule_and_setting_of_the_model_language_is_documented():
    page = "".join((ROOT / "docs" / name).read_text() for name in ("model-language.md", "pathways.md"))
    source = "".join(path.read_text() for path in (ROOT / "src/manikin/clinic/reading").glob("*.py"))
    readers = "get|need|text|texts|number|flag|sections|entries|needed_text|choice|span|_acts|probability|condition|number|time"
    asked = set(re.findall(rf'\.(?:{readers})\((?:section, |inner, )?"([a-z-]+)"', source))
    missing = {key for key in asked if f"{key}:" not in page and f"`{key}`" not in page}
    assert not missing


def test_the_page_of_formulas_is_that_of_the_register():
    assert codebook_page.PAGE.read_text(encoding="utf-8") == codebook_page.page()


def test_every_defect_setting_and_preset_of_a_study_is_documented():
    page = (ROOT / "docs" / "imperfect-records.md").read_text()
    folder = ROOT / "src/manikin/cohort/defects"
    source = "".join((folder / f"{name}.py").read_text() for name in ("reader", "forms_of_values", "forms_over_time"))
    readers = "get|flag|number|text|needed_text|minutes|probability|condition"
    asked = set(re.findall(rf'(?:self|section|reader)\.(?:{readers})\("([a-z-]+)"', source))
    assert len(FORMS) == 15
    assert {"together", "spread", "site", "moved", "to", "by"} <= asked
    assert not {word for word in {*asked, *FORMS, *presets()} if f"{word}:" not in page and f"`{word}`" not in page}


def test_every_bias_setting_and_column_of_a_study_of_accuracy_is_documented():
    page = (ROOT / "docs" / "diagnostic-studies.md").read_text()
    source = (ROOT / "src/manikin/cohort/accuracy/reading.py").read_text()
    asked = set(re.findall(r'\.(?:section\.(?:get|need|number)|share|condition)\("([a-z-]+)"', source))
    kinds = re.findall(r'^    "([a-z-]+)": "\{', source, re.MULTILINE)
    columns = set(re.findall(r'"(accuracy_[a-z_]+)"', (ROOT / "src/manikin/cohort/accuracy/sampler.py").read_text()))
    assert len(kinds) == 6
    assert len(columns) == 9
    assert not {word for word in {*asked, *kinds, *columns} if f"{word}:" not in page and f"`{word}`" not in page}
