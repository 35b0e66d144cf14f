//! Colours: for a person at a terminal, and for nobody else. The terminal is a real one.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{Bench, LIMIT, ORDERS_TARGET, Run, text};

const ESCAPE: char = '\u{1b}';

/// Runs a command to its end with both outputs on a terminal, and gives what the terminal would show.
async fn on_terminal(command: &mut Command) -> String {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap();
    let theirs: OwnedFd = File::options().read(true).write(true).open(path.to_str().unwrap()).unwrap().into();
    let mut child = command.stdout(theirs.try_clone().unwrap()).stderr(theirs).spawn().unwrap();
    // The command keeps the other end for the child that it might start next.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let shown = tokio::task::spawn_blocking(move || {
        let (mut screen, mut shown, mut part) = (File::from(ours), Vec::new(), [0; 4096]);
        // Linux answers EIO once the last process has closed its end.
        while let Ok(read @ 1..) = screen.read(&mut part) {
            shown.extend_from_slice(&part[..read]);
        }
        String::from_utf8(shown).unwrap()
    });
    timeout(LIMIT, child.wait()).await.expect("the command ends").unwrap();
    timeout(LIMIT, shown).await.expect("its terminal is closed").unwrap()
}

#[tokio::test]
async fn colours_are_for_a_terminal_whose_reader_does_not_mind() {
    let bench = Bench::with_orders().await;
    let readable = bench.file(ORDERS_TARGET) + "log: { format: pretty, filter: \"anypoint_relay=debug\" }\n";
    let readable = text(&bench.write("readable.yaml", readable));
    let machine = text(&bench.write(
        "machine.yaml",
        bench.file(ORDERS_TARGET) + "log: { format: json, filter: \"anypoint_relay=debug\" }\n",
    ));
    let command = |arguments: &[&str]| {
        let mut command = bench.binary();
        command.args(arguments);
        command
    };

    for (arguments, part) in
        [(["sync", &readable].as_slice(), "orders-api"), (&["check", "--online", &readable], "0 failed")]
    {
        let shown = on_terminal(&mut command(arguments)).await;
        assert!(shown.contains(part) && shown.contains(ESCAPE), "{arguments:?}: {shown}");
        let shown = on_terminal(command(arguments).env("NO_COLOR", "")).await;
        assert!(shown.contains(ESCAPE), "an empty NO_COLOR says nothing: {shown}");
        let shown = on_terminal(command(arguments).env("NO_COLOR", "1")).await;
        assert!(shown.contains(part) && !shown.contains(ESCAPE), "{arguments:?}: {shown}");
        let run = Run::of(&mut command(arguments)).await.ended(0);
        assert!(run.out.contains(part) && !run.out.contains(ESCAPE) && !run.err.contains(ESCAPE), "{run:?}");
    }
    let shown = on_terminal(&mut command(&["sync", &machine])).await;
    assert!(shown.contains("{\"timestamp\"") && !shown.contains(ESCAPE), "{shown}");
}
