//! One test per promise of the design, named after it.
