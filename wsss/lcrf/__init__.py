"""The latent CRF (Pandey & Dukkipati, arXiv 1705.01262 v1): the lower bound and its likelihoods."""
