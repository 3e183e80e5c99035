"""The Action Units that can be planted; apart from the rest, so that checking a configuration stays fast."""

NAMES = ("AU01", "AU02", "AU04", "AU06", "AU09", "AU12", "AU15", "AU25", "AU26", "AU45")
"""In the order of every array of intensities."""
