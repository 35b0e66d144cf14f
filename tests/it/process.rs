//! The binary as a process: killed, drained, restarted.
