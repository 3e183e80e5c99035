"""Built-in plugins of the kind 'attribution'."""
