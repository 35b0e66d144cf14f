//! Secrets Manager's protocol, awsJson 1.1: the operation is in `X-Amz-Target`, errors have a `__type`.

use std::sync::Arc;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::store::{CURRENT, Change, Stored, Version};
use super::{Denied, Operation, Store, Value};
use crate::aws::Core;
use crate::aws::caller::Caller;
use crate::aws::failure::{Failure, respond};

/// Most secrets of one page.
const LISTED: u64 = 100;

type Outcome = Result<(Json, Vec<Change>), Failure>;

/// Answers one call.
pub(crate) fn serve(core: &Arc<Core>, caller: &Caller, operation: &str, body: &[u8]) -> Response<Body> {
    match call(core, caller, operation, body) {
        Ok((answer, changes)) => {
            core.announce(&changes);
            respond(StatusCode::OK, "application/x-amz-json-1.1", answer.to_string())
        }
        Err(failure) => failure.json(),
    }
}

fn call(core: &Arc<Core>, caller: &Caller, operation: &str, body: &[u8]) -> Outcome {
    let input: Map<String, Json> = serde_json::from_slice(body)
        .map_err(|_| Failure::sender("SerializationException", "the body is no JSON object"))?;
    let mut store = core.secrets.lock();
    if store.throttled > 0 {
        store.throttled -= 1;
        return Err(Failure::sender("ThrottlingException", "Rate exceeded"));
    }
    let request = Request { caller, input: &input };
    match operation {
        "BatchGetSecretValue" => request.batch(&mut store),
        "CreateSecret" => request.create(&mut store),
        "DescribeSecret" => request.describe(&mut store),
        "GetSecretValue" => request.get(&mut store),
        "ListSecretVersionIds" => request.list_versions(&mut store),
        "ListSecrets" => request.list(&mut store),
        "PutSecretValue" => request.put(&mut store),
        "UpdateSecretVersionStage" => request.move_label(&mut store),
        _ => Err(Failure::sender("UnknownOperationException", "the sandbox does not have this operation")),
    }
}

struct Request<'a> {
    caller: &'a Caller,
    input: &'a Map<String, Json>,
}

