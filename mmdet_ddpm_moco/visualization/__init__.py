"""Pictures of banks and of training runs."""
