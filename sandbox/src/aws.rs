//! A fake AWS.
