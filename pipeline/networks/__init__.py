"""What networks share: weight files, ranks."""
