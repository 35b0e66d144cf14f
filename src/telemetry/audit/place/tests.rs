use super::*;
use crate::secret::SecretValue;
use crate::telemetry::audit::chain::seal;

fn key() -> Key {
    Key::new(&SecretValue::from("audit-key-0123456789abcdefghijklmnop".to_owned())).unwrap()
}

/// A folder, and the path of a file in it that is not there yet.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.audit");
    (folder, path)
}

/// So many lines, from the one with this number.
fn lines(from: u64, count: u64) -> Vec<u8> {
    let mut previous = Head::NONE.mac;
    let mut text = Vec::new();
    for seq in from..from + count {
        let object = format!(r#"{{"seq":{seq},"time":"2026-11-01T10:00:00Z","what":"parked"}}"#);
        let (line, mac) = seal(&key(), &previous, b"", object.as_bytes());
        text.extend_from_slice(&line);
        previous = mac;
    }
    text
}

fn opened(path: &Path, text: &[u8]) -> Result<Ending, FileError> {
    std::fs::write(path, text).unwrap();
    LogFile::open(path, &key()).map(|(_, ending)| ending)
}

#[test]
fn a_file_that_is_new_empty_or_whole_is_gone_on_with() {
    let (_folder, path) = place();
    assert_eq!(LogFile::open(&path, &key()).unwrap().1, Ending { head: Head::NONE, torn: Vec::new() });
    for (text, seq) in [(Vec::new(), 0), (lines(1, 1), 1), (lines(1, 9), 9), (lines(1, 20_000), 20_000)] {
        let ending = opened(&path, &text).unwrap();
        assert_eq!((ending.head.seq, ending.torn.len()), (seq, 0));
        assert_eq!(std::fs::read(&path).unwrap(), text, "nothing is changed");
    }
}

#[test]
fn a_line_that_only_lacks_its_end_gets_it() {
    let (_folder, path) = place();
    let text = lines(1, 3);
    let ending = opened(&path, &text[..text.len() - 1]).unwrap();
    assert_eq!((ending.head.seq, ending.torn.len()), (3, 0));
    assert_eq!(std::fs::read(&path).unwrap(), text);
}

#[test]
fn a_piece_of_a_line_stays_and_gets_a_line_of_its_own() {
    let (_folder, path) = place();
    let text = lines(1, 3);
    for (keep, seq) in [(text.len() - 2, 2), (text.len() - 60, 2), (5, 0), (1, 0)] {
        let ending = opened(&path, &text[..keep]).unwrap();
        let ended = [&text[..keep], b"\n"].concat();
        assert_eq!(std::fs::read(&path).unwrap(), ended);
        assert_eq!(ending.head.seq, seq);
        assert!(ended.ends_with(&ending.torn) && !ending.torn.is_empty());
        // A crash right then changes nothing.
        assert_eq!(LogFile::open(&path, &key()).unwrap().1, ending);
    }
}

#[test]
fn what_is_no_audit_file_is_left_alone() {
    let (folder, path) = place();
    for text in ["listen: 0.0.0.0:8080\n", "{}\n", "{\"seq\":2,", "x"] {
        assert!(matches!(opened(&path, text.as_bytes()), Err(FileError::Foreign)), "{text}");
        assert_eq!(std::fs::read(&path).unwrap(), text.as_bytes());
    }
    assert!(matches!(LogFile::open(folder.path(), &key()), Err(FileError::NotRegular)));
    assert!(matches!(LogFile::open(Path::new("/dev/null"), &key()), Err(FileError::NotRegular)));
    let nowhere = folder.path().join("no/folder/relay.audit");
    assert!(matches!(LogFile::open(&nowhere, &key()), Err(FileError::Io(_))));
}

#[test]
fn a_chain_whose_end_does_not_hold_is_not_gone_on_with() {
    let (_folder, path) = place();
    let text = String::from_utf8(lines(1, 3)).unwrap();
    let first = text.lines().next().unwrap().to_owned() + "\n";
    let last = text.lines().next_back().unwrap().to_owned() + "\n";
    for changed in [text.replacen("parked", "wasted", 3), first.replace("parked", "wasted"), first + &last] {
        assert!(matches!(opened(&path, changed.as_bytes()), Err(FileError::Broken)), "{changed}");
    }
    std::fs::write(&path, &text).unwrap();
    let other = Key::new(&SecretValue::from("another-key-0123456789abcdefghijklmn".to_owned())).unwrap();
    let error = LogFile::open(&path, &other).unwrap_err().to_string();
    assert!(error.contains("or the key was"), "{error}");
}

#[test]
fn a_second_process_is_kept_out() {
    let (_folder, path) = place();
    let first = LogFile::open(&path, &key()).unwrap();
    assert!(matches!(LogFile::open(&path, &key()), Err(FileError::InUse)));
    drop(first);
    assert!(LogFile::open(&path, &key()).is_ok());
}

#[test]
fn a_file_that_is_renamed_away_gets_a_successor_and_one_that_cannot_be_has_none() {
    let (folder, path) = place();
    let (mut file, _) = LogFile::open(&path, &key()).unwrap();
    let (first, second) = (lines(1, 1), lines(2, 1));
    file.append(&first).unwrap();
    let old = folder.path().join("relay.audit.1");
    std::fs::rename(&path, &old).unwrap();
    file.append(&second).unwrap();
    assert_eq!((std::fs::read(&old).unwrap(), std::fs::read(&path).unwrap()), (first, second));

    // A successor is gone on with after a restart, and kept to one process.
    assert!(matches!(LogFile::open(&path, &key()), Err(FileError::InUse)));
    drop(file);
    let (mut file, ending) = LogFile::open(&path, &key()).unwrap();
    assert_eq!(ending.head.seq, 2);

    std::fs::rename(&path, &old).unwrap();
    std::fs::write(&path, "something else\n").unwrap();
    let error = file.append(b"line\n").unwrap_err().to_string();
    assert!(error.contains("has taken its name"), "{error}");
    std::fs::remove_file(&path).unwrap();
    file.append(b"line\n").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"line\n");
}
