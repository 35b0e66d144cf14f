//! The table in `anypoint_sandbox::anypoint` is what the fake holds to: each of its rules is shown by tests, and
//! each of its switches is turned by one of these.

use std::collections::{BTreeMap, BTreeSet};

/// How each rule begins, and the tests that show it.
const SHOWN_BY: &str = "
- a token is = a_token_is_minted_from_a_json_body a_token_is_minted_from_a_form
- `expires_in` in seconds = a_token_is_minted_from_a_json_body expires_in_may_be_missing
- `me` tells the = an_app_sees_its_organization_and_the_environments_of_it
- over the login = over_the_login_limit_the_answer_is_503_and_at_capacity
  over_the_login_limit_the_answer_may_be_429_with_a_reset
- no token: 401 = an_expired_or_revoked_token_is_refused
  an_unknown_environment_is_not_found_once_the_token_is_good
  an_unknown_environment_may_be_told_before_the_token_is_looked_at a_missing_scope_is_forbidden
- a value is = put_replaces_the_value_and_the_history_keeps_both put_needs_every_field_of_the_type
  patch_renames_and_re_dates_but_cannot_change_a_value
- PUT without `expirationDate` = put_without_a_date_moves_the_expiry_to_a_year_from_now
- a PUT may = a_put_with_a_date_that_has_passed_is_taken_or_refused_as_expired
- the type of = put_needs_every_field_of_the_type a_vdp_context_cannot_be_replaced
- lengths 64, 136 = lengths_are_counted_in_characters_and_limited_by_type
  names_follow_the_pattern_and_are_unique_in_a_group
- `content` of a = a_blob_may_have_to_be_base64
- a store is = an_upload_replaces_a_store_and_never_comes_out
  what_is_no_certificate_no_form_or_of_another_type_is_refused
- sizes 4,096 (certificate) = each_type_has_its_parts_and_sizes a_truststore_takes_fifteen_certificates
- parts `keyStore`, `trustStore` = the_file_of_a_store_has_one_of_two_names
- the chain is = the_chain_has_one_of_two_names_and_the_other_is_passed_over
- `keyPassphrase` of a = a_pem_keystore_may_need_the_passphrase_of_its_key
- a store without = without_a_date_a_store_lives_as_long_as_its_certificate
- an expired certificate = an_expired_certificate_is_refused_unless_it_is_allowed
- a deployment is = an_application_is_found_in_its_own_environment_only
- values never come = a_value_goes_in_and_never_comes_out
- `modifiedAt` is = modified_at_has_seconds_and_moves_with_a_write
- `currentState` of a = a_busy_group_refuses_changes_and_says_why_in_its_state
- a group that = a_busy_group_refuses_changes_and_says_why_in_its_state a_busy_group_takes_no_upload
  a_busy_group_takes_nothing_new
- errors are = put_needs_every_field_of_the_type error_bodies_may_be_of_the_older_shape
- an error may = an_error_may_repeat_the_value_that_it_refuses a_refused_value_may_be_repeated_in_the_error
- 25 groups = quotas_answer_402 a_full_group_takes_nothing_more_of_any_kind
- a POST creates = a_post_answers_with_the_id_of_what_it_made a_name_is_taken_once_in_a_group
  a_post_that_lands_late_finds_its_name_taken a_store_is_made_by_the_form_that_replaces_it
- a secret is created = the_scope_that_writes_a_secret_makes_one_and_no_group
- any number of = requests_may_be_limited_too
- DELETE of a = a_secret_cannot_be_deleted_but_an_environment_can
- a create answers = a_value_goes_in_and_never_comes_out put_replaces_the_value_and_the_history_keeps_both
  successes_may_have_other_codes
- when either map = a_patch_of_one_map_drops_the_other a_patch_of_one_map_may_leave_the_other
  a_patch_without_maps_leaves_both
- secure values are = a_settled_deployment_shows_masks_versions_and_replicas
  no_secure_properties_may_look_in_three_ways
- asterisks sent back = asterisks_sent_back_replace_the_value asterisks_sent_back_may_keep_the_value
  asterisks_sent_back_are_stored_unless_they_are_kept
- requests may say = the_lower_case_name_is_read_too the_shape_of_a_deployment_may_differ
- 300 properties = properties_are_limited_in_number_and_length
- a PATCH makes = a_write_is_recorded_with_its_author equal_maps_start_a_roll_unless_they_do_not
- 200 with the = a_patch_of_one_map_drops_the_other a_patch_may_answer_202
- APPLYING, then APPLIED = a_roll_replaces_replicas_one_after_another a_roll_ends_by_itself_after_its_time
  the_shape_of_a_deployment_may_differ the_status_may_lag_behind_a_write
