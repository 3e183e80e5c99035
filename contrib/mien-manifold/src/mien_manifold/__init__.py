"""What a network stores of faces, embedded in few dimensions: an analyzer for mien."""
