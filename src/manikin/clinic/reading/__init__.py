"""From a model file to a checked ``ClinicalModel``: the one place that knows how the language is written."""

from manikin.clinic.reading.model import is_codebook, parse_codebook, parse_model, read_codebook, read_model

__all__ = ["is_codebook", "parse_codebook", "parse_model", "read_codebook", "read_model"]
