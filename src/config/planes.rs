//! The control planes of Anypoint, to tell a slip of the pen from a plane.
//!
//! A host that is none of them is allowed: MuleSoft opens new ones. But client id and secret go there.

use super::decode::{Value, did_you_mean};

/// US, EU, Government, Canada, Japan (MuleSoft's OpenAPI files and its control-plane pages).
const PLANES: [&str; 5] = [
    "anypoint.mulesoft.com",
    "eu1.anypoint.mulesoft.com",
    "gov.anypoint.mulesoft.com",
    "ca1.platform.mulesoft.com",
    "jp1.platform.mulesoft.com",
];
/// Where further regions are: `{region}.platform.mulesoft.com`.
const FURTHER: &str = ".platform.mulesoft.com";

/// Warns of a host that is no known control plane. `name` is in lower case.
pub(super) fn check(host: &Value<'_>, name: &str) {
    let region = name.strip_suffix(FURTHER).filter(|region| !region.contains('.'));
    if PLANES.contains(&name) || region.is_some() {
        return;
    }
    host.warn(format!(
        "no known control plane of Anypoint ({}, <region>{FURTHER}; a gateway of your own is a `base_url`), \
         and the connected app's secret goes there{}",
        PLANES.join(", "),
        did_you_mean(name, &PLANES),
    ));
}
