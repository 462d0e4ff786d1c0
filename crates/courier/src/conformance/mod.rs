//! What every adapter of a port must keep, one promise a function. An adapter lists them all with one macro call in its tests.
//! It knows ports alone; how an adapter keeps a promise is the adapter's business.
#![allow(clippy::unwrap_used, reason = "this is test code")]

pub mod accepting;
pub mod auditing;
pub mod broadcasting;
pub mod changing;
pub mod claiming;
pub mod dead_letters;
pub mod events;
pub mod expanding;
pub mod fixture;
pub mod forgetting;
pub mod forgotten;
pub mod leasing;
pub mod listing;
pub mod matching;
pub mod nodes;
pub mod pacing;
mod people;
pub mod permits;
pub mod put_off;
pub mod quotas;
pub mod receiving;
pub mod recipients;
pub mod repeating;
pub mod settling;
pub mod standings;
pub mod sweeping;
pub mod templates;
pub mod token_cache;
pub mod virtual_tokens;

use std::sync::Arc;

use crate::audit::Audit;
use crate::broadcast::port::Broadcasts;
use crate::port::quota::QuotaBook;
use crate::port::{DeadLetterOffice, Ledger, Queue, Standings, TokenCache, VirtualTokens};
use crate::recipient::Recipients;
use crate::recipient::forget::Forgetting;
use crate::template::catalogue::Templates;
use crate::webhook::Outbox;

/// A store's faces.
#[derive(Clone)]
pub struct Stores {
    /// The messages as jobs.
    pub queue: Arc<dyn Queue>,
    /// The messages as records.
    pub ledger: Arc<dyn Ledger>,
    /// The messages that ended badly.
    pub dead_letters: Arc<dyn DeadLetterOffice>,
    /// How accounts stand.
    pub standings: Arc<dyn Standings>,
    /// How much of their quotas is spent.
    pub quotas: Arc<dyn QuotaBook>,
    /// What is known of recipients.
    pub recipients: Arc<dyn Recipients>,
    /// The broadcasts.
    pub broadcasts: Arc<dyn Broadcasts>,
    /// The events that wait to be posted.
    pub outbox: Arc<dyn Outbox>,
    /// The accounts' templates.
    pub templates: Arc<dyn Templates>,
    /// What can be forgotten.
    pub forgetting: Arc<dyn Forgetting>,
    /// What virtual tokens hang on.
    pub virtual_tokens: Arc<dyn VirtualTokens>,
    /// Who did what.
    pub audit: Arc<dyn Audit>,
}

/// A store as the suites see it.
#[expect(
    async_fn_in_trait,
    reason = "the suites await on the thread that made the adapter"
)]
pub trait Adapter: Sized {
    /// An empty store.
    async fn fresh() -> Self;
    /// Its faces. All are dropped by the time it is reopened.
    fn stores(&self) -> Stores;
    /// Closed and opened again, as by a restart; what is not durable is gone.
    async fn reopened(self) -> Self;
}

/// A token cache as the suite sees it.
#[expect(
    async_fn_in_trait,
    reason = "the suites await on the thread that made the adapter"
)]
pub trait TokenCacheAdapter {
    /// An empty cache.
    async fn fresh() -> Arc<dyn TokenCache>;
}

