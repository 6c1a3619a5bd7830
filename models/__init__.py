"""What a model is: its networks, their configuration, and the checkpoint that holds them. PyTorch only."""

from fader.models.autoencoder import AutoEncoder, Rendering
from fader.models.checkpoint import Checkpoint, load_checkpoint, load_networks, load_tensors, save_checkpoint
from fader.models.classifier import Classifier
from fader.models.config import AutoEncoderConfig, ClassifierConfig
from fader.models.latent_discriminator import LatentDiscriminator
from fader.models.patch_discriminator import PatchDiscriminator

__all__ = [
    "AutoEncoder",
    "AutoEncoderConfig",
    "Checkpoint",
    "Classifier",
    "ClassifierConfig",
    "LatentDiscriminator",
    "PatchDiscriminator",
    "Rendering",
    "load_checkpoint",
    "load_networks",
    "load_tensors",
    "save_checkpoint",
]
