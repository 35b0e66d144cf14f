//! Somebody else writes between our look and our write. Anypoint has no conditional write, so what can be
//! promised is that it is told.

use std::time::Duration;

use anypoint_sandbox::anypoint::{Endpoint, Redeploy};
use anypoint_sandbox::faults::{Action, Gate, Rule};

use crate::support::{Bench, name, now};

const TARGET: &str = "orders-api";

fn notes(bench: &Bench) -> Vec<String> {
    bench.board().target(&name(TARGET), now()).unwrap().notes
}

/// Holds our write back while a pipeline adds properties, and lets it land when `landed` of the
/// pipeline's two replicas have been replaced.
async fn overtaken(bench: &Bench, landed: usize) {
    let app = bench.anypoint.app(TARGET);
    app.scale(2).roll_by_hand();
    let gate = Gate::new();
    let hold = Rule::new(Action::Hang(gate.clone())).tag(Endpoint::DeploymentPatch.tag());
    bench.anypoint.faults().add(hold.times(1));
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("second-password");
    gate.arrived(1).await;
    app.foreign_redeploy(Redeploy::of_stored().property("added", "theirs").secure("added.key", "theirs"));
    for _ in 0..landed {
        assert!(app.step_roll());
    }
    app.roll_time(Duration::from_millis(5));
    gate.open();
    bench.arrives(TARGET, "db.password", "second-password").await;
}

#[tokio::test]
async fn a_pipeline_between_our_look_and_our_write_is_told_of() {
    for landed in [1, 2] {
        let bench = Bench::orders().await;
        overtaken(&bench, landed).await;
        let notes = notes(&bench);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("another writer deployed between the look and the write"), "{notes:?}");
    }
}

#[tokio::test]
async fn a_write_that_nobody_came_between_says_nothing() {
    let bench = Bench::orders().await;
    bench.anypoint.app(TARGET).scale(3);
    bench.tell_by_eventbridge();
    for password in ["second-password", "third-password"] {
        bench.orders_db().rotate_password(password);
        bench.arrives(TARGET, "db.password", password).await;
        assert_eq!(notes(&bench), Vec::<String>::new());
    }
}
