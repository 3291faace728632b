"""What ``tools/check_gpu.py`` runs."""
