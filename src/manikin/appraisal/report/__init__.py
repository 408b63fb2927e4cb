"""The report: an appraisal goes in, one HTML page comes out that opens anywhere and asks the network for nothing.

``render`` makes the page; ``draw`` and ``as_text`` show a model's graph on a page and in a terminal.
"""

from manikin.appraisal.report.comparison import in_words, render_contrast
from manikin.appraisal.report.graph import as_text, draw
from manikin.appraisal.report.page import render

__all__ = ["as_text", "draw", "in_words", "render", "render_contrast"]
