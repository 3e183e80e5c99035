"""Built-in plugins of the kind 'cropper'."""
