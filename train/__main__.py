"""`python -m fader.train`, which torchrun needs, is fader-train."""

from fader.train.cli import main

if __name__ == "__main__":
    main()
