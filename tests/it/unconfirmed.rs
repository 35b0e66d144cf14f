//! What is not confirmed about Anypoint and AWS, in each position: the same safety in all of them.
//!
//! Every switch of the sandbox is turned once, alone, and the same story is played: take over, rotate,
//! somebody else's deployment, a roll that fails, a property that is not ours. A last test holds that no
//! switch was forgotten. What a story does not come to has tests of its own: [`limits`], [`accounts`], and
//! `patch_during_roll_conflicts` in `scenarios::rolling`.

mod accounts;
mod applications;
mod aws;
mod cloudhub;
mod hybrid;
mod limits;
mod secrets;
mod stores;
mod switches;
