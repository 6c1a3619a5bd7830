"""Faces in pictures and videos: found, followed, and aligned to the model's crop."""
