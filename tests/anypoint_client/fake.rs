//! A control plane of a few lines: it keeps what it is asked, answers from a small state, and can be
//! told to misbehave. Plain sockets, so that an answer can break off where a test wants it to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

pub(crate) const ORG: &str = "11111111-0000-4000-8000-000000000001";
pub(crate) const ENV: &str = "22222222-0000-4000-8000-000000000002";
const SERVICE: &str = "/application/configuration/mule.agent.application.properties.service";

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

/// What goes back.
#[derive(Clone)]
pub(crate) enum Answer {
    Json(u16, Value),
    /// Status and headers, with the request's own body as text of an error that names a field.
    Echo(u16, Vec<(&'static str, String)>),
    /// A success that ends early.
    Truncated,
    /// The connection closes without a word.
    Reset,
    /// Nothing, until the other side gives up.
    Silence,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) requests: Vec<Request>,
    /// Taken once each, by the first request whose method and path fit.
    pub(crate) faults: VecDeque<(&'static str, &'static str, Answer)>,
    pub(crate) tokens: u32,
    pub(crate) expires_in: u32,
    /// The only client secret that gets a token; none means any.
    pub(crate) client_secret: Option<String>,
    pub(crate) deployment: Value,
    pub(crate) deployment_id: String,
    pub(crate) secret: Value,
    pub(crate) secret_group: String,
    /// What `modifiedAt` becomes with each PUT.
    pub(crate) modified: VecDeque<&'static str>,
}

#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            expires_in: 3600,
            deployment_id: "dep-1".to_owned(),
            deployment: deployment(),
            secret: json!({"name": "orders-db", "type": "UsernamePassword", "username": "app_a",
                "expirationDate": "2027-01-31",
                "meta": {"id": "sec-1", "path": "sharedSecrets/sec-1", "modifiedAt": "2026-03-06 20:00:00"}}),
            secret_group: "Clear".to_owned(),
            modified: ["2026-03-06 20:00:07"].into(),
            ..State::default()
        };
        let fake = Self { address, state: Arc::new(Mutex::new(state)) };
        let serving = fake.clone();
        // It ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let fake = serving.clone();
                std::thread::spawn(move || fake.serve(stream));
            }
        });
        fake
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn fault(&self, method: &'static str, part: &'static str, answer: Answer) {
        self.state().faults.push_back((method, part, answer));
    }

    /// Requests that fit, oldest first.
    pub(crate) fn seen(&self, method: &str, part: &str) -> Vec<Request> {
        self.state().requests.iter().filter(|request| request.is(method, part)).cloned().collect()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let Some(request) = read(&mut reader) else { return };
        let answer = {
            let mut state = self.state();
            state.requests.push(request.clone());
            let fault = state.faults.iter().position(|(method, part, _)| request.is(method, part));
            match fault.and_then(|at| state.faults.remove(at)) {
                Some((.., answer)) => answer,
                None => state.route(&request),
            }
        };
        write(stream, reader, &request, answer);
    }
}

/// A deployment at rest with one clear and one hidden property.
pub(crate) fn deployment() -> Value {
    json!({"id": "dep-1", "name": "orders", "status": "APPLIED",
        "desiredVersion": "v1", "lastSuccessfulVersion": "v1",
        "target": {"deploymentSettings": {"updateStrategy": "recreate"}},
        "application": {"status": "RUNNING", "desiredState": "STARTED", "configuration": {
            "mule.agent.application.properties.service": {"applicationName": "orders",
                "properties": {"db.host": "db.internal"},
                "secureProperties": {"db.user": "******", "db.password": "******"}}}}})
}

impl State {
    fn route(&mut self, request: &Request) -> Answer {
        let deployments =
            format!("/amc/application-manager/api/v2/organizations/{ORG}/environments/{ENV}/deployments");
        let groups = format!("/secrets-manager/api/v1/organizations/{ORG}/environments/{ENV}/secretGroups");
        let deployment = format!("{deployments}/{}", self.deployment_id);
        let secrets = format!("{groups}/grp-1/sharedSecrets");
        let secret = format!("{secrets}/sec-1");
        let path = request.path.as_str();
        match path {
            "/accounts/api/v2/oauth2/token" => return self.mint(request),
            "/flow" => return Answer::Json(200, json!({})),
            _ => {}
        }
        if request.header("x-anypnt-org-id") != ORG || request.header("x-anypnt-env-id") != ENV {
            return Answer::Json(403, json!({"message": "which organization?"}));
        }
        match request.method.as_str() {
            "GET" if path == deployments => Answer::Json(
                200,
                json!({"total": 1, "items":
                [{"id": self.deployment_id, "name": "orders"}]}),
            ),
            "GET" if path == deployment => Answer::Json(200, self.deployment.clone()),
            "PATCH" if path == deployment => {
                let mut sent = request.json().pointer(SERVICE).unwrap().clone();
                for (_, value) in sent["secureProperties"].as_object_mut().unwrap() {
                    *value = json!("******");
                }
                *self.deployment.pointer_mut(SERVICE).unwrap() = sent;
                self.deployment["desiredVersion"] = json!("v2");
                self.deployment["status"] = json!("APPLYING");
                Answer::Json(202, self.deployment.clone())
            }
            "GET" if path == groups => {
                Answer::Json(200, json!([{"name": "rotated", "meta": {"id": "grp-1"}}]))
            }
            "GET" if path == format!("{groups}/grp-1") => {
                Answer::Json(200, json!({"name": "rotated", "meta": {"currentState": self.secret_group}}))
            }
            "GET" if path == secrets => Answer::Json(200, json!([self.secret])),
            "GET" if path == secret => Answer::Json(200, self.secret.clone()),
            "PUT" if path == secret => {
                if let Some(modified) = self.modified.pop_front() {
                    self.secret["meta"]["modifiedAt"] = json!(modified);
                }
                Answer::Json(200, json!({"message": "updated"}))
            }
            "PATCH" if path.starts_with("/secrets/api/v1/") => Answer::Json(200, json!({})),
            _ => Answer::Json(404, json!({"message": "no such thing"})),
        }
    }

    fn mint(&mut self, request: &Request) -> Answer {
        let body = request.json();
        if self.client_secret.as_ref().is_some_and(|right| body["client_secret"] != right.as_str()) {
            return Answer::Json(401, json!({"error": "invalid_client"}));
        }
        self.tokens += 1;
        let token = format!("token-{}", self.tokens);
        Answer::Json(
            200,
            json!({"access_token": token, "token_type": "bearer", "expires_in": self.expires_in}),
        )
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body: String::from_utf8(body).unwrap() })
}

fn write(mut stream: TcpStream, mut reader: BufReader<TcpStream>, request: &Request, answer: Answer) {
    let (status, headers, body) = match answer {
        Answer::Json(status, body) => (status, Vec::new(), body.to_string()),
        Answer::Echo(status, headers) => {
            let body = json!({"message": request.body, "errors": [
                {"code": "RB-1003", "field": "password", "message": request.body},
                {"code": request.body, "field": request.body}]});
            (status, headers, body.to_string())
        }
        Answer::Truncated => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"id\":").ok();
            return;
        }
        Answer::Reset => return,
        Answer::Silence => {
            reader.read_exact(&mut [0]).ok();
            return;
        }
    };
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in headers {
        head.extend([name, ": ", &value, "\r\n"]);
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).ok();
}
