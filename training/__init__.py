"""Programs that make what ships with ragbot: models and calibrations."""