- a failed roll = after_a_failed_roll_the_specification_is_new_and_the_replicas_are_old
  a_failed_roll_may_take_the_specification_back the_way_back_may_fail_too
- STARTED on a = starting_a_started_application_is_304_or_a_roll
- the list has = the_list_names_every_deployment_with_its_status
- a stopped application = a_stopped_application_takes_properties_without_a_roll
- dates are ISO = the_shape_of_a_deployment_may_differ
- CloudHub 1.0: GET = hidden_properties_are_named_and_their_values_are_not_shown
  a_json_body_wraps_the_application_and_either_form_needs_its_parts
- the `properties` sent = the_properties_sent_replace_the_stored_ones_unless_they_are_merged
  a_form_without_a_file_deploys_the_same_artifact_with_other_properties_or_the_same
- hidden properties are = hidden_properties_are_named_and_their_values_are_not_shown
  the_properties_sent_replace_the_stored_ones_unless_they_are_merged
- the old version = the_version_before_goes_on_while_the_new_one_starts_and_when_it_fails
- `status: restart` restarts = a_restart_is_a_deployment_of_what_is_stored_where_it_is_known
- 25 requests/s per = over_its_limit_cloudhub_answers_503 the_documented_limit_of_cloudhub_is_twenty_five
- hybrid: a form = a_form_without_a_file_deploys_the_same_artifact_with_other_properties_or_the_same
  json_starts_and_stops
- hybrid: a GET = progress_failure_and_form_of_the_answer_are_shown_in_each_position
- hybrid: `STARTING`, then = progress_failure_and_form_of_the_answer_are_shown_in_each_position
- 15 requests/s per = a_request_over_the_limit_of_a_second_is_refused the_documented_limit_is_fifteen
  the_limit_may_answer_503_with_headers
- another PATCH during = a_patch_during_a_roll_supersedes_it a_patch_during_a_roll_may_be_refused
- `PATCH .../secrets/{id}` = the_call_of_the_seed_document_exists_only_if_switched_on
";

const TABLE: &str = include_str!("../../src/anypoint.rs");
const SWITCHES: &str = include_str!("../../src/anypoint/rules.rs");
const TESTS: [&str; 8] = [
    include_str!("accounts.rs"),
    include_str!("applications.rs"),
    include_str!("cloudhub.rs"),
    include_str!("created.rs"),
    include_str!("hybrid.rs"),
    include_str!("rolls.rs"),
    include_str!("secrets.rs"),
    include_str!("stores.rs"),
];

/// The tests of the contract by name, each with its text.
fn tests() -> BTreeMap<&'static str, &'static str> {
    let all = TESTS.iter().flat_map(|file| file.split("#[tokio::test]\nasync fn ").skip(1));
    all.map(|test| test.split_once("()").unwrap()).collect()
}

/// Each row of the table: its rule, and the names in the column of switches.
fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix('|')).skip(1);
    let row = |row: &'static str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [rule, _section, _source, switch] = cells[..] else { panic!("four cells: {cells:?}") };
        // Every other piece stands between backticks; a link leads to a setting, not to a switch.
        let names = switch.split('`').skip(1).step_by(2).filter(|name| !name.contains(':'));
        (rule, names.collect())
    };
    rows.map(row).collect()
}

#[test]
fn each_rule_of_the_table_is_shown_by_tests_that_turn_its_switches() {
    let contract = tests();
    let mut shown_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in SHOWN_BY.split("\n- ").skip(1) {
        let (rule, names) = line.split_once(" = ").unwrap();
        shown_by.insert(rule, names.split_whitespace().collect());
    }
    for (rule, switches) in rows() {
        let beginning = shown_by.keys().copied().find(|beginning| rule.starts_with(beginning));
        let names = beginning.and_then(|beginning| shown_by.remove(beginning));
        let names = names.unwrap_or_else(|| panic!("name the tests of the rule {rule:?} in SHOWN_BY"));
        let text =
            |name: &&str| *contract.get(name).unwrap_or_else(|| panic!("{name} is no test of the contract"));
        let texts: String = names.iter().map(text).collect();
        for switch in switches {
            assert!(
                texts.contains(&format!("rules.{switch} ")),
                "no test of the rule {rule:?} turns {switch}"
            );
        }
    }
    assert!(shown_by.is_empty(), "the table has no rule that begins so: {shown_by:?}");
}

#[test]
fn each_switch_has_its_rule() {
    let fields = SWITCHES.split("pub struct Rules {").nth(1).unwrap().split("\n}").next().unwrap();
    let fields = fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next());
    let switches: BTreeSet<&str> = rows().into_iter().flat_map(|(_, switches)| switches).collect();
    assert_eq!(fields.collect::<BTreeSet<_>>(), switches);
}
