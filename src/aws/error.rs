//! What an error of the AWS SDK means for a run: class, retry and the next step of a person.
//!
//! Guarantees: texts hold the error code and AWS's own message (shortened to one line), never a
//! response body; a message that the SDK made while parsing a body is not passed on, since it may
//! quote the value.
//!
//! Sources: "Common errors" and the operations' own lists in the API references of Secrets Manager,
//! EventBridge, STS and SNS.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;

use crate::model::{Failure, FailureCode, Retry};

/// AWS's messages for a denied call name the principal and the resource: two ARNs and a sentence.
const MAX_MESSAGE: usize = 500;
const CREDENTIALS_LATE: &str = "AWS credentials could not be had in time";

/// The service that was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    SecretsManager,
    EventBridge,
    Sns,
    Sts,
}

/// What was being done, in the words of a failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) service: Service,
    /// The IAM action.
    pub(super) action: &'static str,
    /// The secret's id or the topic's ARN; of EventBridge, with the noun before it.
    pub(super) subject: &'a str,
    pub(super) region: Option<&'a str>,
    /// The role it was done as; none means the relay's own identity.
    pub(super) role: Option<&'a str>,
}

/// What `error` means.
pub(super) fn failure<E>(error: &SdkError<E, HttpResponse>, call: &Call<'_>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            refused(context.err().code(), context.err().message(), status, call)
        }
        SdkError::TimeoutError(_) => timeout(call),
        SdkError::ResponseError(context) => call.failure(
            FailureCode::BadAnswer,
            Retry::Backoff,
            &format!(
                "the answer (HTTP {}) broke off or is not what AWS sends",
                context.raw().status().as_u16()
            ),
            "if it stays so, look at the proxy or endpoint override between the relay and AWS",
        ),
        SdkError::DispatchFailure(context) => match context.as_connector_error() {
            Some(connector) if connector.is_timeout() => timeout(call),
            Some(connector) => unreached(connector, connector.is_io(), call),
            None => unreached(error, false, call),
        },
        _ => unreached(error, false, call),
    }
}

/// The secret is in its recovery window.
pub(super) fn scheduled_for_deletion(secret: &str) -> Failure {
    Failure::new(
        FailureCode::NotFound,
        Retry::Slowly,
        format!("secret {secret} is scheduled for deletion"),
        format!("restore it (`aws secretsmanager restore-secret --secret-id {secret}`) or remove its source"),
    )
}

/// The secret exists and has no value that production may use.
pub(super) fn no_current_version(secret: &str) -> Failure {
    Failure::new(
        FailureCode::NotFound,
        Retry::Slowly,
        format!("secret {secret} has no version labelled AWSCURRENT"),
        "put a value into the secret, or move the label AWSCURRENT to a version",
    )
}

impl Call<'_> {
    fn failure(&self, code: FailureCode, retry: Retry, what: &str, next_step: &str) -> Failure {
        Failure::new(code, retry, format!("{}: {what}", self.place()), next_step)
    }

    fn place(&self) -> String {
        let noun = match self.service {
            Service::SecretsManager => "secret ",
            Service::EventBridge => "",
            Service::Sns => "topic ",
            Service::Sts => "caller ",
        };
        let region = self.region.map(|region| format!(" in {region}")).unwrap_or_default();
        let role = self.role.map(|role| format!(" as {role}")).unwrap_or_default();
        format!("{noun}{}{region}{role}", self.subject)
    }

    /// Who needs a permission.
    fn principal(&self) -> &str {
        self.role.unwrap_or("the relay's identity")
    }
}

