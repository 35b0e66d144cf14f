//! The page for people: a fixed file with its style and its script, in the binary.
//!
//! Guarantees: it holds no data, so everybody may have it; what it shows it asks for with the token that is typed
//! in. The browser lets it load nothing but these three files, ask nobody but this listener, and run no text as
//! code.

use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

/// Of a page: its own files and the admin API, nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// The page.
pub(super) fn page<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    get(async || file("text/html; charset=utf-8", include_str!("dashboard/page.html")))
}

/// Its style.
pub(super) fn style<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    get(async || file("text/css; charset=utf-8", include_str!("dashboard/page.css")))
}

/// Its script.
pub(super) fn script<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    get(async || file("text/javascript; charset=utf-8", include_str!("dashboard/page.js")))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    const POLICY_HEADER: HeaderName = header::CONTENT_SECURITY_POLICY;
    ([(header::CONTENT_TYPE, kind), (POLICY_HEADER, POLICY)], text).into_response()
}
