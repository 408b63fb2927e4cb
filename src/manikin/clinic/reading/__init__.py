"""From a model file to a checked ``ClinicalModel``: the one place that knows how the language is written."""

from manikin.clinic.reading.model import parse_model, read_model

__all__ = ["parse_model", "read_model"]
