"""Where work runs and how far it is. Nothing here makes a byte, so no stage depends on it."""
