"""Built-in plugins of the kind 'landmarks'."""
