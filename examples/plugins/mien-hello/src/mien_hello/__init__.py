"""An example plugin of mien."""
