//! `rates`: how many requests a second each API of a control plane gets.
//!
//! Anypoint counts per client address, so a rate holds for all connections to one host together.

use super::decode::Value;

/// Requests per second, by API.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Access Management: tokens.
    pub accounts: f64,
    /// Application Manager: CloudHub 2.0 and Runtime Fabric.
    pub application_manager: f64,
    /// Secrets Manager.
    pub secrets_manager: f64,
    /// The call of the kind `secret_value`.
    pub secrets: f64,
}

impl Rates {
    /// What the Application Manager takes from one client address (CloudHub 2.0 limits page).
    pub const APPLICATION_MANAGER_LIMIT: f64 = 15.0;
    /// For an API whose limit is not published.
    const UNPUBLISHED: f64 = 20.0;
    /// Highest rate where no limit is published.
    const HIGHEST: f64 = 1000.0;
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            // 300 a minute; MuleSoft's knowledge base (001116018) tells of a limit of 500 logins a minute.
            accounts: 5.0,
            // Room for other users of the address, and for a small burst.
            application_manager: 12.0,
            secrets_manager: Self::UNPUBLISHED,
            secrets: Self::UNPUBLISHED,
        }
    }
}

/// `here`: the connection leads to this machine, so to an emulator or a fake with limits of its own.
pub(super) fn rates(here: bool) -> impl Fn(&Value<'_>) -> Option<Rates> {
    move |value| {
        let usual = Rates::default();
        let mut fields = value.fields("`rates`")?;
        let rates = Rates {
            accounts: fields.or("accounts", usual.accounts, per_second(None)),
            application_manager: fields.or("application_manager", usual.application_manager, |value| {
                if !here {
                    return per_second(Some(Rates::APPLICATION_MANAGER_LIMIT))(value);
                }
                let rate = per_second(None)(value)?;
                if rate > Rates::APPLICATION_MANAGER_LIMIT {
                    value.warn(format!(
                        "more than the {} per second that Anypoint takes from one address: right for an \
                         emulator on this machine, not for a proxy to Anypoint",
                        Rates::APPLICATION_MANAGER_LIMIT
                    ));
                }
                Some(rate)
            }),
            secrets_manager: fields.or("secrets_manager", usual.secrets_manager, per_second(None)),
            secrets: fields.or("secrets", usual.secrets, per_second(None)),
        };
        fields.finish();
        Some(rates)
    }
}

/// A rate up to what Anypoint takes, where that is published.
fn per_second(published: Option<f64>) -> impl Fn(&Value<'_>) -> Option<f64> {
    move |value| {
        let highest = published.unwrap_or(Rates::HIGHEST);
        let what = format!("a number of requests per second between 0.1 and {highest}");
        match (value.text(&what)?.parse::<f64>(), published) {
            (Ok(rate), _) if (0.1..=highest).contains(&rate) => Some(rate),
            (Ok(rate), Some(limit)) if rate > limit => value.refuse(format!(
                "expected {what}, found {}; Anypoint refuses more than {limit} per second from one address",
                value.found()
            )),
            _ => value.expected(&what),
        }
    }
}
