"""Writes ``docs/codebook.md`` from the register of formulas:  python -m tests.docs.codebook_page"""

from pathlib import Path

from manikin.codebook import FORMULAS

PAGE = Path(__file__).parents[2] / "docs" / "codebook.md"


def page() -> str:
    rows = []
    for formula in FORMULAS.values():
        arguments = ", ".join(f"{one.name} ({one.unit})" for one in formula.arguments)
        result = formula.unit.replace("category:", "").replace(",", ", ")
        rows.append(f"| `{formula.name}` | {formula.title} | {arguments} | {result} | {formula.source} |")
    return "\n".join(
        [
            "# Formulas and scores",
            "",
            "What an expression in a model may call, with its arguments in order and their units. Values are converted to the",
            "unit where that takes no guessing; a condition is true or false.",
            "",
            "| name | what it is | arguments | gives | source |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
