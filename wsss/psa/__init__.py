"""PSA / AffinityNet (Ahn & Kwak, CVPR 2018): affinities between cells, and the random walk along them."""
