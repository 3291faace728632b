"""Does it help on my data? Variants and seeds, scored on one test set."""
