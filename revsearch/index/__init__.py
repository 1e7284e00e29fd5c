"""Search in vectors, exact and by graph: the only importer of hnswlib. Numpy arrays and local paths in and out."""
