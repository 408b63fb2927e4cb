# ruff: noqa: E501 - one case to a line
"""Whatever is wrong with a model file, its author is told what, where, and what would be right, and nothing else happens."""

from __future__ import annotations

import random
import re
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_model import TEXT, edited

from manikin.clinic import parse_model, read_model
from manikin.codebook import factor
from manikin.errors import Mistake, ModelError

# Marks, in a passage with a mistake, the character at which the mistake is to be told.
HERE = "¦"


@dataclass(frozen=True)
class Case:
    """One edit of the small model, and how the mistake that it makes has to be told.

    The mistake stands at the mark in ``new``, else at the beginning of the passage ``at``; ``word`` is named in it.
    ``others`` counts the mistakes that follow from it elsewhere.
    """

    kind: str
    old: str
    new: str
    word: str
    at: str = ""
    others: int = 0

    @property
    def text(self) -> str:
        return edited(self.old, self.new).replace(HERE, "")

    @property
    def place(self) -> tuple[int, int]:
        marked = edited(self.old, self.new)
        assert marked.count(self.at or HERE) == 1, f"{self.kind}: the place is not clear"
        before = marked[: marked.index(self.at or HERE)]
        return before.count("\n") + 1, len(before) - before.rfind("\n")


BMI = "  bmi:\n    unit: kg/m2\n    derived: {}\n    source: house derived\n  hidden:"
HIDDEN = "    draw: normal(0, 1)"
SLOPE = "{per: (age - 50) / 10, effect: slope}"
TARGET = "    mean: sbp\n"

