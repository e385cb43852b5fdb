"""What encoders share: their contract, their settings, shapes in weight files."""
