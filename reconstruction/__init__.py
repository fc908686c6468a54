"""Makes the embedded raw data of an edition: transcribed figures, derivations and a fitted reconstruction."""
