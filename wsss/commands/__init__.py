"""Commands for people; no stage imports them."""
