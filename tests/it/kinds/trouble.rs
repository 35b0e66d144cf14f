//! What can go wrong with a write, for every kind: the outcome, the class, what is said to people, and
//! that the target is brought in sync once the trouble is over.

/// Each trouble as a test for every kind that can meet it.
macro_rules! met_by {
    ($($trouble:ident: $($kind:ident)+;)+) => {
        $(mod $trouble {
            use super::Subject;

            $(#[tokio::test]
            async fn $kind() {
                super::$trouble(Subject::$kind().await).await;
            })+
        })+
    };
}

mod around;
mod lost;
mod refused;
mod subject;

use super::TARGET;
