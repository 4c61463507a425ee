"""The sale: priced, held, committed, given back; and the counter of a shop without a POS."""
