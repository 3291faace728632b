"""What every part of the package uses; imports no other part of it."""
