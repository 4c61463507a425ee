"""Promo codes on receipts: which one, what became of it, and what somebody typed from paper."""
