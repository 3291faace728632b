"""A run as one HTML file: what went in, what each stage made, what it cost."""
