"""How fast synthesis, pretraining and reading are, on this machine."""
