"""Fitters that are measured: one script each, run by an interpreter of its own environment, through ``door``."""
