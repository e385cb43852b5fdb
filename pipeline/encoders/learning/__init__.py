"""How encoders are trained here: the toy's, and a sound encoder without labels on any corpus."""
