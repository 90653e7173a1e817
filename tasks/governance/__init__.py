"""Who decided what, on which evidence."""
