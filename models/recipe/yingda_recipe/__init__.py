"""Training recipe of the embedding model that ships with Yingda."""
