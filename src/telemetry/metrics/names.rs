//! Every metric: its name and what it means.

macro_rules! names {
    ($($variant:ident = $name:literal, $help:literal;)+) => {
        /// A metric of the relay.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Name {
            $(#[doc = concat!("`", $name, "`: ", $help)] $variant,)+
        }

        impl Name {
            /// Every metric, in the order of the table.
            pub const ALL: &'static [Name] = &[$(Name::$variant,)+];

            /// The name as Prometheus stores it.
            pub fn as_str(self) -> &'static str {
                match self { $(Name::$variant => $name,)+ }
            }

            /// What it means, in one sentence without a full stop.
            pub fn help(self) -> &'static str {
                match self { $(Name::$variant => $help,)+ }
            }
        }
    };
}

names! {
    StaleSeconds = "relay_target_stale_seconds",
        "How long AWS has been ahead of the target; 0 when it is not";
    Outcome = "relay_target_outcome",
        "1 for how the target's last run ended, 0 for the other outcomes";
    Runs = "relay_runs_total",
        "Runs by target kind and outcome";
    RunDuration = "relay_run_duration_seconds",
        "How long a run held a worker";
    Writes = "relay_writes_total",
        "Writes to targets by kind and result";
    ForeignWrites = "relay_foreign_writes_total",
        "Times that the target was found changed by somebody else";
    Corrections = "relay_reconcile_corrections_total",
        "Changes in AWS that reached the target although only the reconcile found them";
    RotationToConfirmed = "relay_rotation_to_confirmed_seconds",
        "From the change in AWS to the proof at the target; a first delivery does not count";
    EventToConfirmed = "relay_event_to_confirmed_seconds",
        "From the first notification of a change in AWS to the proof at the target";
    Alerts = "relay_alerts_total",
        "Alerts about stale targets by kind and what became of them";
    Notifications = "relay_notifications_total",
        "Notifications by route and what became of them";
    Refused = "relay_refused_total",
        "Requests that did not prove who sent them, by route and reason";
    RotationAlerts = "relay_rotation_alerts_total",
        "Rotations that AWS reported as failed or abandoned";
    QueueKeys = "relay_queue_keys",
        "Targets by where they stand in the queue";
    AuditEntries = "relay_audit_entries_total",
        "Entries that were written to the audit";
    AuditLost = "relay_audit_lost_total",
        "Entries that the audit lost because they could not be written";
    AuditHead = "relay_audit_head",
        "The number of the audit's last entry when the head was last shown; the label is that head";
    CertificateNotAfter = "relay_certificate_not_after_timestamp_seconds",
        "The end of the certificate that a listener shows, in seconds since 1970";
    TraceSpans = "relay_trace_spans_total",
        "Spans of traces by what became of them";
    Requests = "relay_requests_total",
        "Requests to the relay by route and class of answer";
    BuildInfo = "relay_build_info",
        "Always 1; the label tells the version";
}
