//! What a connected app can see, for a person to choose from (`init`): its organization, and the environments
//! of an organization. Applications are listed by the platform that runs them ([`super::kinds::application`]).
//!
//! Only GETs that MuleSoft's own command line makes; nothing is written, and no value is asked for.

use super::call::{Call, Family, Path, Purpose, Verb};
use super::connection::Connection;
use super::error::bad_answer;
use super::lookup::Listing;
use crate::anypoint::body::Parsed;
use crate::model::Failure;

/// Something that Anypoint lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What people call it; not always unique.
    pub name: String,
    /// What Anypoint calls it.
    pub id: String,
    /// The server, cluster or group that has it, where there is one.
    pub server: Option<String>,
}

/// A list.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// What the answer shows.
    pub items: Vec<Listed>,
    /// There is more than it shows.
    pub partial: bool,
}

impl Connection {
    /// The organization that the connected app belongs to.
    pub async fn own_organization(&self) -> Result<String, Failure> {
        let purpose = purpose("asking for the app's organization", "to see itself");
        let doing = purpose.doing.clone();
        let reply = self.send(get(Path::new(["accounts", "api", "me"]), Family::Accounts, purpose)).await?;
        let parsed = Parsed::from_slice(reply.body.expose_bytes());
        let id = parsed.as_ref().and_then(|parsed| {
            let places = ["/client/org_id", "/user/organization/id"];
            places.iter().find_map(|place| parsed.value().pointer(place)?.as_str())
        });
        id.map(str::to_owned).ok_or_else(|| bad_answer(&doing, "the answer names no organization"))
    }

    /// The environments of an organization.
    pub async fn environments(&self, organization: &str) -> Result<List, Failure> {
        let path = Path::new(["accounts", "api", "organizations", organization, "environments"]);
        let purpose = purpose("listing the environments", "View Environment (view:environment)");
        self.list(get(path, Family::Accounts, purpose)).await
    }

    /// Makes a call whose answer is a list.
    pub(super) async fn list(&self, call: Call) -> Result<List, Failure> {
        let doing = call.purpose.doing.clone();
        let reply = self.send(call).await?;
        Listing::parse(reply.body.expose_bytes())
            .map(Listing::into_list)
            .ok_or_else(|| bad_answer(&doing, "the answer is not a list"))
    }
}

fn purpose(doing: &str, scope: &'static str) -> Purpose {
    Purpose { doing: doing.to_owned(), scope, settings: "the organization's id".to_owned() }
}

fn get(path: Path, family: Family, purpose: Purpose) -> Call {
    Call { verb: Verb::Get, path, family, body: None, purpose }
}
