"""Top-k search, and which listed clips are trained on."""
