"""The reference trainer: a small language model, trained by a gang, the same after any failure."""
