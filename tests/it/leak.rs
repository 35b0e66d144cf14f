//! A canary value goes through every path; it must appear nowhere.
