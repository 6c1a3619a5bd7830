"""Evaluation: what a model does to images it never saw; figures, pictures, a study with people."""
