//! The suite of `recipients`: what is known of people, what waits for them, and how they are forgotten.
//! It only lists the promises.

/// One test for each promise of `recipients`, for an [`Adapter`](super::Adapter).
#[macro_export]
macro_rules! recipients_conformance {
    ($adapter:ty) => {
        $crate::promises! { $adapter:
            recipients {
                what_is_heard_survives_a_restart
                news_spends_its_nonce
                a_message_to_a_suppressed_recipient_ends_as_it_is_stored
                a_suppression_of_a_template_leaves_the_others
                what_waits_ends_when_it_is_claimed
                the_look_before_the_call_ends_what_is_suppressed
                a_message_that_overrides_goes_out_all_the_same
                a_message_in_doubt_never_ends_suppressed
                an_answer_tells_of_its_recipient
                a_receipt_tells_of_its_recipient
                whoever_follows_again_is_written_to_again
                a_person_can_resume_what_is_suppressed
                a_suppression_ends_by_itself
                suppressions_are_listed_newest_first
                who_may_not_follow_is_to_be_confirmed
                an_agreement_is_used_up_by_one_message
            }
            put_off {
                what_waited_goes_on_in_its_order_when_its_recipient_is_resumed
                what_waited_for_a_word_that_is_taken_back_goes_on
            }
            forgotten {
                nothing_names_who_was_forgotten
                what_is_under_way_is_left_until_it_is_not
                what_is_heard_and_sent_after_the_first_step_is_new
                a_receipt_still_finds_what_it_can_find_by_the_openid_alone
                a_message_that_names_nobody_is_never_sent
                receipts_that_found_no_message_are_forgotten
                rows_of_broadcasts_are_blanked_and_become_no_messages
                forgetting_goes_on_in_small_steps
                forgetting_spends_its_nonce
                those_who_left_are_found_until_they_are_forgotten
            }
            pacing {
                who_gets_too_much_waits
                a_message_over_a_limit_waits_until_its_window_opens
            }
        }
    };
}
