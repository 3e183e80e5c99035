"""The report: charts given once and drawn twice, overlays on source frames, one self-contained HTML file."""
