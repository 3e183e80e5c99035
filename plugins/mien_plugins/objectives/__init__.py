"""Built-in plugins of the kind 'objective'."""
