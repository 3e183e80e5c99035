"""LIME and RISE for face videos, and the importance of face regions compared between two cohorts."""
