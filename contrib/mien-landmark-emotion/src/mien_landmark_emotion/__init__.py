"""Emotions from sequences of facial landmarks, after Di Luzio, Rosato and Panella (arXiv 2407.14865, 2024).

One small binary classifier an emotion; Integrated Gradients from a neutral face say how relevant each landmark is for
each emotion; the least relevant landmarks are dropped and the classifiers trained again.
"""

from __future__ import annotations