/// One test for each promise of `queue`, for an [`Adapter`].
#[macro_export]
macro_rules! queue_conformance {
    ($adapter:ty) => {
        $crate::promises! { $adapter:
            accepting {
                what_is_accepted_is_kept_as_it_was_given
                a_call_is_stored_whole_or_not_at_all
                a_call_that_the_store_refuses_harms_no_other
                a_nonce_is_spent_once
                a_nonce_is_still_spent_after_a_restart
                a_nonce_bound_to_a_body_may_come_again_with_it
            }
            repeating {
                a_key_answers_what_it_stored_as_it_stands_now
                a_key_with_another_body_is_refused
                a_key_is_free_again_after_its_time
                a_key_is_known_after_a_restart
                twins_at_the_same_time_store_once
                a_client_msg_id_names_one_message
                a_client_msg_id_with_another_content_refuses_that_message_alone
                a_client_msg_id_twice_in_a_call_is_one_message
            }
            permits {
                a_message_with_a_permit_is_stored_leased_and_handed_over
                a_permit_of_a_gone_epoch_leaves_its_message_queued
                a_permit_for_a_stopped_template_leaves_its_message_aside
                a_replay_hands_nothing_over
                a_caller_who_hangs_up_strands_nothing
            }
            claiming {
                a_lease_is_durable_when_it_is_answered
                only_what_is_due_is_claimed
                what_is_put_off_waits
                a_claim_takes_one_accounts_messages
                what_waits_longest_goes_first
                shares_go_by_priority_and_the_rest_to_any
                a_busy_recipient_waits_and_holds_nobody_up
                a_probe_rather_takes_a_message_in_doubt
                what_is_held_back_is_not_claimed_and_hides_nobody
                what_is_left_of_a_quota_is_claimed_and_no_more
                a_message_in_doubt_is_never_held_back
                one_claim_takes_one_message_a_recipient
                a_recipients_backlog_is_not_written_anew_with_every_claim
                an_urgent_message_waits_behind_no_backlog_of_its_recipient
                a_recipients_backlog_hides_nobody
                nothing_is_claimed_twice
                a_claim_on_an_epoch_that_is_not_in_force_gets_nothing
            }
            settling {
                an_acceptance_is_durable_when_it_is_answered
                a_settlement_done_twice_counts_once
                a_refusal_ends_and_raises_its_flag
                what_is_transient_is_tried_again_until_its_retries_are_spent
                what_was_not_called_waits_without_a_retry
                what_cannot_be_written_ends_unless_it_is_in_doubt
                a_call_in_doubt_is_repeated_inside_its_window_alone
                a_call_that_cannot_be_repeated_ends_unconfirmed
                a_former_holders_acceptance_settles
                a_former_holders_refusal_is_only_recorded
                an_older_generations_acceptance_only_adds_its_msgid
                a_settlement_never_lowers_what_a_receipt_said
                a_duplicate_proves_an_acceptance_if_the_content_is_unique
                a_duplicate_proves_nothing_beside_a_message_of_the_same_content
                a_settlement_of_a_forgotten_message_is_answered
            }
            leasing {
                a_look_goes_with_the_lease_in_force
                a_call_that_cannot_be_repeated_is_marked_before_it_is_made
                a_look_ends_what_was_cancelled_expired_or_out_of_its_window
                a_released_lease_leaves_no_doubt
                a_beat_frees_leases_that_its_node_does_not_know
                a_beat_does_not_free_a_call_that_is_marked
                a_beat_keeps_its_epoch
                a_restarted_node_finds_its_former_leases_in_doubt
                a_lease_taken_back_after_the_window_ends_unconfirmed
                an_unmarked_call_that_cannot_be_repeated_is_free_again
                a_marked_call_that_cannot_be_repeated_ends_unconfirmed_when_taken_back
            }
        }
    };
}

