"""Optional neighbors of this package, imported when they are asked for."""
