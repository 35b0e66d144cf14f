use super::*;

#[test]
fn an_error_is_found_inside_an_io_error_too() {
    let inner = rustls::Error::General("why".to_owned());
    let outer = std::io::Error::other(std::io::Error::other(inner));
    assert!(find::<rustls::Error>(&outer).is_some());
    assert!(find::<rustls::Error>(&std::io::Error::other("text")).is_none());
}

#[test]
fn causes_are_told_once_each() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);
    assert_eq!(chain(&Outer(std::io::Error::other("inner\nline."))), "outer: inner line");
}