/// One test for each promise of `ledger`, for an [`Adapter`].
#[macro_export]
macro_rules! ledger_conformance {
    ($adapter:ty) => {
        $crate::promises! { $adapter:
            changing {
                a_waiting_message_is_cancelled_at_once
                a_message_in_doubt_is_never_cancelled
                a_cancel_of_a_leased_message_only_asks
                what_ended_cannot_be_cancelled
                a_failed_message_is_retried_in_its_generation
                a_retry_after_a_failed_receipt_takes_a_new_generation
                a_forced_retry_keeps_the_old_doubt
                a_retry_waives_an_expiry_that_passed
                a_change_spends_its_nonce
            }
            receiving {
                a_success_delivers
                a_failure_fails_and_flags
                a_system_failure_sends_anew_as_a_new_generation
                the_same_receipt_acts_once
                a_receipt_before_its_msgid_is_kept_until_it_comes
                a_kept_receipt_survives_a_restart
                a_receipt_and_its_settlement_at_once_find_each_other
                a_success_outweighs_a_failure
                a_success_outweighs_a_failure_that_came_before_the_msgid
                a_success_takes_back_its_own_failures_word_alone
                a_success_that_is_said_twice_stands_as_it_was
                a_receipt_for_another_openid_is_not_joined
                an_older_generations_failure_is_only_recorded
                a_late_receipt_settles_but_never_sends_again
                a_msgid_belongs_to_its_account
                a_callback_url_with_another_body_is_refused
            }
            matching {
                an_event_finds_the_one_message_it_can_mean
                an_event_that_can_mean_two_messages_means_none
                an_event_means_its_own_recipient_template_account_and_time
                an_event_is_not_about_a_message_that_was_not_called_by_then
                a_template_message_is_never_matched
                an_event_before_the_answer_settles_the_call_under_way
                an_event_settles_what_nobody_could_tell
                an_event_comes_twice_and_acts_once
                a_failure_that_names_no_call_sends_nothing_again
                a_kind_without_receipts_is_over_when_it_is_sent
                an_event_cannot_end_what_was_sent_again_by_force
            }
            sweeping {
                what_expired_ends
                a_closed_window_ends_unconfirmed
                a_missing_receipt_ends_unconfirmed
                a_sweep_moves_no_more_than_it_may
            }
            forgetting {
                what_ended_long_ago_is_forgotten
                each_end_is_kept_for_its_own_time
                a_message_without_receipts_is_forgotten_as_sent
                what_was_sent_again_is_not_forgotten
                keys_and_nonces_are_forgotten_after_their_time
                a_receipt_that_found_no_message_is_forgotten_apart
                flags_of_recipients_are_forgotten_and_no_others
                a_suppression_that_ran_out_is_forgotten
                a_recipient_is_forgotten_when_nothing_decides_any_more
                a_recipient_who_was_forgotten_may_come_back
                what_happened_to_templates_is_forgotten_and_they_are_not
                a_broadcast_is_forgotten_with_its_bad_rows_a_few_at_a_time
                a_broadcast_that_nobody_started_is_ended_and_then_forgotten
            }
            listing {
                a_page_is_newest_first_and_goes_on_at_its_cursor
                every_filter_narrows
                a_message_is_found_by_its_msgid_and_by_the_number_of_its_id
                what_is_out_of_reach_is_not_listed
                depths_count_what_waits
                what_is_not_there_is_not_found
            }
        }
    };
}

/// One test for each promise of the list of who did what, for an [`Adapter`].
#[macro_export]
macro_rules! audit_conformance {
    ($adapter:ty) => {
        $crate::promises! { $adapter:
            auditing {
                what_was_done_is_kept_whole_and_sealed
                a_change_is_written_down_in_its_own_transaction
                every_audit_filter_narrows
            }
        }
    };
}

/// One test for each promise of `dead_letters`, for an [`Adapter`].
#[macro_export]
macro_rules! dead_letters_conformance {
    ($adapter:ty) => {
        $crate::promises! { $adapter:
            dead_letters {
                what_ended_badly_is_counted_by_account_and_reason
                many_are_sent_again_each_when_it_is_told
                what_had_better_not_be_sent_again_is_left_alone
                what_a_receipt_failed_is_sent_again_as_another_message
                whoever_is_suppressed_is_left_alone_and_takes_no_place
                what_is_sent_again_of_a_paused_broadcast_waits_for_it
            }
        }
    };
}

/// One test for each promise of `standings`, for an [`Adapter`].
#[macro_export]
macro_rules! standings_conformance {
    ($adapter:ty) => {
        $crate::promises! { $adapter:
            standings {
                an_account_stands_well_until_something_is_stored
                a_standing_survives_a_restart
                flags_are_listed_newest_first
                a_flag_raised_again_is_one_flag
            }
            quotas {
                nothing_is_known_of_a_quota_until_something_is_stored
                a_quota_survives_a_restart
                what_waits_for_today_is_counted
            }
        }
    };
}

/// One test for each promise of `broadcasts`, for an [`Adapter`].
#[macro_export]
macro_rules! broadcasts_conformance {
    ($adapter:ty) => {
        $crate::promises! { $adapter:
            broadcasting {
                a_broadcast_is_kept_as_it_was_ordered
                a_key_names_one_broadcast
                a_key_names_its_broadcast_until_a_day_after_its_end
                rows_are_kept_at_their_offset
                bad_rows_are_bounded
                a_wish_is_kept
                a_follower_becomes_one_row
                broadcasts_are_listed_newest_first
            }
            expanding {
                a_row_becomes_one_message
                only_what_runs_is_expanded
                a_refused_row_is_told
                what_becomes_of_messages_is_counted
                what_a_restart_ends_is_counted
                counts_survive_a_neighbour_that_is_refused
                a_pause_holds_what_is_queued
                a_pause_leaves_doubt_alone
                a_cancel_ends_what_was_not_sent
                a_cancelled_broadcasts_failures_are_not_sent_anew
                what_is_alive_is_listed_with_what_is_due
            }
        }
    };
}

