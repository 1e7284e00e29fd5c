"""Neural encoders: the only importer of torch and torchvision. Import its modules, not this package."""
