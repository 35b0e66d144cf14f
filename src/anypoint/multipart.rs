//! `multipart/form-data` bodies (RFC 7578) with values in them.
//!
//! Guarantees: a value is copied once, into memory that is wiped; nothing here can be printed. Names of
//! parts and files are literals of this program, so none needs escaping.
//!
//! Does not guarantee: anything about the content of a part. A content that held the boundary would end
//! its part, so the boundary is 122 random bits, made for one body and seen by nobody before.

use serde::Serialize;
use uuid::Uuid;

use super::body::{self, Body, WipingBuffer};
use crate::model::Failure;

/// A body in the making; [`Form::finish`] ends it.
pub(super) struct Form {
    boundary: String,
    buffer: WipingBuffer,
}

impl Form {
    pub(super) fn new() -> Self {
        Self { boundary: Uuid::new_v4().simple().to_string(), buffer: WipingBuffer::new() }
    }

    /// A plain part, as a form field has it: no content type of its own.
    pub(super) fn text(mut self, name: &'static str, content: &str) -> Self {
        self.open(&format!("name=\"{name}\""));
        self.buffer.push(content.as_bytes());
        self.close()
    }

    /// A plain part whose text is JSON, as MuleSoft's own clients send `appInfoJson` and `configuration`.
    pub(super) fn json(mut self, name: &'static str, content: &impl Serialize) -> Result<Self, Failure> {
        self.open(&format!("name=\"{name}\""));
        body::write_json(&mut self.buffer, content)?;
        Ok(self.close())
    }

    /// A file.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the kinds that upload a store"))]
    pub(super) fn file(mut self, name: &'static str, file_name: &'static str, content: &[u8]) -> Self {
        let disposition = format!("name=\"{name}\"; filename=\"{file_name}\"");
        self.open(&format!("{disposition}\r\nContent-Type: application/octet-stream"));
        self.buffer.push(content);
        self.close()
    }

    pub(super) fn finish(mut self) -> Body {
        self.buffer.push(format!("--{}--\r\n", self.boundary).as_bytes());
        let content_type = format!("multipart/form-data; boundary={}", self.boundary);
        Body::new(content_type, self.buffer.into_value())
    }

    fn open(&mut self, disposition: &str) {
        let head = format!("--{}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n", self.boundary);
        self.buffer.push(head.as_bytes());
    }

    fn close(mut self) -> Self {
        self.buffer.push(b"\r\n");
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_parts_stand_between_boundaries_and_the_type_names_them() {
        let map = BTreeMap::from([("a", "é\"\r\n")]);
        let body = Form::new().json("info", &map).unwrap().text("autoStart", "true").finish();
        let boundary = body.content_type().strip_prefix("multipart/form-data; boundary=").unwrap();
        assert_eq!(
            body.content().expose_str().unwrap(),
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"info\"\r\n\r\n\
                 {{\"a\":\"é\\\"\\r\\n\"}}\r\n\
                 --{boundary}\r\nContent-Disposition: form-data; name=\"autoStart\"\r\n\r\ntrue\r\n\
                 --{boundary}--\r\n"
            )
        );
    }

    #[test]
    fn a_long_file_is_whole() {
        let long = vec![0_u8; 50_000];
        let body = Form::new().file("store", "store.p12", &long).finish();
        let content = body.content().expose_bytes();
        assert!(content.windows(long.len()).any(|window| window == long));
    }
}
