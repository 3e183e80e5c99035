"""Built-in plugins of the kind 'action_units'."""
