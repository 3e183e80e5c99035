"""Whether a network's relevance lies where people look.

`mien_gaze.metrics` holds the measures of agreement, `mien_gaze.synthetic` makes viewers that never were, and
`mien_gaze.analyzer` is the analyzer ``gaze_agreement``.
"""
