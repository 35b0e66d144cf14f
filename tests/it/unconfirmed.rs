//! What is not confirmed about Anypoint and AWS, in each position: the same safety in all of them.
//!
//! Every switch of the sandbox is turned once, alone, and the same story is played: take over, rotate,
//! somebody else's deployment, a roll that fails, a property that is not ours. A last test holds that no
//! switch was forgotten.

mod applications;
mod aws;
mod cloudhub;
mod hybrid;
mod limits;
mod secrets;
mod switches;
