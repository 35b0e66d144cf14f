//! Reads `multipart/form-data` (RFC 7578), as far as clients of Anypoint send it.

use std::collections::BTreeMap;

use http::HeaderMap;

use super::token::content_type;

/// The parts of a form by name, or nothing if it is no form.
pub(crate) fn parts(headers: &HeaderMap, body: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let boundary = content_type(headers).strip_prefix("multipart/form-data;")?;
    let boundary = boundary.trim().strip_prefix("boundary=")?.trim_matches('"');
    let mut rest = body.strip_prefix(format!("--{boundary}").as_bytes())?;
    let between = format!("\r\n--{boundary}");
    let mut parts = BTreeMap::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, between.as_bytes())?;
        let (head, content) = part[..end].split_at(find(&part[..end], b"\r\n\r\n")? + 4);
        parts.insert(name(std::str::from_utf8(head).ok()?)?.to_owned(), content.to_vec());
        rest = &part[end + between.len()..];
    }
    rest.starts_with(b"--").then_some(parts)
}

fn name(head: &str) -> Option<&str> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let (_, rest) = line.split_once("; name=\"")?;
    rest.split('"').next()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "multipart/form-data; boundary=xx".parse().unwrap());
        parts(&headers, body.as_bytes())
    }

    #[test]
    fn parts_are_read_whole_and_a_cut_form_is_none() {
        let form = "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n--xx\r\n\
                    content-disposition: form-data; name=\"b\"; filename=\"f\"\r\nContent-Type: x/y\r\n\r\n\r\n--xx--\r\n";
        let read_parts = read(form).unwrap();
        assert_eq!(read_parts["a"], b"1\r\n2");
        assert_eq!(read_parts["b"], b"");
        assert_eq!(read(&form[..form.len() - 6]), None);
        assert_eq!(read("{}"), None);
    }
}
