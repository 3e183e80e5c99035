"""What a run leaves behind: its record, its summary, and the view of it that analyzers get."""
