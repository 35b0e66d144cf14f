//! An error of an AWS service, and its two forms on the wire.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;
use uuid::Uuid;

/// An error that a service answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status.
    pub status: StatusCode,
    /// The error code, e.g. `ResourceNotFoundException`.
    pub code: String,
    /// The text.
    pub message: String,
}

impl Failure {
    /// An error that is the caller's, status 400.
    pub fn sender(code: &str, message: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: code.to_owned(), message: message.to_owned() }
    }

    /// The same with another status.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// As awsJson1.1 has it.
    pub(crate) fn json(&self) -> Response<Body> {
        let body = json!({"__type": self.code, "message": self.message});
        respond(self.status, "application/x-amz-json-1.1", body.to_string())
    }

    /// As awsQuery has it.
    pub(crate) fn xml(&self, namespace: &str) -> Response<Body> {
        respond(self.status, "text/xml", self.xml_text(namespace))
    }

    pub(crate) fn xml_text(&self, namespace: &str) -> String {
        let side = if self.status.is_server_error() { "Receiver" } else { "Sender" };
        format!(
            "<ErrorResponse xmlns=\"{namespace}\">\n  <Error>\n    <Type>{side}</Type>\n    \
             <Code>{}</Code>\n    <Message>{}</Message>\n  </Error>\n  <RequestId>{}</RequestId>\n\
             </ErrorResponse>\n",
            escape(&self.code),
            escape(&self.message),
            Uuid::new_v4(),
        )
    }
}

pub(crate) fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let id = HeaderValue::from_str(&Uuid::new_v4().to_string()).expect("a UUID is a header value");
    headers.insert("x-amzn-requestid", id);
    response
}

/// XML character data.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
