"""Output that people read: terminal, figures, pages."""
