"""Data: labels and images in many forms, faces aligned once, a memory-mapped set, batches of it."""