/// AWS answered with an error.
fn refused(code: Option<&str>, message: Option<&str>, status: u16, call: &Call<'_>) -> Failure {
    let message = message.map(one_line).unwrap_or_default();
    let told = match (code.map(one_line), message.as_str()) {
        (Some(code), "") => code,
        (Some(code), message) => format!("{code}: {message}"),
        (None, _) => format!("HTTP {status} without an error code"),
    };
    let fail =
        |code, retry, what: &str, next: &str| call.failure(code, retry, &format!("{what} ({told})"), next);
    let subject = call.subject;
    match code.unwrap_or_default() {
        "AccessDeniedException" | "AccessDenied" | "AuthorizationError" | "AuthorizationErrorException" => {
            // Secrets Manager reports a denied key as a denied call; only the message differs.
            if call.service == Service::SecretsManager && mentions_kms(&message) {
                kms(&fail, call)
            } else {
                let next = format!("{} needs {} on {subject}", call.principal(), call.action);
                fail(FailureCode::Denied, Retry::Slowly, "access denied", &next).lacking(call.action)
            }
        }
        "DecryptionFailure" => kms(&fail, call),
        "KMSThrottling" => fail(
            FailureCode::RateLimited,
            Retry::Backoff,
            "AWS asks to slow down",
            "nothing, if it passes; otherwise look who else uses the topic's key",
        ),
        code if call.service == Service::Sns && code.starts_with("KMS") => {
            let next = format!(
                "{} needs kms:GenerateDataKey and kms:Decrypt on the key of topic {subject}, and the key must be \
                 enabled",
                call.principal()
            );
            fail(FailureCode::Denied, Retry::Slowly, "the topic's key cannot be used", &next)
        }
        "ResourceNotFoundException" if message.contains("staging label") => no_current_version(subject),
        "ResourceNotFoundException" | "NotFound" | "NotFoundException" => fail(
            FailureCode::NotFound,
            Retry::Slowly,
            "it does not exist",
            "check the name, the region and the account; a secret of another account needs its full ARN",
        ),
        "InvalidRequestException" if message.contains("delet") => scheduled_for_deletion(subject),
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => fail(
            FailureCode::Unauthenticated,
            Retry::Backoff,
            "the AWS credentials have expired",
            "renew them (they are read anew at the next try) and check this machine's clock",
        ),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "AuthFailure" => fail(
            FailureCode::Unauthenticated,
            Retry::Backoff,
            "AWS does not accept the credentials",
            "check the access key, this machine's clock, and that the region is enabled for the account",
        ),
        code if is_throttle(code) || status == 429 => fail(
            FailureCode::RateLimited,
            // The SDK has already waited between its own tries, and AWS names no time.
            Retry::Backoff,
            "AWS asks to slow down",
            "nothing, if it passes; otherwise look who else reads secrets in this account and region",
        ),
        _ if status >= 500 => fail(
            FailureCode::Unavailable,
            Retry::Backoff,
            "AWS failed",
            "nothing, if it passes; otherwise look at the AWS Health Dashboard",
        ),
        // AWS always sends a code; something in between does not.
        "" => fail(
            FailureCode::BadAnswer,
            Retry::Backoff,
            "the answer is not what AWS sends",
            "look at the proxy or endpoint override between the relay and AWS",
        ),
        _ => fail(
            FailureCode::Rejected,
            Retry::Never,
            "AWS refused the request",
            "correct what the message names in the configuration or in AWS",
        ),
    }
}

fn mentions_kms(message: &str) -> bool {
    message.contains("KMS") || message.contains("kms:")
}

fn kms(fail: &dyn Fn(FailureCode, Retry, &str, &str) -> Failure, call: &Call<'_>) -> Failure {
    let next = format!(
        "{} needs kms:Decrypt on the key of secret {} (in the key policy too, for a key of another account), \
         and the key must be enabled",
        call.principal(),
        call.subject
    );
    fail(FailureCode::Denied, Retry::Slowly, "AWS may not decrypt the value", &next).lacking("kms:Decrypt")
}

/// Source: the retryable throttling codes of the AWS SDKs' shared retry specification.
fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "LimitExceededException"
            | "SlowDown"
            | "Throttled"
    )
}

