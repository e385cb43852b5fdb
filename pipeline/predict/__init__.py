"""A method applied: maps and similarities of clips, of a media file, of moments."""
