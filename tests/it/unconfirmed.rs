//! Rules of Anypoint that are not confirmed, in both positions.
