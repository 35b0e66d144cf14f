//! What can become of a write, for every kind of target: the outcome, the class, what is said to people,
//! and that the target ends where it should once the trouble is over.

/// Each line as a test for each of its kinds. A row that leaves a kind out, or names one twice, does not
/// compile: where an outcome cannot come to a kind, its line says what comes instead.
macro_rules! outcomes {
    ($($outcome:ident { $($ends:ident: $($kind:ident)+;)+ })+) => {
        $(mod $outcome {
            use super::kind::Kind;

            #[deny(unreachable_patterns)]
            const _: fn(Kind) = |kind| match kind {
                $($(Kind::$kind => (),)+)+
            };

            $(mod $ends {
                use super::super::{kind::Kind, subject::Subject};

                $(#[tokio::test]
                async fn $kind() {
                    super::super::$ends(Subject::new(Kind::$kind).await).await;
                })+
            })+
        })+
    };
}

mod around;
mod kind;
mod lost;
mod refused;
mod subject;

use around::{
    another_look_follows, each_version_is_written_once, it_is_accepted_after_a_second_write,
    it_is_accepted_at_once, it_is_parked_as_overdue_until_a_person_asks, it_is_replaced_once,
    there_is_no_token, there_is_nothing_to_look_at,
};
use lost::{
    it_is_looked_at_and_written_again, it_is_not_taken_for_a_success, it_is_written_once,
    it_is_written_once_more, its_status_counts,
};
use refused::{
    it_backs_off, it_comes_back, it_is_parked_until_a_person_mends_it,
    it_is_parked_until_the_slow_timer_finds_it_mended, it_is_tried_again, it_passes_by_itself,
    it_waits_for_as_long_as_was_asked,
};

use super::TARGET;

outcomes! {
    // The nine outcomes.
    success {
        each_version_is_written_once:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value http;
    }
    not_found {
        it_is_parked_until_a_person_mends_it:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value http;
    }
    forbidden {
        it_is_parked_until_the_slow_timer_finds_it_mended:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value http;
    }
    conflict {
        it_passes_by_itself:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value http;
    }
    rate_limited {
        it_waits_for_as_long_as_was_asked:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value http;
    }
    server_error {
        it_is_tried_again:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value http;
    }
    timeout {
        it_is_looked_at_and_written_again:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value http;
    }
    truncated_answer {
        it_is_not_taken_for_a_success:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value;
        // Of a receiver's answer nothing but the status is read.
        its_status_counts: http;
    }
    taken_and_never_confirmed {
        it_is_parked_as_overdue_until_a_person_asks: cloudhub2 rtf cloudhub restart hybrid;
        it_is_accepted_after_a_second_write: shared_secret keystore truststore certificate;
        // Neither shows anything that could confirm a write.
        it_is_accepted_at_once: secret_value http;
    }

    // Further ways to them.
    rate_limited_for_nobody_knows_how_long {
        it_backs_off:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value http;
    }
    unavailable {
        it_comes_back:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value http;
    }
    reset_before_the_write {
        it_is_written_once:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value http;
    }
    reset_after_the_write {
        it_is_written_once_more:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value http;
    }
    look_that_fails {
        another_look_follows: cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate;
        there_is_nothing_to_look_at: secret_value http;
    }
    token_that_is_refused {
        it_is_replaced_once:
            cloudhub2 rtf cloudhub restart hybrid shared_secret keystore truststore certificate secret_value;
        there_is_no_token: http;
    }
}
