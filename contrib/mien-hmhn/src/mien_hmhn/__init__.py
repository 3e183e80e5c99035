"""The Hybrid Multi-head Cross Attention Network (HMHN) for mien.

Li, Liu, Zhou, Yuan, Shangguan, Hu, Hu: A facial depression recognition method based on hybrid multi-head cross
attention network, Frontiers in Neuroscience 17 (2023), doi 10.3389/fnins.2023.1188434.
"""
