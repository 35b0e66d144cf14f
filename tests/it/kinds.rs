//! Every kind of target against the sandbox: each way to succeed and to fail.
