"""Tests of selm_torch."""
