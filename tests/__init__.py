"""Tests of Vedette: unit (pure tables), parts (one real component each), system (the whole agent)."""
