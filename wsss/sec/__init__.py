"""SEC (Kolesnikov & Lampert, ECCV 2016): seeds, saliency, and the three losses."""
