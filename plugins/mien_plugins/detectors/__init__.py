"""Built-in plugins of the kind 'detector'."""
