//! Random deployments against random targets: a write keeps what is not ours, or there is none.

use std::fmt::Write;
use std::time::Duration;

use anypoint_relay::model::Receipt;
use anypoint_sandbox::anypoint::{App, Redeploy};
use proptest::prelude::*;

use super::draw::{Case, Fields, Maps, RECEIPT, SECRET, Subject, case};
use crate::support::{Bench, name};

/// Applications of one sandbox, at most.
const APPLICATIONS: usize = 40;

proptest! {
    // A case is a sandbox with many applications; PROPTEST_RNG_SEED repeats a run.
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_is_not_ours_survives_every_write_or_the_write_is_refused(case in case(APPLICATIONS)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(play(&case))?;
    }
}

/// Takes the applications over, lets a pipeline and a rotation come, and looks at every run.
async fn play(case: &Case) -> Result<(), TestCaseError> {
    let mut bench = Bench::new().await;
    bench.anypoint.rules(|rules| case.switches.turn(rules));
    let secret = bench.aws.create_secret(SECRET, case.secret[0].json());
    let mut targets = String::new();
    let mut stage = Vec::new();
    for (number, subject) in case.subjects.iter().enumerate() {
        let target = format!("app-{number}");
        let app = subject.platform.deploy(&bench.anypoint, &target, subject.stored.clone());
        app.roll_time(Duration::from_millis(1));
        let common = "kind: application\n    connection: prod\n    coalesce: 10ms";
        writeln!(targets, "  {target}:\n    {common}\n    deployment: {target}\n{}", subject.lines())
            .unwrap();
        stage.push((target, app, subject));
    }
    // Platforms without a list that tells are looked at each time, and have a lower rate.
    let settings = [
        ("    base_url", "    max_rolling: 50\n    base_url"),
        ("confirm_poll: 20ms", "confirm_poll: 100ms"),
    ];
    let text = bench.tuned(&targets, &settings);
    let before = look(&stage);
    bench.start_with(&text).await;
    settle(&bench).await;
    judge(&bench, &stage, &before, &case.secret[0])?;

    for (_, app, subject) in &stage {
        if let Some(Maps { clear, secure }) = &subject.pipeline {
            let redeploy =
                clear.iter().fold(Redeploy::of_stored(), |all, (name, value)| all.property(name, value));
            app.foreign_redeploy(secure.iter().fold(redeploy, |all, (name, value)| all.secure(name, value)));
        }
    }
    let before = look(&stage);
    secret.rotate(case.secret[1].json());
    settle(&bench).await;
    judge(&bench, &stage, &before, &case.secret[1])?;
    bench.stop().await.unwrap();
    Ok(())
}

/// A run of every target has started after this call, and nothing is due any more.
async fn settle(bench: &Bench) {
    bench.trigger(r#"{"all":true}"#, "?wait=20s").await;
    bench.idle().await;
}

/// The maps of an application before a run, and how often it had been written.
type Before = (Maps, usize);

fn look(stage: &[(String, App, &Subject)]) -> Vec<Before> {
    stage.iter().map(|(_, app, _)| (stored(app), app.history().writes.len())).collect()
}

fn stored(app: &App) -> Maps {
    Maps { clear: app.desired_properties(), secure: app.desired_secure() }
}

/// Holds every write since the maps were `before` to the promise, and every refusal as well.
fn judge(
    bench: &Bench,
    stage: &[(String, App, &Subject)],
    before: &[Before],
    fields: &Fields,
) -> Result<(), TestCaseError> {
    for ((target, app, subject), (before, earlier)) in stage.iter().zip(before) {
        let outcome = bench.board().outcome(&name(target)).unwrap();
        let writes = app.history().writes.split_off(*earlier);
        let after = stored(app);
        let what =
            format!("{target}: {outcome:?}\nbefore {before:?}\nafter {after:?}\n{subject:?}\n{fields:?}");
        let Some(right) = subject.right(before, fields) else {
            prop_assert!(after == *before && writes.is_empty(), "{}", what);
            let code = outcome.failure().map(|failure| failure.code.as_str());
            let refused = ["would_lose", "rejected", "bad_value", "too_long"];
            prop_assert!(
                outcome.label() == "parked" && code.is_some_and(|code| refused.contains(&code)),
                "{}",
                what
            );
            continue;
        };
        prop_assert_eq!(outcome.label(), subject.platform.settled(), "{}", what);
        // Every one of them, not only the last: what is lost for a moment is lost.
        let written = writes.into_iter().map(|write| Maps { clear: write.properties, secure: write.secure });
        let running = app.running().into_iter();
        let running = running.map(|replica| Maps { clear: replica.properties, secure: replica.secure });
        for mut written in written.chain([after]).chain(running) {
            let receipt = written.clear.remove(RECEIPT).unwrap_or_default();
            prop_assert!(Receipt::parse(&receipt).is_ok(), "{}", what);
            prop_assert_eq!(&written, &right, "{}", what);
        }
    }
    Ok(())
}