CASES = (
    # --- what stands at the top
    Case("an unknown setting at the top", "version: 1.0.0", "version: 1.0.0\n¦verison: 2", "verison"),
    Case("no name", "model: small\n", "", "'model'", at="version: 1.0.0"),
    Case("a name that is a list", "model: small", "model: ¦[small]", "'model'"),
    Case("an empty title", "title: A small model", 'title: "¦"', "'title'"),
    Case("no not-for", "not-for: [anything real]\n", "", "not-for", at="model: small"),
    Case("not-for as a block", "not-for: [anything real]", "not-for: [¦{a: b}, real]", "not-for"),
    Case("no intent", "intent: {purpose: test, users: [testers], privacy: nobody is in it, recipient: public}\n", "", "intent", at="model: small"),
    Case("no users", "users: [testers], ", "", "users", at="{purpose"),
    Case("an unknown setting of the intent", "recipient: public", "recipient: public, ¦recipent: all", "recipent"),
    Case("no population", "population: {description: Adults, index-dates: [2023-01-01, 2023-12-31]}\n", "", "population", at="model: small"),
    Case("index dates backward", "[2023-01-01, 2023-12-31]", "¦[2023-12-31, 2023-01-01]", "backwards"),
    Case("one index date", "[2023-01-01, 2023-12-31]", "¦[2023-01-01]", "index-dates"),
    Case("a date that is none", "2023-12-31]", "2023-02-30]", "index-dates", at="[2023-01-01"),
    Case("no description of the population", "description: Adults, ", "", "description", at="{index-dates"),
    # --- sources
    Case("a source that is a text", '{cite: "Assumed here"}', "¦Assumed", "house", others=8),
    Case("a source without a reference", '{cite: "Assumed here"}', "¦{url: http://x.org}", "cite"),
    Case("a DOI that is none", '"10.1000/x"', '"¦https://doi.org/10.1000/x"', "https://doi.org"),
    Case("an unknown source", "source: house derived", "source: ¦huose derived", "huose"),
    Case("an unknown basis", "source: house derived", "source: ¦house guessed", "guessed"),
    Case("a source without a basis", "source: house derived", "source: ¦house", "house"),
    Case("no source for a rule", "    draw: normal(78, 10)\n    source: book verified", "    draw: normal(78, 10)", "'dbp'", at='unit: "mm[Hg]"\n    precision: 1\n    draw'),
    Case("no source for a parameter", "{value: 0, source: house assumption}", "¦{value: 0}", "cut_one"),
    Case("no source for a target", "    value: 20% (19 to 21)\n    source: book verified", "    value: 20% (19 to 21)", "share tested", at="share: tested"),
    # --- parameters
    Case("a parameter without a value", "{value: 0.5, sd: 0.05,", "¦{sd: 0.05,", "'slope'"),
    Case("a value that is a word", "value: 0.5", "value: ¦half", "half"),
    Case("a value that is a list", "value: 0.5", "value: ¦[0.5]", "'value'"),
    Case("a number beyond all bounds", "value: 0.5", "value: ¦1e999", "1e999"),
    Case("a number with a comma", "value: 0.5", 'value: "¦0,5"', "0,5"),
    Case("a negative standard error", "sd: 0.05", "sd: ¦-0.05", "-0.05"),
    Case("a start outside its bounds", "free: [-6, 2]", "free: ¦[0, 2]", "'free'"),
    Case("bounds backward", "free: [-6, 2]", "free: ¦[2, -6]", "'free'"),
    Case("one bound", "free: [-6, 2]", "free: ¦[-6]", "'free'"),
    Case("bounds without room", "value: -2, free: [-6, 2]", "value: -2, free: ¦[-2, -2]", "'free'"),
    Case("a parameter with capitals", "  cut_two: {", "  ¦Cut_two: {", "Cut_two", others=1),
    Case("a parameter that shadows a variable", "  map:\n", "  ¦slope:\n", "slope"),
    Case("a setting that parameters don't have", "sd: 0.05", "¦se: 0.05", "'se'"),
    # --- what a variable means
    Case("an unknown setting of a variable", "    static: yes", "    ¦statik: yes", "statik"),
    Case("a reserved name", "  hidden:\n", "  ¦patient_id:\n", "patient_id"),
    Case("a name that is an operator", "  hidden:\n", "  ¦implies:\n", "implies"),
    Case("a name with a space", "  hidden:\n", "  ¦my variable:\n", "my variable"),
    Case("a variable that is a number", "  hidden:\n", "  other: ¦3\n  hidden:\n", "other"),
    Case("an unknown kind", "kind: count", "kind: ¦cuont", "cuont", others=1),
    Case("a unit that is not UCUM", 'unit: "1"', "unit: ¦blorps", "blorps"),
    Case("a count in a unit that is not UCUM", "  hidden:\n", "  visits: {kind: count, unit: ¦blorps, draw: poisson(mean=2), source: house assumption}\n  hidden:\n", "blorps"),
    Case("a category with a unit", "    values: [low, middle, high]", "    values: [low, middle, high]\n    unit: ¦kg", "kg"),
    Case("a category with one value", "  hidden:\n", "  other: {values: ¦[one], shares: {one: 1}, source: house assumption}\n  hidden:\n", "two values"),
    Case("a value named twice", "  hidden:\n", "  other: {values: ¦[one, one], shares: {one: 1}, source: house assumption}\n  hidden:\n", "once"),
    Case("a step below 0", "precision: 0.1\n    by", "precision: ¦-0.1\n    by", "-0.1"),
    Case("an impossible limit that is no range", "possible: 18..100", "possible: ¦18-100", "18-100"),
    Case("a limit backward", "possible: 18..100", "possible: ¦100..18", "100..18"),
    Case("usual limits outside the possible ones", "usual: 18..95", "usual: ¦10..95", "'usual'"),
    Case("limits as a text", "limits: {possible: 18..100, usual: 18..95}", "limits: ¦18..100", "'limits'"),
    Case("a misspelt limit", "usual: 18..95", "¦usuall: 18..95", "usuall"),
    Case("a reference range backward", "reference: 90..120", "reference: ¦120..90", "120..90"),
    Case("a reference range for a misspelt sex", "reference: 90..120", "reference: {¦femal: 90..120, male: 90..120}", "femal"),
    Case("bins that descend", "bins: [40, 60]", "bins: ¦[60, 40]", "'bins'"),
    Case("a bin that is a word", "bins: [40, 60]", "bins: [40, ¦sixty]", "sixty"),
    Case("an unknown code system", "codes: {loinc", "codes: {¦lionc", "lionc"),
    Case("a LOINC code with a wrong check digit", "codes: {loinc: \"30525-0\"}", "codes: ¦{loinc: \"30525-1\"}", "30525-1"),
    Case("an unknown disclosure", "disclosure: sensitive", "disclosure: ¦secret", "secret"),
    Case("an unknown role", "role: truth", "role: ¦truht", "truht"),
    Case("a flag that is neither yes nor no", "static: yes", "static: ¦perhaps", "'static'"),
    Case("a variable for whom a number says", "among: age >= 20\n    logistic", "among: ¦age\n    logistic", "'among'"),
    Case("an observation that is a number", HIDDEN, f"{HIDDEN}\n    observed: ¦age", "'observed'"),
    # --- rules
    Case("no rule", f"{HIDDEN}\n", "", "no rule", at='unit: "1"'),
    Case("two rules", HIDDEN, f"{HIDDEN}\n    derived: age", "draw, derived", at='unit: "1"'),
    Case("a rule for another kind", "shares: {female: 51, male: 49}", "draw: ¦normal(0, 1)", "'draw'"),
    Case("odds for a number", HIDDEN, "    logistic: ¦{intercept: 0}", "'logistic'"),
    Case("an unknown distribution", HIDDEN, "    draw: ¦nromal(0, 1)", "nromal"),
    Case("a distribution that is a number", HIDDEN, "    draw: ¦12", "12"),
    Case("a distribution that is a list", HIDDEN, "    draw: ¦[normal, 0, 1]", "distribution"),
    Case("a negative sd", HIDDEN, "    draw: normal(0, ¦-1)", "-1"),
    Case("a parameter too many", HIDDEN, "    draw: ¦normal(0, 1, 2)", "normal()"),
    Case("a misspelt parameter", HIDDEN, "    draw: ¦normal(mean=0, std=1)", "normal()"),
    Case("one parameter by name and one by place", HIDDEN, "    draw: ¦normal(0, sd=1)", "normal()"),
    Case("a category as a mean", HIDDEN, "    draw: normal(¦sex, 1)", "sex"),
    Case("a uniform backward", HIDDEN, "    draw: ¦uniform(2, 1)", "uniform()"),
    Case("quartiles that fall", "lognormal(q1=0.8, median=2, q3=5)", "¦lognormal(q1=5, median=2, q3=0.8)", "q1, median, q3"),
    Case("a mean that is no share", HIDDEN, "    draw: beta(mean=¦1.2, sd=0.1)", "1.2"),
    Case("an sd too wide for its mean", HIDDEN, "    draw: ¦beta(mean=0.5, sd=0.9)", "beta()"),
    Case("a truncation backward", HIDDEN, "    draw: truncated(normal(0, 1), ¦2, -2)", "-2"),
    Case("a truncation without an end", HIDDEN, "    draw: ¦truncated(normal(0, 1), 2)", "truncated()"),
    Case("a mixture of a share alone", HIDDEN, "    draw: ¦mixture(0.5, normal(0, 1))", "mixture()"),
    Case("a share of a mixture above 1", HIDDEN, "    draw: mixture(¦1.5, normal(0, 1), 0.5, normal(3, 1))", "1.5"),
    Case("a point mass of a negative share", HIDDEN, "    draw: point_mass(0, ¦-0.2, normal(0, 1))", "-0.2"),
    Case("a bracket that isn't closed", HIDDEN, "    draw: normal(0, 1¦", "the end"),
    Case("between backward", "between: [60, 240]", "between: ¦[240, 60]", "240"),
    Case("between one value", "between: [60, 240]", "between: ¦[60]", "'between'"),
    Case("between beside a formula", "derived: (sbp + 2 * dbp) / 3", "derived: (sbp + 2 * dbp) / 3\n    between: ¦[0, 300]", "'between'"),
    Case("between categories", "between: [60, 240]", "between: [¦sex, 240]", "sex"),
    # --- tables
    Case("a table by something unknown", "    by: sex\n    quantiles", "    by: ¦sxe\n    quantiles", "sxe"),
    Case("a table that lacks a level", "      male: {5: 62, 50: 84, 95: 120}\n", "", "male", at="female: {5: 50"),
    Case("a table with a misspelt level", "      male: {5: 62, 50: 84, 95: 120}\n", "      male: {5: 62, 50: 84, 95: 120}\n      ¦mael: {5: 62, 50: 84, 95: 120}\n", "mael"),
    Case("a table of a text", "    by: sex\n    quantiles:\n      female: {5: 50, 50: 70, 95: 105}\n      male: {5: 62, 50: 84, 95: 120}", "    by: sex\n    quantiles: ¦none", "'sex'"),
    Case("bands with a gap", "{female: {18..39: 110, 40..: 130}", "{female: {18..39: 110, ¦45..: 130}", "45"),
    Case("bands that overlap", "{female: {18..39: 110, 40..: 130}", "{female: {18..39: 110, ¦30..: 130}", "30"),
    Case("a band that is no range", "{female: {18..39: 110, 40..: 130}", "{female: {18..39: 110, ¦forty: 130}", "forty"),
    Case("a band backward", "{female: {18..39: 110, 40..: 130}", "{female: {¦39..18: 110, 40..: 130}", "39..18"),
    Case("bands that differ between levels", "male: {18..39: 115, 40..: 133}", "male: {18..39: 115, 40..: 133, ¦60..: 140}", "60.."),
    Case("smooth without bands", "centre: {by: [sex, age], smooth: yes, table: {female: {18..39: 110, 40..: 130}, male: {18..39: 115, 40..: 133}}}", "centre: {by: [sex], smooth: yes, table: ¦{female: 110, male: 133}}", "'sex'"),
    Case("smooth from an open end", "{female: {18..39: 110, 40..: 130}, male: {18..39: 115, 40..: 133}}", "¦{female: {..39: 110, 40..: 130}, male: {..39: 115, 40..: 133}}", "lower end"),
    Case("smooth without by", "    draw: normal(78, 10)", "    draw: normal(78, 10)\n    smooth: yes", "'smooth'", at='unit: "mm[Hg]"\n    precision: 1\n    draw'),
    Case("one variable twice in by", "by: [sex, age], smooth", "by: [sex, ¦sex], smooth", "'sex'"),
    Case("a category in a table of numbers", "male: {18..39: 115,", "male: {18..39: ¦smoking,", "smoking"),
    Case("a local name with capitals", "      centre: {", "      ¦Centre: {", "Centre", others=1),
    Case("a local table without its table", "table: {female: {18..39: 110, 40..: 130}, male: {18..39: 115, 40..: 133}}", "tabel: {}", "'table'", at="{by: [sex, age]", others=1),
    # --- percentiles, bands, shares
    Case("a percentile of 100", "5: 50, 50: 70, 95: 105", "5: 50, 50: 70, ¦100: 105", "percentiles"),
    Case("percentiles that fall", "5: 50, 50: 70, 95: 105", "5: 50, 50: 70, ¦95: 60", "percentiles"),
    Case("one percentile", "{5: 50, 50: 70, 95: 105}", "¦{50: 70}", "quantiles"),
    Case("a percentile that is a word", "5: 50, 50: 70, 95: 105", "5: 50, ¦median: 70, 95: 105", "median"),
    Case("a percentile of 0 on the log scale", "5: 50, 50: 70, 95: 105", "¦5: 0, 50: 70, 95: 105", "percentiles"),
    Case("an unknown scale", "    by: sex\n    quantiles", "    by: sex\n    scale: ¦lgo\n    quantiles", "lgo"),
    Case("a histogram with a gap", "40..59: 35, 60..89: 25}", "¦45..59: 35, 60..89: 25}", "bands"),
    Case("a histogram with an open end", "60..89: 25}", "¦60..: 25}", "bands"),
    Case("a negative weight", "60..89: 25}", "¦60..89: -25}", "weights"),
    Case("weights that sum to 0", "{18..39: 40, 40..59: 35, 60..89: 25}", "¦{18..39: 0, 40..59: 0, 60..89: 0}", "weights"),
    Case("shares that don't sum to 1", "{female: 51, male: 49}", "¦{female: 51, male: 39}", "90"),
    Case("a share for an unknown level", "{female: 51, male: 49}", "{female: 51, male: 49, ¦mlae: 0}", "mlae"),
    Case("a level without a share", "{never: 60, former: 25, current: 15}", "¦{never: 75, former: 25}", "current"),
    Case("a negative share", "{female: 51, male: 49}", "¦{female: 151, male: -51}", "share"),
    # --- odds and orders
    Case("odds without an intercept", "      intercept: base\n      terms", "      terms", "intercept", at="terms:\n        - {when"),
    Case("a negative odds ratio", "odds-ratio: 1.8", "odds-ratio: ¦-1.8", "odds ratio"),
    Case("an odds ratio outside its own interval", "interval: [1.6, 2.0]", "interval: ¦[2.0, 3.0]", "'interval'"),
    Case("an interval backward", "interval: [1.6, 2.0]", "interval: ¦[2.0, 1.6]", "'interval'"),
    Case("a term without an effect", SLOPE, "¦{per: (age - 50) / 10}", "odds-ratio"),
    Case("a term with two effects", SLOPE, "¦{per: age, effect: slope, odds-ratio: 2}", "odds-ratio"),
    Case("a term about nothing", SLOPE, "¦{effect: slope}", "'when'"),
    Case("a term about a category", SLOPE, "{per: ¦sex, effect: slope}", "category"),
    Case("a term when a number", SLOPE, "{when: ¦age, effect: slope}", "'when'"),
    Case("an effect that is a category", SLOPE, "{per: age, effect: ¦sex}", "'sex'"),
    Case("a misspelt term", SLOPE, "{per: age, effect: slope, ¦efect: slope}", "efect"),
    Case("terms as a block", f"\n        - {SLOPE}", f" ¦{SLOPE}", "'terms'"),
    Case("a cutpoint too few", "[cut_one, cut_two]", "¦[cut_one]", "2 cutpoints"),
    Case("cutpoints that descend", "cutpoints: [cut_one, cut_two]", "¦cutpoints: [2, 1]", "cutpoints"),
    # --- expressions
    Case("a misspelt name", "(sbp + 2 * dbp) / 3", "(sbp + 2 * ¦dpb) / 3", "dpb"),
    Case("units that can't be added", "(sbp + 2 * dbp) / 3", "sbp ¦+ weight", "kg"),
    Case("units of different scale", "  hidden:\n", "  pounds: {unit: g, draw: \"normal(1, 1)\", source: house assumption}\n  sum: {unit: kg, derived: weight ¦+ pounds}\n  hidden:\n", "scales"),
    Case("a formula in another unit", "(sbp + 2 * dbp) / 3", "¦weight", "kg"),
    Case("an unknown function", "(sbp + 2 * dbp) / 3", "¦sqr(sbp)", "sqr"),
    Case("an argument too few", "  hidden:", BMI.format("¦bmi(weight)"), "bmi()"),
    Case("an argument in a wrong unit", "  hidden:", BMI.format("bmi(weight, ¦age)"), "bmi"),
    Case("an argument by name", "  hidden:", BMI.format("¦bmi(weight=weight, height=weight)"), "bmi()"),
    Case("a formula of another kind", "(sbp + 2 * dbp) / 3", "¦sbp > 3", "a condition"),
    Case("a category in arithmetic", "(sbp + 2 * dbp) / 3", "sbp + ¦sex", "sex"),
    Case("an unknown value of a category", "smoking == current", "smoking == ¦curent", "curent"),
    Case("an order of categories", "smoking == current", "smoking ¦< current", "<"),
    Case("a chain of comparisons", "smoking == current", "18 < age ¦< 40", "chain"),
    Case("a plain =", "smoking == current", "smoking ¦= current", "="),
    Case("a sign without a meaning", "(sbp + 2 * dbp) / 3", "sbp ¦$ 3", "$"),
    Case("a division by zero", "(sbp + 2 * dbp) / 3", "sbp + 1 ¦/ 0", "'/'"),
    Case("a number too large", "(sbp + 2 * dbp) / 3", "sbp + ¦1e999", "too large"),
    Case("a call for Python", "(sbp + 2 * dbp) / 3", "\"__import__(¦'os')\"", "'"),
    Case("a range backward in an expression", "smoking == current", "age in ¦40..18", "40..18"),
    Case("an expression that nests too deep", "(sbp + 2 * dbp) / 3", "(" * 70 + "sbp" + ")" * 70, "60", at="(" * 10 + "sbp"),
    Case("an expression without end", "(sbp + 2 * dbp) / 3", "sbp" + " + 1" * 149 + " + ¦1" + " + 1" * 300, "300"),
    Case("a list where an expression stands", "(sbp + 2 * dbp) / 3", "¦[sbp, dbp]", "expression"),
    Case("variables in a circle", HIDDEN, "    draw: normal(0, 1)\n    among: map > late\n    source: house assumption\n  late:\n    unit: \"mm[Hg]\"\n    among: hidden > 0\n    draw: normal(0, 1)\n    source: house assumption\n  last:\n    unit: \"1\"\n    draw: normal(0, 1)", "hidden", at="hidden:\n    unit"),
    Case("a variable that needs itself", HIDDEN, "    draw: normal(hidden, 1)", "hidden", at="hidden:\n    unit"),
    Case("a circle through the order of members", "    draw: normal(centre, 14)", "    draw: normal(centre + 0.1 * dbp, 14)", "dbp", at="sbp:\n    unit"),
    # --- dependence
    Case("a member that isn't drawn", "members: [sbp, dbp]", "members: [sbp, dbp, ¦map]", "map"),
    Case("a member that is unknown", "members: [sbp, dbp]", "members: [sbp, dbp, ¦dpb]", "dpb"),
    Case("a member twice", "members: [sbp, dbp]", "members: [sbp, dbp, ¦dbp]", "dbp", others=1),
    Case("no members", "    members: [sbp, dbp]\n    by", "    members: ¦[sbp]\n    by", "members", others=1),
    Case("a pair that is no member", "{pair: [sbp, dbp], female", "{pair: [sbp, ¦weight], female", "weight"),
    Case("a pair of one", "{pair: [sbp, dbp], female", "¦{pair: [sbp, sbp], female", "two members"),
    Case("a pair twice", "      - {pair: [sbp, dbp], female: 0.55, male: 0.5}", "      - {pair: [sbp, dbp], female: 0.55, male: 0.5}\n      - {pair: [dbp, sbp], value: 0.1}", "twice", at="{pair: [sbp", others=1),
    Case("a correlation beyond 1", "female: 0.55", "female: 1.55", "-0.99 and 0.99", at="{pair"),
    Case("a level without its correlation", ", male: 0.5}", "}", "male", at="{pair"),
    Case("a correlation said twice", ", male: 0.5}", ", male: 0.5, value: 0.5}", "one value", at="{pair"),
    Case("dependence by a number", "    by: sex\n    correlations", "    by: ¦age\n    correlations", "'by'", others=2),
    Case("correlations as a block", "\n      - {pair: [sbp, dbp], female: 0.55, male: 0.5}", " ¦{pair: [sbp, dbp], female: 0.55, male: 0.5}", "'correlations'"),
    # --- constraints
    Case("a constraint that is a number", "{rule: dbp < sbp + 40,", "¦{rule: dbp + sbp,", "condition"),
    Case("a constraint without a rule", "{rule: dbp < sbp + 40,", "¦{", "'rule'"),
    Case("a constraint that is a text", "{rule: dbp < sbp + 40, source: house assumption}", "¦dbp < sbp", "constraint"),
    Case("constraints as a block", "\n  - {rule: dbp < sbp + 40, source: house assumption}", " ¦{rule: dbp < sbp, source: house assumption}", "'constraints'"),
    # --- targets and calibration
    Case("a target without a value", "    value: 20% (19 to 21)\n", "", "'value'", at="share: tested\n"),
    Case("a target without a statistic", "    share: tested\n", "", "0 statistics", at="among: age >= 20\n    value"),
    Case("a target with two statistics", TARGET, f"{TARGET}    sd: sbp\n", "2 statistics", at="mean: sbp\n"),
    Case("a value outside its own interval", "20% (19 to 21)", "¦20% (21 to 24)", "0.2"),
    Case("a value that is none", "20% (19 to 21)", "¦a fifth", "published value"),
    Case("a share above 100%", "20% (19 to 21)", "¦120%", "1.2"),
    Case("a share of a number", "share: tested\n", "share: ¦age\n", "condition"),
    Case("a mean of a category", TARGET, "    mean: ¦sex\n", "number"),
    Case("a correlation of one", "    mean: sbp\n    by: sex\n    values: {female: 121, male: 125}\n    standard: young", "    correlation: ¦[sbp]\n    value: 0.2", "correlation"),
    Case("a level beyond 1", TARGET, "    quantile: sbp\n    level: ¦90\n", "'level'"),
    Case("a target among a number", "among: age >= 20\n    value", "among: ¦age\n    value", "'among'"),
    Case("a target about a helper", TARGET, "    mean: ¦hidden\n", "a target is about what is kept; 'hidden' is not"),
    Case("a target about a parameter", TARGET, "    mean: ¦base\n", "a target is about what is kept; 'base' is not"),
    Case("a target about nothing", TARGET, "    mean: ¦3 + 4\n", "a target is about what is kept"),
    Case("a target for an unknown level", "{female: 121, male: 125}", "{female: 121, ¦mael: 125}", "mael"),
    Case("a target without any level", "{female: 121, male: 125}", "¦{}", "empty"),
    Case("an unknown standard", "standard: young", "standard: ¦yuong", "yuong"),
    Case("a standard of negative weights", "{18..39: 60, 40..: 40}", "¦{18..39: -60, 40..: 40}", "weights"),
    Case("a calibration of an unknown parameter", "{free: [base],", "{free: [¦bsae],", "bsae"),
    Case("a calibration of a fixed parameter", "{free: [base],", "{free: [¦slope],", "'slope' is not free"),
    Case("a calibration to an unknown target", "to: [share tested]", "to: [¦share testd]", "share testd"),
    Case("a calibration of nothing", "{free: [base],", "¦{free: [],", "free"),
    Case("a calibration that is a text", "{free: [base], to: [share tested]}", "¦base", "calibration"),
    # --- the file itself
    Case("a key twice", "version: 1.0.0", "version: 1.0.0\n¦version: 1.0.1", "version"),
    Case("a variable twice", "  hidden:\n", "  ¦map: {}\n  hidden:\n", "map"),
    Case("a tab", "  hidden:\n", "  hidden:\n¦\tkind: count\n", "tab"),
    Case("a bracket that YAML misses", "static: yes", "static: [yes\n    more¦: yes", "YAML"),
    Case("a colon too many", "kind: count", "kind: count¦: a", "YAML"),
    Case("an anchor that nobody set", "static: yes", "static: ¦*sometimes", "alias"),
    Case("two documents in one file", "\nvariables:", "\n¦---\nvariables:", "document"),
    Case("a key that is a list", "static: yes", "¦[a]: yes", "key"),
)  # fmt: skip


