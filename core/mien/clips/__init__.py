"""Clips: windows of a recording's crops, standardised for a network."""
