"""Off-the-shelf encoders and their features of a corpus."""