fn timeout(call: &Call<'_>) -> Failure {
    call.failure(
        FailureCode::Timeout,
        Retry::Backoff,
        "no answer from AWS in time",
        "check the way to AWS (VPC endpoint, NAT, proxy, security group); `aws.timeout` is the limit",
    )
}

/// No answer came: credentials, DNS, connection, TLS or settings. Only the texts of `io` errors are
/// shown; others may quote the whole request.
fn unreached(error: &(dyn Error + 'static), io: bool, call: &Call<'_>) -> Failure {
    if let Some(error) = find::<CredentialsError>(error) {
        return without_credentials(error, call);
    }
    let unavailable =
        |what: &str, next: &str| call.failure(FailureCode::Unavailable, Retry::Backoff, what, next);
    if let Some(error) = find::<rustls::Error>(error) {
        return unavailable(
            &format!("TLS with AWS failed: {}", one_line(&error.to_string())),
            "behind a proxy that intercepts TLS, name its root certificate in SSL_CERT_FILE",
        );
    }
    let causes = chain(error);
    if io {
        return unavailable(
            &format!("AWS cannot be reached: {causes}"),
            "check DNS and the way to AWS (VPC endpoint, NAT, proxy, security group)",
        );
    }
    // The SDK has no type for it.
    if causes.contains("identity resolver timed out") {
        return credentials(CREDENTIALS_LATE, call);
    }
    unavailable(
        "no request could be sent, or the connection broke",
        "if it stays so, check `aws.endpoint`, the AWS_ENDPOINT_URL variables and the way to AWS",
    )
}

fn without_credentials(error: &CredentialsError, call: &Call<'_>) -> Failure {
    if let Some(SdkError::ServiceError(context)) = find::<SdkError<AssumeRoleError, HttpResponse>>(error) {
        let code = context.err().code().map(one_line).unwrap_or_default();
        let message = context.err().message().map(one_line).unwrap_or_default();
        let role = call.role.unwrap_or("the profile's role");
        let what = format!("role {role} cannot be assumed ({code}: {message})");
        return if code.starts_with("AccessDenied") {
            let next = format!(
                "the relay's identity needs sts:AssumeRole on {role}, and the role's trust policy must name it"
            );
            call.failure(FailureCode::Denied, Retry::Slowly, &what, &next).lacking("sts:AssumeRole")
        } else {
            let next = "check the relay's own credentials and the role's ARN";
            call.failure(FailureCode::Unauthenticated, Retry::Backoff, &what, next)
        };
    }
    // Other providers' texts may hold what a helper process or a local endpoint printed.
    let what = match error {
        CredentialsError::CredentialsNotLoaded(_) => "no AWS credentials are found",
        CredentialsError::ProviderTimedOut(_) => CREDENTIALS_LATE,
        CredentialsError::InvalidConfiguration(_) => "the AWS credentials are set up wrongly",
        _ => "AWS credentials could not be had",
    };
    credentials(what, call)
}

fn credentials(what: &str, call: &Call<'_>) -> Failure {
    call.failure(
        FailureCode::Unauthenticated,
        Retry::Backoff,
        what,
        "give credentials in one of the places that the AWS SDK looks in: AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY; the profile in ~/.aws (AWS_PROFILE); AWS_WEB_IDENTITY_TOKEN_FILE with \
         AWS_ROLE_ARN (EKS); AWS_CONTAINER_CREDENTIALS_* (ECS, EKS Pod Identity); the EC2 instance's role \
         (from a container the metadata service needs a hop limit of 2)",
    )
}

/// The first error of type `T` in the chain of causes, also inside I/O errors, which hide theirs.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| find::<T>(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error and its causes as one line, without repetitions.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    one_line(&text)
}

/// Printable, on one line, of bounded length.
fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect();
    line.truncate(line.trim_end().trim_end_matches('.').len());
    line
}

#[cfg(test)]
mod tests;
