//! The way to Anypoint: several environments, the bounds of what is sent, proxies and certificates, and the
//! rotation of the connected app's own secret.

mod channel;
mod environments;
mod rotation;
