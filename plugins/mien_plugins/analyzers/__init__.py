"""Built-in plugins of the kind 'analyzer'."""
