"""Holds components of a kind beside each other on the same data."""
