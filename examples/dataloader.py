"""Latents of a whole set of pictures: a torch DataLoader reads them, fader encodes batches of faces.

    python examples/dataloader.py pictures/ latents.npz

Tensors go in as they are, through DLPack; what comes out can be decoded at any values, as often as you like.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from fader.image import IMAGE_SUFFIXES, read_image
from fader.runtime import Editor

BATCH = 16


class Pictures(Dataset[torch.Tensor]):
    """The pictures of a folder, (H, W, 3) uint8 RGB each."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(read_image(self.paths[index])[:, :, :3]))


def main() -> None:
    """Encode every face, and save what `Editor.decode` needs."""
    folder, target = map(Path, sys.argv[1:])
    loader = DataLoader(Pictures(folder), batch_size=None)  # pictures differ in size, their faces do not
    with Editor.open() as editor:
        crops = torch.cat([torch.from_numpy(editor.crops(picture)) for picture in loader])
        batches = [editor.encode(batch) for batch in DataLoader(crops, batch_size=BATCH)]  # type: ignore[arg-type]
        smiling = [editor.decode(latents, {"Smiling": 1.0}) for latents in batches]
    tensors = [np.concatenate(parts) for parts in zip(*(part.tensors for part in batches), strict=True)]
    estimates_NA = np.concatenate([part.source_NA for part in batches])
    np.savez(target, *tensors, estimates=estimates_NA, smiling=np.concatenate(smiling))
    print(f"{len(crops)} faces encoded; sliders: {', '.join(editor.attributes.names)}")


if __name__ == "__main__":
    main()
