//! Whose properties survive a write to an application.

mod another_writer;
mod draw;
mod platform;
mod survive;
