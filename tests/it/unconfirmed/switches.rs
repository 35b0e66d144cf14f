//! The switches, each with the story that it could change.

use anypoint_sandbox::anypoint::{EmptySecure, HiddenView, Rules};

use super::applications;
use super::{cloudhub, hybrid, secrets, stores};

/// How far an application can be proved to run with what was written.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Proof {
    Proved,
    /// Anypoint shows too little: no outcome may say more than `accepted`.
    NotShown,
}

macro_rules! switches {
    ($($name:ident: $proof:ident $(| $story:ident)+ = $value:expr;)+) => {
        $(mod $name {
            use super::*;

            fn turned(rules: &mut Rules) {
                let before = format!("{rules:?}");
                rules.$name = $value;
                assert_ne!(format!("{rules:?}"), before, "the switch stood there already");
            }

            $(#[tokio::test]
            async fn $story() {
                $story::story(turned, Proof::$proof).await;
            })+
        })+

        /// Every switch in here.
        const TURNED: &[&str] = &[$(stringify!($name)),+];
    };
}

switches! {
    expires_in_absent: Proved | applications | secrets | stores = true;
    login_limit_answers_429: Proved | applications | secrets | stores = true;
    not_found_before_unauthorized: Proved | applications | secrets | stores = true;

    blob_must_be_base64: Proved | secrets = true;
    store_parts_as_specified: Proved | stores = true;
    ca_path_certificate: Proved | stores = true;
    pem_key_needs_passphrase: Proved | stores = true;
    post_answers_200: Proved | secrets | stores = true;
    put_answers_204: Proved | secrets | stores = true;
    modified_at_is_iso: Proved | secrets | stores = true;
    group_state_at_top_level: Proved | secrets | stores = true;
    old_error_bodies: Proved | applications | secrets | stores = true;
    errors_echo_values: Proved | applications | secrets | stores = true;

    mask_is_kept: Proved | applications | cloudhub = true;
    maps_replaced_together: Proved | applications = false;
    same_maps_start_a_roll: Proved | applications = false;
    patch_answers_202: Proved | applications = true;
    versions_absent: NotShown | applications = true;
    replicas_absent: Proved | applications = true;
    secure_when_empty: Proved | applications = EmptySecure::Null;
    dates_as_epoch_millis: Proved | applications = true;
    list_has_no_status: Proved | applications = true;
    lowercase_secureproperties: Proved | applications = true;
    settled_is_called_started: NotShown | applications = true;
    failure_is_called_deployment_failed: Proved | applications = true;
    stopped_is_shown_at_top: Proved | applications = true;
    status_lags: Proved | applications | cloudhub | hybrid = 2;
    failed_roll_reverts_spec: Proved | applications = true;
    fallback_fails: Proved | applications | cloudhub | hybrid = true;
    patch_during_roll_conflicts: Proved | applications = true;

    hidden_view: Proved | cloudhub = HiddenView::Empty;
    sent_properties_merge: Proved | cloudhub | hybrid = true;
    update_status_absent: NotShown | cloudhub = true;
    restart_is_unknown: Proved | cloudhub = true;
    restart_answers_304: Proved | cloudhub = true;
    hybrid_properties_hidden: NotShown | hybrid = true;
    hybrid_answers_without_data: Proved | hybrid = true;
    hybrid_progress_is_desired: Proved | hybrid = true;
    hybrid_patch_answers_200: Proved | hybrid = true;

    limit_answers_503: Proved | applications = true;
    limit_headers: Proved | applications = true;

    secret_value_endpoint: Proved | secrets = true;
}

/// Switches with a test of their own and no story, which does not come to them.
const ALONE: [&str; 1] = ["expired_is_refused"];

/// Switches that a relay cannot notice, with the reason. The stories hold that it is so.
const INERT: [(&str, &str); 1] = [("started_again_rolls", "no state is ever asked for")];

#[tokio::test]
async fn no_switch_is_turned_for_applications() {
    applications::story(|_| {}, Proof::Proved).await;
}

#[tokio::test]
async fn no_switch_is_turned_for_cloudhub() {
    cloudhub::story(|_| {}, Proof::Proved).await;
}

#[tokio::test]
async fn no_switch_is_turned_for_hybrid() {
    hybrid::story(|_| {}, Proof::Proved).await;
}

#[tokio::test]
async fn hidden_values_of_which_nothing_is_shown() {
    cloudhub::story(|rules| rules.hidden_view = HiddenView::Absent, Proof::Proved).await;
}

#[tokio::test]
async fn no_switch_is_turned_for_secrets() {
    secrets::story(|_| {}, Proof::Proved).await;
}

#[tokio::test]
async fn no_switch_is_turned_for_stores() {
    stores::story(|_| {}, Proof::Proved).await;
}

#[tokio::test]
async fn an_absent_map_of_secure_properties() {
    applications::story(|rules| rules.secure_when_empty = EmptySecure::Absent, Proof::Proved).await;
}

#[test]
fn every_switch_is_turned_or_known_to_be_inert() {
    let all = format!("{:?}", Rules::default());
    let inside = all.trim_start_matches("Rules { ").trim_end_matches(" }");
    let mut named: Vec<&str> = inside.split(", ").map(|field| field.split(':').next().unwrap()).collect();
    // A switch in two lists would be there twice.
    let lists = TURNED.iter().copied().chain(ALONE).chain(INERT.map(|(name, _)| name));
    let mut known: Vec<&str> = lists.collect();
    named.sort_unstable();
    known.sort_unstable();
    assert_eq!(named, known);
}
