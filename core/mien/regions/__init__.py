"""Face regions as bits of a mask, and relevance pooled over them."""