impl Request<'_> {
    fn get(&self, store: &mut Store) -> Outcome {
        let secret = self.secret(store, self.required("SecretId")?)?;
        Ok((self.value_of(secret, self.text("VersionId"), self.text("VersionStage"))?, Vec::new()))
    }

    fn batch(&self, store: &mut Store) -> Outcome {
        let (mut values, mut errors) = (Vec::new(), Vec::new());
        let ids = self.input.get("SecretIdList").and_then(Json::as_array).ok_or_else(|| {
            Failure::sender("InvalidParameterException", "the sandbox takes SecretIdList alone")
        })?;
        if ids.len() > 20 {
            return Err(Failure::sender("InvalidParameterException", "at most 20 secrets"));
        }
        for id in ids.iter().filter_map(Json::as_str) {
            match self.secret(store, id).and_then(|secret| self.value_of(secret, None, None)) {
                Ok(value) => values.push(value),
                Err(Failure { code, message, .. }) => {
                    errors.push(json!({"SecretId": id, "ErrorCode": code, "Message": message}));
                }
            }
        }
        Ok((json!({"SecretValues": values, "Errors": errors}), Vec::new()))
    }

    fn describe(&self, store: &mut Store) -> Outcome {
        let secret = self.secret(store, self.required("SecretId")?)?;
        secret.reads.describe += 1;
        if secret.denied == Some(Denied::Access) {
            return Err(self.denied("DescribeSecret", &secret.arn));
        }
        let view = secret.seen_by(Operation::Describe);
        let stages: Map<String, Json> = view
            .versions
            .iter()
            .filter(|version| !version.stages.is_empty())
            .map(|version| (version.id.clone(), json!(version.stages)))
            .collect();
        let mut answer = json!({
            "ARN": secret.arn,
            "Name": secret.name,
            "CreatedDate": epoch(secret.created),
            "LastChangedDate": epoch(view.changed),
            "RotationEnabled": secret.rotation_enabled,
            "VersionIdsToStages": stages,
        });
        for (name, date) in [("LastRotatedDate", view.rotated), ("DeletedDate", secret.deleted)] {
            if let Some(date) = date {
                answer[name] = epoch(date);
            }
        }
        Ok((answer, Vec::new()))
    }

    fn list_versions(&self, store: &mut Store) -> Outcome {
        let secret = self.secret(store, self.required("SecretId")?)?;
        secret.reads.list_versions += 1;
        if secret.denied == Some(Denied::Access) {
            return Err(self.denied("ListSecretVersionIds", &secret.arn));
        }
        let all = self.input.get("IncludeDeprecated").and_then(Json::as_bool).unwrap_or(false);
        let view = secret.seen_by(Operation::Describe);
        let versions: Vec<Json> = view
            .versions
            .iter()
            .filter(|version| all || !version.stages.is_empty())
            .map(|version| {
                json!({
                    "VersionId": version.id,
                    "VersionStages": version.stages,
                    "CreatedDate": epoch(version.created),
                })
            })
            .collect();
        Ok((json!({"ARN": secret.arn, "Name": secret.name, "Versions": versions}), Vec::new()))
    }

    /// The caller's own secrets in its region, by name. Those that are about to be deleted are not shown.
    fn list(&self, store: &mut Store) -> Outcome {
        store.lists += 1;
        if store.list_denied {
            return Err(self.denied("ListSecrets", "*"));
        }
        let most = self.input.get("MaxResults").map_or(Some(LISTED), Json::as_u64);
        let most = most.filter(|most| (1..=LISTED).contains(most)).ok_or_else(|| {
            Failure::sender("InvalidParameterException", "MaxResults must be from 1 to 100")
        })?;
        let from: usize = match self.text("NextToken") {
            None => 0,
            Some(token) => token.parse().map_err(|_| {
                Failure::sender("InvalidNextTokenException", "The NextToken value is invalid.")
            })?,
        };
        let mut all = store.of(&self.caller.region, &self.caller.account);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        let page: Vec<Json> = all
            .iter()
            .skip(from)
            .take(usize::try_from(most).unwrap_or(usize::MAX))
            .map(|secret| listed(secret))
            .collect();
        let next = from + page.len();
        let mut answer = json!({ "SecretList": page });
        if next < all.len() {
            answer["NextToken"] = json!(next.to_string());
        }
        Ok((answer, Vec::new()))
    }

    fn put(&self, store: &mut Store) -> Outcome {
        let secret = self.secret(store, self.required("SecretId")?)?;
        let stages: Vec<String> = match self.input.get("VersionStages").and_then(Json::as_array) {
            Some(stages) => stages.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            None => vec![CURRENT.to_owned()],
        };
        let id = self.required("ClientRequestToken")?;
        let mut changes = secret.put(id, self.value()?, &stages)?;
        self.name_as_called(&mut changes);
        let stages = secret.now().version(id).map(|version| version.stages.clone());
        let answer =
            json!({"ARN": secret.arn, "Name": secret.name, "VersionId": id, "VersionStages": stages});
        Ok((answer, changes))
    }

    fn move_label(&self, store: &mut Store) -> Outcome {
        let secret = self.secret(store, self.required("SecretId")?)?;
        let mut changes = secret.move_label(
            self.required("VersionStage")?,
            self.text("MoveToVersionId"),
            self.text("RemoveFromVersionId"),
        )?;
        self.name_as_called(&mut changes);
        Ok((json!({"ARN": secret.arn, "Name": secret.name}), changes))
    }

    fn create(&self, store: &mut Store) -> Outcome {
        let name = self.required("Name")?;
        if store.find(&self.caller.region, &self.caller.account, name).is_some() {
            return Err(Failure::sender(
                "ResourceExistsException",
                &format!("The operation failed because the secret {name} already exists."),
            ));
        }
        let mut secret = Stored::new(&self.caller.region, &self.caller.account, name);
        let id = self.required("ClientRequestToken")?;
        let changes = secret.put(id, self.value()?, &[CURRENT.to_owned()])?;
        let changes = store.of_creation(&secret, id, changes);
        let answer = json!({"ARN": secret.arn, "Name": name, "VersionId": id});
        store.insert(secret);
        Ok((answer, changes))
    }

    fn value_of(&self, secret: &mut Stored, id: Option<&str>, label: Option<&str>) -> Result<Json, Failure> {
        secret.reads.get += 1;
        match secret.denied {
            None => {}
            Some(Denied::Access) => return Err(self.denied("GetSecretValue", &secret.arn)),
            Some(Denied::Kms) => {
                return Err(Failure::sender("AccessDeniedException", "Access to KMS is not allowed"));
            }
            Some(Denied::Decryption) => {
                return Err(Failure::sender(
                    "DecryptionFailure",
                    "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
                ));
            }
        }
        secret.refuse_deleted()?;
        let view = secret.seen_by(Operation::Get);
        let version = match (id, label) {
            (Some(id), _) => view.version(id),
            (None, label) => view.labelled(label.unwrap_or(CURRENT)),
        };
        let Some(version) = version else {
            let what = match (id, label) {
                (Some(id), _) => format!("VersionId: {id}"),
                (None, label) => format!("staging label: {}", label.unwrap_or(CURRENT)),
            };
            let text = format!("Secrets Manager can't find the specified secret value for {what}");
            return Err(Failure::sender("ResourceNotFoundException", &text));
        };
        if let (Some(_), Some(label)) = (id, label)
            && !version.stages.iter().any(|stage| stage == label)
        {
            return Err(Failure::sender(
                "InvalidRequestException",
                "You provided a VersionStage that is not associated to the provided VersionId.",
            ));
        }
        Ok(self::shown(secret, version))
    }

    fn secret<'s>(&self, store: &'s mut Store, id: &str) -> Result<&'s mut Stored, Failure> {
        store.find(&self.caller.region, &self.caller.account, id).ok_or_else(|| {
            Failure::sender("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        })
    }

    fn value(&self) -> Result<Value, Failure> {
        let refused = |text: &str| Failure::sender("InvalidParameterException", text);
        match (self.text("SecretString"), self.text("SecretBinary")) {
            (Some(text), None) => Ok(Value::Text(text.to_owned())),
            (None, Some(bytes)) => {
                BASE64.decode(bytes).map(Value::Binary).map_err(|_| refused("SecretBinary is no base64"))
            }
            _ => Err(refused("You must provide either SecretString or SecretBinary.")),
        }
    }

    fn required(&self, name: &str) -> Result<&str, Failure> {
        self.text(name).ok_or_else(|| {
            Failure::sender(
                "ValidationException",
                &format!("Value null at '{name}' failed to satisfy constraint"),
            )
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.input.get(name).and_then(Json::as_str)
    }

    /// CloudTrail shows the `secretId` that the caller wrote.
    fn name_as_called(&self, changes: &mut [Change]) {
        for change in changes {
            if let Change::Call { parameters, .. } = change {
                parameters["secretId"] = json!(self.text("SecretId"));
            }
        }
    }

    fn denied(&self, operation: &str, arn: &str) -> Failure {
        let user = &self.caller.arn;
        Failure::sender(
            "AccessDeniedException",
            &format!(
                "User: {user} is not authorized to perform: secretsmanager:{operation} on resource: {arn} \
                 because no identity-based policy allows the secretsmanager:{operation} action"
            ),
        )
    }
}

/// An entry of a list: what DescribeSecret shows, without versions that nobody asked for.
fn listed(secret: &Stored) -> Json {
    let now = secret.now();
    let mut entry = json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "CreatedDate": epoch(secret.created),
        "LastChangedDate": epoch(now.changed),
        "RotationEnabled": secret.rotation_enabled,
    });
    if let Some(rotated) = now.rotated {
        entry["LastRotatedDate"] = epoch(rotated);
    }
    if let Some(service) = &secret.owning_service {
        entry["OwningService"] = json!(service);
    }
    entry
}

fn shown(secret: &Stored, version: &Version) -> Json {
    let mut answer = json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version.id,
        "VersionStages": version.stages,
        "CreatedDate": epoch(version.created),
    });
    match &*version.value {
        Value::Text(text) => answer["SecretString"] = json!(text),
        Value::Binary(bytes) => answer["SecretBinary"] = json!(BASE64.encode(bytes)),
    }
    answer
}

/// Seconds since 1970 with three decimals.
fn epoch(at: Timestamp) -> Json {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of our time fit into 53 bits")]
    let seconds = at.as_millisecond() as f64 / 1000.0;
    json!(seconds)
}