def mistakes(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(ModelError) as caught:
        parse_model(text)
    return caught.value.mistakes


def test_the_small_model_itself_has_no_mistake() -> None:
    assert parse_model(TEXT).name == "small"


def test_at_least_75_kinds_of_mistakes_are_tried() -> None:
    assert len({case.kind for case in CASES}) == len(CASES) >= 75


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_each_mistake_is_told_at_its_line_and_column_with_the_word_and_a_suggestion(case: Case) -> None:
    found = mistakes(case.text)
    here = [one for one in found if (one.line, one.column) == case.place]
    assert here, f"expected at {case.place}, told:\n" + "\n".join(one.under("model.yaml") for one in found)
    assert any(case.word in one.what for one in here), [one.what for one in here]
    assert all(one.suggestion.strip() for one in found)
    assert len(found) == 1 + case.others, "\n".join(one.under("model.yaml") for one in found)


def test_all_mistakes_of_a_file_are_told_at_once_in_the_order_of_its_lines() -> None:
    text = (
        TEXT.replace("not-for: [anything real]", "notfor: [anything real]")
        .replace("sd: 0.05", "sd: -1")
        .replace("kind: count", "kind: count\n    detction: 3")
        .replace("smoking == current", "smoking == curent")
        .replace("{female: 51, male: 49}", "{female: 51, male: 39}")
        .replace("draw: normal(78, 10)", "draw: nromal(78, 10)")
        .replace("female: 0.55", "female: 1.55")
        .replace("to: [share tested]", "to: [share testd]")
    )
    found = mistakes(text)
    told = "\n".join(one.what for one in found)
    assert [one.line for one in found] == sorted(one.line for one in found)
    for word in ("not-for", "notfor", "-1", "detction", "curent", "90", "nromal", "-0.99", "share testd"):
        assert word in told
    assert len(found) == 9


def test_the_text_of_an_error_names_file_line_and_column_and_counts_the_mistakes() -> None:
    with pytest.raises(ModelError) as caught:
        parse_model(edited("static: yes", "statik: yes"), "clinic/small.yaml")
    assert str(caught.value).startswith("clinic/small.yaml:32:5  ")
    assert str(caught.value).endswith("1 mistake; nothing was made.")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "key: value"),
        (b"# only a comment\n", "key: value"),
        (b"- a\n- b\n", "key: value"),
        (b"just words", "key: value"),
        (b"42", "key: value"),
        (b"model: \xff\xfe", "UTF-8"),
        ("model: Größe".encode("latin-1"), "UTF-8"),
        (TEXT.encode("utf-16"), "UTF-8"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "YAML"),
        (b"model: a\x00b", "YAML"),
        (b"\x89PNG\r\n\x1a\n\x00", "UTF-8"),
        (b"%PDF-1.7", "YAML"),
        (b"{" * 5000, "YAML"),
        (b"model: " + b"[" * 39 + b"]" * 39, "'model'"),
        (b"model: " + b"[" * 60 + b"]" * 60, "40 levels"),
        (b"a: " * 200, "YAML"),
        (b"a: " + b"- " * 30_000, "YAML"),
        (b"? a", "'model'"),
        (b"model: !!python/object/apply:os.system [exit]", "'model'"),
    ],
    ids=range(19),
)  # fmt: skip
def test_a_file_that_is_no_model_at_all_is_refused_with_a_suggestion(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_model(path)
    assert any(word in one.what or word in one.suggestion for one in caught.value.mistakes)
    assert all(one.suggestion for one in caught.value.mistakes)


@pytest.mark.parametrize("name", ["absent.yaml", ".", "a\0b.yaml", "long" * 200 + ".yaml"])
def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="can't be read"):
        read_model(tmp_path / name)


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert read_model(path).name == "small"


