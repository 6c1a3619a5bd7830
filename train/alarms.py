"""What goes wrong in Fader training without showing in the reconstruction."""

from collections.abc import Mapping, Sequence

__all__ = ["alarm"]

FALL = 0.15
"""Of the mean share of edits that the judge sees."""
FINE_DB = 1.0
BLIND = 0.98
"""Share of the loss of a discriminator that sees nothing."""
PATIENCE = 3


def alarm(rows: Sequence[Mapping[str, float]]) -> str:
    """Return what the latest evaluation is reason to worry about, in one line, or nothing.

    Args:
        rows: Every evaluation so far, with "iteration", "edits seen" (0 to 1), "psnr_db",
            "latent_discriminator" and "latent_baseline" (nats).
    """
    last, best = rows[-1], max(rows, key=lambda row: row["edits seen"])
    clear = max(row["psnr_db"] for row in rows)
    if best["edits seen"] - last["edits seen"] > FALL and last["psnr_db"] > clear - FINE_DB:
        return (
            f"collapse: the judge saw {best['edits seen']:.0%} of the edits at iteration "
            f"{best['iteration']:.0f} and sees {last['edits seen']:.0%} now, although the reconstruction is "
            f"fine ({last['psnr_db']:.1f} dB); checkpoints/best has the better ones"
        )
    if len(rows) == PATIENCE and all(_blind(row) for row in rows):
        return (
            "the latent discriminator knows no more than how frequent attributes are "
            f"({last['latent_discriminator']:.2f} nats against {last['latent_baseline']:.2f}) from the "
            "start: it does not teach the encoder anything; lower latent_weight or raise discriminator_steps"
        )
    return ""


def _blind(row: Mapping[str, float]) -> bool:
    return row["latent_discriminator"] > BLIND * row["latent_baseline"]
