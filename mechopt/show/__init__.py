"""What people read: terminal, figures, pages."""
