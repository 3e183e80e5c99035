"""Measures explanations against planted truth and the standard tests of faithfulness."""
