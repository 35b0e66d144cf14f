//! What is not known about the real Anypoint, as switches.
//!
//! Each field is a rule that the reference notes mark "not confirmed", or on which MuleSoft's own
//! sources disagree. The default is the likelier position. A client that is right only in one
//! position of a switch is not right, so suites run with both.
//!
//! Sources: DX = MuleSoft's published OpenAPI files, TF = its Terraform provider, GEN = the specs of
//! its client generator, MMP = the Mule Maven plugin and its recorded answers, CLI = its command
//! line, KB = its knowledge base, docs = docs.mulesoft.com. Section numbers are those of the table in
//! [`crate::anypoint`].

/// How an application without secure properties shows that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptySecure {
    /// `"secureProperties": {}`
    #[default]
    Object,
    /// `"secureProperties": null`
    Null,
    /// The field is not there.
    Absent,
}

/// What a GET of CloudHub 1.0 shows in the place of a hidden value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HiddenView {
    /// Six asterisks.
    #[default]
    Mask,
    /// An empty text.
    Empty,
    /// Nothing; only `propertiesOptions` names it.
    Absent,
}

/// The switches. See the module's notes for the sources.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each one is a question about the real service")]
pub struct Rules {
    // --- accounts (2.1, 2.5) ---
    /// 2.1: the docs' example of a token answer has no `expires_in`; GEN's has one.
    pub expires_in_absent: bool,
    /// 2.5: over the login limit, DX says 429 with `X-RateLimit-*`; KB says 503.
    pub login_limit_answers_429: bool,

    // --- every API (7) ---
    /// 7: an unknown organization or environment is told (404) before the token is looked at (401).
    pub not_found_before_unauthorized: bool,

    // --- Secrets Manager (1) ---
    /// 1.4: a PUT whose `expirationDate` has passed is refused with 409 and `OE-1001` (confirmed for the
    /// grant of an expired secret alone).
    pub expired_is_refused: bool,
    /// 1.3, 7: `content` of a `Blob` is refused unless it is base64.
    pub blob_must_be_base64: bool,
    /// 1.8: DX calls the file of a store `keystore` and `truststore`; CLI and TF say `keyStore` and
    /// `trustStore`. A part that is not known is passed over.
    pub store_parts_as_specified: bool,
    /// 1.8: TF calls the chain of a keystore `caPathCertificate`; DX and CLI say `capath`.
    pub ca_path_certificate: bool,
    /// 1.8: DX asks for `keyPassphrase` in a PEM keystore; CLI and TF may leave it out.
    pub pem_key_needs_passphrase: bool,
    /// 1.2: TF takes 200 for a create where DX says 201.
    pub post_answers_200: bool,
    /// 1.3: TF takes 204 (no body) for an update where DX says 200.
    pub put_answers_204: bool,
    /// 1.5: `2024-07-12T18:00:54Z` instead of `2024-07-12 18:00:54`.
    pub modified_at_is_iso: bool,
    /// 1.5: TF reads `currentState` and the dates of a group at the top level, DX has them in `meta`.
    pub group_state_at_top_level: bool,
    /// 1.6: the older error body of GEN (`errors[].dataPath`, and `{name, message}` for 404).
    pub old_error_bodies: bool,
    /// 1.6: an error text repeats what the refused field contained.
    pub errors_echo_values: bool,

    // --- Application Manager (3c) ---
    /// 3c, 7: six asterisks (or null) sent for a secure property keep its stored value; otherwise the
    /// asterisks themselves are stored, and null drops the property.
    pub mask_is_kept: bool,
    /// 3c, 7: a PATCH with `properties` alone drops the secure ones too (the rule confirmed for the
    /// Maven plugin); otherwise only the map that was sent is replaced.
    pub maps_replaced_together: bool,
    /// 7: a PATCH whose maps equal the stored ones makes a new version and a roll all the same.
    pub same_maps_start_a_roll: bool,
    /// 3c: `desiredState: STARTED` on a started application rolls it (a third party's notes);
    /// otherwise 304 (CLI).
    pub started_again_rolls: bool,
    /// 3c: DX says 200, GEN says 202.
    pub patch_answers_202: bool,
    /// 3c: `desiredVersion` and `lastSuccessfulVersion` are absent.
    pub versions_absent: bool,
    /// 3c: `replicas` is absent.
    pub replicas_absent: bool,
    /// 3c: how the absence of secure properties looks.
    pub secure_when_empty: EmptySecure,
    /// 3c: dates are numbers of milliseconds (MMP's recording) and not ISO text (DX).
    pub dates_as_epoch_millis: bool,
    /// 3c: items of the list carry neither `status` nor `application`.
    pub list_has_no_status: bool,
    /// 3c: the secure map is called `secureproperties` in answers. Requests are read in both spellings.
    pub lowercase_secureproperties: bool,
    /// 3c: a settled deployment says `STARTED` at the top where MMP recorded `APPLIED`.
    pub settled_is_called_started: bool,
    /// 3c: a failed roll says `DEPLOYMENT_FAILED` at the top instead of `FAILED`.
    pub failure_is_called_deployment_failed: bool,
    /// 3c: an application that is stopped or undeployed says so at the top, too, instead of `APPLIED`.
    pub stopped_is_shown_at_top: bool,
    /// 3c: so many GETs after a PATCH still show the status from before it (MMP's loop, which ignores
    /// versions, would take that for success).
    pub status_lags: u32,
    /// 3c: after a failed roll the desired spec is again the last successful one; otherwise it keeps
    /// the new maps while the replicas run the old ones.
    pub failed_roll_reverts_spec: bool,
    /// 3c: the attempt to return to the last successful configuration fails as well: nothing runs.
    pub fallback_fails: bool,
    /// A PATCH while a roll is under way is refused with 409; otherwise it supersedes the roll.
    pub patch_during_roll_conflicts: bool,

