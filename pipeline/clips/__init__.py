"""A decoded corpus as later rooms read it, and the views that networks see of it."""
