//! Every code as the answer to a second call: after a call without an answer, after one that was refused for now, and after
//! one that never left. What the first of them may have done decides.

use super::*;

/// A call in doubt, then one that is answered so. Kinds that WeChat does not know again get no second one.
fn repeated(code: i64) -> Row {
    let mut row = Row::of(Kind::Template);
    row.turn(Outcome::InDoubt, 0);
    row.answered(code, 2);
    row
}

#[test]
fn no_answer_to_a_repeat_says_that_the_user_saw_nothing() {
    const HOURS_TO_WAIT: [i64; 2] = [89506, 89507];
    const KNOWN_ALREADY: [i64; 2] = [40241, 44007];
    for (codes, status, reason) in ANSWERS {
        for code in *codes {
            let row = repeated(*code);
            let (stands, doubt) = match (status, code) {
                (Sent, _) => ((Sent, None), false),
                (_, code) if KNOWN_ALREADY.contains(code) => ((Sent, None), false),
                (Queued, code) if !HOURS_TO_WAIT.contains(code) => ((Queued, *reason), true),
                _ => ((Unconfirmed, Some(OutcomeUnknown)), true),
            };
            assert_eq!(row.stands(), stands, "{code}");
            assert_eq!(row.delivery.doubtful(), doubt, "{code}");
            // What it says of the recipient and of the template is true all the same.
            assert_eq!(row.heard(), heard_at_once(*code), "{code}");
            assert_eq!(row.stop, stopped_at_once(Kind::Template, *code), "{code}");
        }
    }
    for code in DOUBT {
        let row = repeated(code);
        assert_eq!(row.stands(), (Queued, None), "{code}");
        assert_eq!(row.delivery.doubt, Some(NOW), "{code}: the first counts");
    }
}

#[test]
fn what_was_surely_not_taken_is_called_again_whatever_the_kind() {
    for kind in Kind::ALL {
        let waits = ANSWERS.iter().filter(|(_, status, _)| *status == Queued);
        for code in waits.flat_map(|(codes, ..)| *codes) {
            let mut row = Row::of(*kind);
            row.answered(*code, 0);
            row.answered(0, 60);
            assert_eq!(
                (row.stands(), row.calls),
                ((Sent, None), 2),
                "{kind} {code}"
            );
        }
    }
}

#[test]
fn what_never_left_is_no_doubt_whatever_the_kind() {
    for kind in Kind::ALL {
        let mut row = Row::of(*kind);
        let not_called = Outcome::NotCalled {
            until: at(1),
            reason: UpstreamUnavailable,
        };
        row.turn(not_called, 0);
        assert_eq!(row.stands(), (Queued, Some(UpstreamUnavailable)), "{kind}");
        assert_eq!(row.delivery.call_started_at, None, "{kind}: the mark");
        assert!(!row.delivery.doubtful(), "{kind}");
        row.answered(0, 1);
        assert_eq!(row.stands(), (Sent, None), "{kind}");

        let mut row = Row::of(*kind);
        row.turn(Outcome::Unwritable, 0);
        assert_eq!(row.stands(), (Failed, Some(InvalidRequest)), "{kind}");
    }
}
