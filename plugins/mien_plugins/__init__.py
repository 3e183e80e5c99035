"""The built-in plugins of mien."""
