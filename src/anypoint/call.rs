//! One call to an Anypoint API, as the target kinds describe it: no URL text, no header, no token.

use reqwest::{Method, Url};

use super::body::Body;

/// An API of Anypoint with its own rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `/accounts`: tokens.
    Accounts,
    /// `/secrets-manager`: secret groups and shared secrets.
    SecretsManager,
    /// `/amc/application-manager`: deployments on CloudHub 2.0 and Runtime Fabric.
    ApplicationManager,
    /// `/cloudhub`: applications on CloudHub 1.0.
    CloudHub,
    /// `/hybrid`: applications on hybrid servers.
    Hybrid,
    /// `/secrets`: the call of the seed document.
    Secrets,
}

impl Family {
    /// Whether a 503 says "too many requests": the accounts API over its limit (MuleSoft KB 001116018),
    /// and CloudHub over its own (Runtime Manager documentation).
    pub fn limits_by_503(self) -> bool {
        matches!(self, Family::Accounts | Family::CloudHub)
    }

    /// Every family.
    pub const ALL: [Family; 6] = [
        Family::Accounts,
        Family::SecretsManager,
        Family::ApplicationManager,
        Family::CloudHub,
        Family::Hybrid,
        Family::Secrets,
    ];

    /// The name that people know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::Accounts => "Access Management",
            Family::SecretsManager => "Secrets Manager",
            Family::ApplicationManager => "Application Manager",
            Family::CloudHub => "CloudHub",
            Family::Hybrid => "hybrid Runtime Manager",
            Family::Secrets => "Secrets",
        }
    }
}

/// What is done with the resource. There is no DELETE: with an empty tail the Secrets Manager API
/// would delete a whole environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Replaces.
    Put,
    /// Changes parts.
    Patch,
    /// Creates, or asks for an action.
    Post,
}

impl Verb {
    /// Whether an answer that never came may hide a change.
    pub fn writes(self) -> bool {
        !matches!(self, Verb::Get)
    }
}

impl From<Verb> for Method {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Get => Method::GET,
            Verb::Put => Method::PUT,
            Verb::Patch => Method::PATCH,
            Verb::Post => Method::POST,
        }
    }
}

/// A path as its segments; each is percent-encoded, so an id cannot reach another resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<String>);

impl Path {
    /// Takes the segments unencoded.
    pub fn new<S: Into<String>>(segments: impl IntoIterator<Item = S>) -> Self {
        Self(segments.into_iter().map(Into::into).collect())
    }

    /// The URL below `base`. None where a segment would name another resource (empty, `.`, `..`, or
    /// with control characters, some of which a URL drops), or where `base` cannot carry a path.
    pub fn below(&self, base: &Url) -> Option<Url> {
        let astray = |segment: &String| {
            matches!(segment.as_str(), "" | "." | "..") || segment.contains(char::is_control)
        };
        if self.0.iter().any(astray) {
            return None;
        }
        let mut url = base.clone();
        url.path_segments_mut().ok()?.pop_if_empty().extend(&self.0);
        Some(url)
    }

    /// The segments with `/` between them: a key, not a URL.
    pub fn key(&self) -> String {
        self.0.join("/")
    }
}

/// What a call is for, in the words of its failures.
#[derive(Clone, Debug)]
pub struct Purpose {
    /// `reading deployment orders-api`
    pub doing: String,
    /// The permission that the connected app needs for it.
    pub scope: &'static str,
    /// The settings that lead to the resource, for a 404.
    pub settings: String,
}

/// A call.
pub struct Call {
    /// What is done.
    pub verb: Verb,
    /// To which resource.
    pub path: Path,
    /// Whose limit it counts against.
    pub family: Family,
    /// What is sent; a [`SecretValue`](crate::secret::SecretValue) becomes a JSON body.
    pub body: Option<Body>,
    /// What for.
    pub purpose: Purpose,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(segments: &[&str]) -> Option<String> {
        let base = Url::parse("https://anypoint.mulesoft.com/prefix").unwrap();
        Path::new(segments.iter().copied()).below(&base).map(|url| url.to_string())
    }

    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(
            url(&["a", "x/../y?z#%2e", "b\\c ."]).unwrap(),
            "https://anypoint.mulesoft.com/prefix/a/x%2F..%2Fy%3Fz%23%252e/b%5Cc%20."
        );
    }

    #[test]
    fn segments_that_a_url_would_drop_are_refused() {
        for bad in ["", ".", "..", ".\t.", "\n"] {
            assert_eq!(url(&["secretGroups", bad]), None, "{bad:?}");
        }
    }
}