    // --- CloudHub 1.0 and hybrid (3b, 3d) ---
    /// 3b, 7: what a GET shows for hidden properties.
    pub hidden_view: HiddenView,
    /// 3b, 3d: properties that are sent are merged into the stored ones (that they replace them is inferred
    /// for CloudHub, and nothing says it for hybrid).
    pub sent_properties_merge: bool,
    /// 3b, 3c: `deploymentUpdateStatus` is never shown (clients read it, no specification has it).
    pub update_status_absent: bool,
    /// 3b: `status: restart` is refused, as DX's list of words has it; CLI uses it.
    pub restart_is_unknown: bool,
    /// 3b: `status: restart` on a started application answers 304 and does nothing.
    pub restart_answers_304: bool,
    /// 3d: a GET does not show the configuration (no example in DX has it).
    pub hybrid_properties_hidden: bool,
    /// 3d: the application stands beside an empty `data` (DX's example) and not in it (MMP, CLI).
    pub hybrid_answers_without_data: bool,
    /// 3d: while it is deployed, `desiredStatus` is `UPDATED` and the last reported status still the one
    /// before (MMP); otherwise the reported status says `STARTING` (DX).
    pub hybrid_progress_is_desired: bool,
    /// 3d: a PATCH answers 200 without a body where the usual is 202 with the application.
    pub hybrid_patch_answers_200: bool,

    // --- limits (2.5, 3c) ---
    /// 2.5: over the limit of a second the answer is 503 and not 429.
    pub limit_answers_503: bool,
    /// 2.5: a refusal over the limit carries `X-RateLimit-Limit`, `-Remaining` and `-Reset`.
    pub limit_headers: bool,

    // --- the seed document's endpoint (5) ---
    /// 5: `PATCH /secrets/api/v1/.../secrets/{id}` exists. No source of MuleSoft's has it.
    pub secret_value_endpoint: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            expires_in_absent: false,
            login_limit_answers_429: false,
            not_found_before_unauthorized: false,
            expired_is_refused: false,
            blob_must_be_base64: false,
            store_parts_as_specified: false,
            ca_path_certificate: false,
            pem_key_needs_passphrase: false,
            post_answers_200: false,
            put_answers_204: false,
            modified_at_is_iso: false,
            group_state_at_top_level: false,
            old_error_bodies: false,
            errors_echo_values: false,
            mask_is_kept: false,
            maps_replaced_together: true,
            same_maps_start_a_roll: true,
            started_again_rolls: false,
            patch_answers_202: false,
            versions_absent: false,
            replicas_absent: false,
            secure_when_empty: EmptySecure::Object,
            dates_as_epoch_millis: false,
            list_has_no_status: false,
            lowercase_secureproperties: false,
            settled_is_called_started: false,
            failure_is_called_deployment_failed: false,
            stopped_is_shown_at_top: false,
            status_lags: 0,
            failed_roll_reverts_spec: false,
            fallback_fails: false,
            patch_during_roll_conflicts: false,
            hidden_view: HiddenView::Mask,
            sent_properties_merge: false,
            update_status_absent: false,
            restart_is_unknown: false,
            restart_answers_304: false,
            hybrid_properties_hidden: false,
            hybrid_answers_without_data: false,
            hybrid_progress_is_desired: false,
            hybrid_patch_answers_200: false,
            limit_answers_503: false,
            limit_headers: false,
            secret_value_endpoint: false,
        }
    }
}