/// One test for each promise of `outbox`, for an [`Adapter`].
#[macro_export]
macro_rules! outbox_conformance {
    ($adapter:ty) => {
        $crate::promises! { $adapter:
            events {
                a_move_leaves_an_event_for_those_who_want_it
                what_stays_where_it_was_leaves_no_event
                what_a_restart_ends_is_told_of
                an_event_survives_a_restart
                a_taken_event_is_nobody_elses_for_a_while
                no_more_is_taken_than_asked_for_and_the_oldest_first
                an_event_too_old_is_given_up
                a_webhook_that_says_it_is_gone_is_left_alone_until_it_is_resumed
                what_was_given_up_can_be_posted_again
                an_event_whose_message_was_forgotten_is_not_posted_again
                events_are_listed_newest_first_and_by_their_state
                backlogs_count_what_waits_and_what_was_given_up
                a_webhook_that_is_gone_is_left_nothing
                events_are_forgotten_after_their_time
            }
        }
    };
}

/// One test for each promise of `templates`, for an [`Adapter`].
#[macro_export]
macro_rules! templates_conformance {
    ($adapter:ty) => {
        $crate::promises! { $adapter:
            templates {
                a_list_is_kept_with_what_happened_to_it
                a_stop_survives_a_restart_and_is_flagged
                a_stopped_templates_messages_wait_and_all_others_go
                a_stopped_templates_backlog_hides_nobody
                a_resumed_templates_messages_are_called_back
                what_was_not_called_back_is_looked_at_again
                an_answer_about_the_template_stops_it
                a_list_does_not_end_what_wechat_restricts
                each_list_stands_for_itself
                a_list_ends_the_stop_of_a_template_that_wechat_denied
                a_template_of_no_list_is_stopped_by_what_an_operator_ends_alone
                what_is_leased_when_its_template_is_stopped_is_put_aside_before_its_call
                what_is_in_doubt_is_repeated_although_its_template_is_stopped
                a_message_aside_can_be_cancelled
            }
        }
    };
}

/// One test for each promise of `virtual_tokens`, for an [`Adapter`].
#[macro_export]
macro_rules! virtual_tokens_conformance {
    ($adapter:ty) => {
        $crate::promises! { $adapter:
            virtual_tokens {
                a_store_has_one_key_for_good
                a_revocation_survives_a_restart_and_the_later_one_stands
                a_revocation_spends_its_nonce
            }
        }
    };
}

/// One test for each promise about several nodes, for an [`Adapter`] of a store that nodes share.
#[macro_export]
macro_rules! nodes_conformance {
    ($adapter:ty) => {
        $crate::promises! { $adapter:
            nodes {
                nodes_never_share_a_lease
                a_silent_nodes_leases_are_taken_back_in_doubt
                a_node_that_beats_keeps_its_leases
                a_lease_of_a_gone_epoch_belongs_to_nobody
                a_beat_with_a_foreign_epoch_begins_a_new_one
                a_dead_nodes_acceptance_settles_and_its_refusal_does_not
                a_beat_frees_no_other_nodes_leases
            }
        }
    };
}

/// One test for each promise of a token cache, for a [`TokenCacheAdapter`].
#[macro_export]
macro_rules! token_cache_conformance {
    ($adapter:ty) => {
        $crate::promises! { $adapter:
            token_cache {
                a_token_is_got_as_it_was_put
                one_holder_at_a_time
                a_lock_runs_out
                a_late_holder_overwrites_nothing
                a_lock_is_given_back_by_its_holder_alone
                accounts_do_not_meet
            }
        }
    };
}

/// Turns a list of promises into tests.
#[macro_export]
#[doc(hidden)]
macro_rules! promises {
    ($adapter:ty: $($part:ident { $($name:ident)* })*) => {
        $(mod $part {
            #[allow(unused_imports, reason = "the adapter may be named by its full path")]
            use super::*;

            $(#[tokio::test]
            async fn $name() {
                $crate::conformance::$part::$name::<$adapter>().await;
            })*
        })*
    };
}
