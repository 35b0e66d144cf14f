//! What happens to a target over time: coalescing, rollback, failed rolls, foreign writes.
