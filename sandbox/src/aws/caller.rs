//! Who calls: read from the SigV4 credential scope. The signature itself is not checked.

use http::HeaderMap;

use super::Failure;
use super::sts::Sts;

/// The caller of a signed request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) access_key: String,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) arn: String,
}

/// The credential scope of a signed request.
pub(crate) struct Scope<'a> {
    access_key: &'a str,
    region: &'a str,
    /// The service that the request is signed for, e.g. `sns`.
    pub(crate) service: &'a str,
}

impl<'a> Scope<'a> {
    /// From `Authorization: AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, ...`.
    pub(crate) fn of(headers: &'a HeaderMap) -> Result<Self, Failure> {
        let missing =
            || Failure::sender("MissingAuthenticationToken", "Request is missing Authentication Token");
        let header = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credential = header
            .and_then(|value| value.strip_prefix("AWS4-HMAC-SHA256 Credential="))
            .and_then(|value| value.split([',', ' ']).next())
            .ok_or_else(missing)?;
        let mut scope = credential.split('/');
        let (Some(access_key), Some(_date), Some(region), Some(service), Some("aws4_request")) =
            (scope.next(), scope.next(), scope.next(), scope.next(), scope.next())
        else {
            return Err(missing());
        };
        Ok(Self { access_key, region, service })
    }

    /// The caller behind the access key, unless it is refused.
    pub(crate) fn identify(&self, sts: &Sts, account: &str) -> Result<Caller, Failure> {
        let (account, arn) = sts.identity(self.access_key, account)?;
        let (access_key, region) = (self.access_key.to_owned(), self.region.to_owned());
        Ok(Caller { access_key, region, account, arn })
    }
}
