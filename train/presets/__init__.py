"""Settings that people begin with, as TOML files that hold what differs from `TrainConfig`'s defaults."""