LAUGHS = "a0: &a0 [" + ", ".join(["lol"] * 10) + "]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)  # fmt: skip
HOSTILE = {
    "a billion laughs": LAUGHS,
    "a billion laughs in keys": LAUGHS.replace("[", "{? [").replace("]", "] : x}"),
    "an anchor within itself": "model: &a [*a]\n",
    "an anchor twice within itself": "model: &a [*a, *a]\n",
    "a mapping within itself": "model: &a {b: *a, c: *a}\n",
    "powers of powers of units": edited("(sbp + 2 * dbp) / 3", "(" * 25 + "sbp" + "^4)" * 25 + " + weight"),
    "a number of many digits": edited("(sbp + 2 * dbp) / 3", "sbp + " + "9" * 100_000 + "x"),
    "a range of many digits": edited("possible: 18..100", "possible: " + "9" * 50_000 + "x"),
    "a value of many digits": edited("20% (19 to 21)", "9" * 50_000 + "x"),
    "a parameter of many digits": edited("value: 0.5", "value: " + "9" * 50_000 + "x"),
    "a table by everything": edited("by: [sex, age], smooth", f"by: [{', '.join(['sex', 'smoking', 'stage'] * 10)}], smooth"),
    "an expression of many terms": edited("(sbp + 2 * dbp) / 3", "sbp" + " + 1" * 200_000),
    "an expression of many signs": edited("(sbp + 2 * dbp) / 3", "-" * 100_000 + "sbp"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_within_two_seconds_and_little_memory(kind: str) -> None:
    factor("kg", "g")  # the registry of units takes its time to load, once
    tracemalloc.start()
    began = time.process_time()
    try:
        found = mistakes(HOSTILE[kind])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 2
    assert peak < 200e6
    assert all(len(one.what) < 1000 and one.suggestion for one in found)


def test_a_file_with_more_values_than_a_model_has_is_refused_within_two_seconds() -> None:
    began = time.process_time()
    assert "100,000 values" in mistakes("".join(f"key{n}: 1\n" for n in range(55_000)))[0].what
    assert time.process_time() - began < 2


def test_a_model_of_ordinary_size_may_repeat_itself_by_anchors() -> None:
    text = edited("female: {5: 50, 50: 70, 95: 105}", "female: &weights {5: 50, 50: 70, 95: 105}").replace(
        "male: {5: 62, 50: 84, 95: 120}", "male: *weights"
    )
    assert parse_model(text).variables["weight"]


# --- whatever else befalls a file -------------------------------------------------------------------------------------

REAL = (Path(__file__).parents[2] / "src/manikin/clinic/models/diabetes-screening.yaml").read_text(encoding="utf-8")
WORDS = ["", "[", "]", "{", "}", ":", "- ", "'", '"', "..", "0", "-1", "1e999", "sex", "age", "normal(0, 1)", "&a", "*a",
         "!!int", "|", ">", "%", "#", "\t", "\n", "if(", "in", "not", "é", "\u2028", "\x07", "^", "null", "~", ","]  # fmt: skip


def accepted_or_told(text: str) -> None:
    """Assert that the text is a model, or that every mistake told stands within it."""
    lines = text.count("\n") + 1 + sum(text.count(one) for one in ("\r", "\x85", "\u2028", "\u2029"))
    try:
        parse_model(text)
    except ModelError as error:
        assert error.mistakes
        assert all(1 <= one.line <= lines and one.column >= 1 and one.what for one in error.mistakes), error


def damaged(text: str, chance: random.Random, times: int) -> str:
    """Return the text after lines and words of it were lost, doubled, swapped or replaced."""
    for _ in range(times):
        whole = chance.random() < 0.5
        parts = text.split("\n") if whole else re.split(r"(\W)", text)
        place, other = chance.randrange(len(parts)), chance.randrange(len(parts))
        deed = chance.randrange(5)
        if deed == 0:
            del parts[place]
        elif deed == 1:
            parts.insert(place, parts[other])
        elif deed == 2:
            parts[place], parts[other] = parts[other], parts[place]
        elif deed == 3:
            parts[place] = chance.choice(WORDS) if not whole else f"  {parts[place]}"
        else:
            parts[place] = parts[place][: len(parts[place]) // 2]
        text = ("\n" if whole else "").join(parts)
    return text


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_a_damaged_model_is_accepted_or_refused_but_never_breaks_the_reader(number: int, times: int) -> None:
    accepted_or_told(damaged(TEXT, random.Random(number), times))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_the_built_in_model_damaged_is_accepted_or_refused(number: int, times: int) -> None:
    accepted_or_told(damaged(REAL, random.Random(number), times))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_any_text_at_all_is_refused_as_a_model(text: str) -> None:
    with pytest.raises(ModelError):
        parse_model(text)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["(sbp + 2 * dbp) / 3", "normal(78, 10)", "smoking == current", "20% (19 to 21)", "18..100", "2023-01-01", "book secondary"]),
       st.text(alphabet=st.sampled_from("abs(0.5,%^*/+-=<>!..[]) in sex age if 12e"), max_size=25))  # fmt: skip
def test_any_text_in_the_place_of_an_expression_is_accepted_or_refused(old: str, new: str) -> None:
    quoted = new.replace("'", "''")
    accepted_or_told(TEXT.replace(old, f"'{quoted}'"))
