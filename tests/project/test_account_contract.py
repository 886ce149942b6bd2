"""The contract of accounts, row by row, and the tests that hold each.

Rows that are for later have none.
"""

import pytest

from tests.project.test_contract import held

_VERIFY = "auth/test_email_verification"
_RESET = "account/test_password_reset"
_CHANGE = "auth/test_email_change"
_BROWSER = "http/test_link_page_browser"
_LIMITS = "auth/test_mail_limits"

# A row of the contract, in a few words -> where it is held: a file and its tests.
ROWS: dict[str, dict[str, str]] = {
    # Links
    "GET and HEAD change nothing": {
        _VERIFY: "get_and_head_change_nothing",
        _BROWSER: "from_the_mail_to_signing_in_with_a_new_password",
    },
    "our page": {
        "http/test_link_page": "the_policy_allows_its_own_files_and_nothing_else "
        "it_is_static_and_has_no_script_or_style_of_its_own",
        _BROWSER: "verifying_and_changing_by_keyboard_alone "
        "it_is_legible_by_day_and_night_on_desks_and_phones "
        "a_link_that_is_not_whole_says_so",
    },
    "life": {
        _VERIFY: "a_link_is_good_for_24_hours_from_its_mail",
        _CHANGE: "links_are_good_for_24_hours",
        _RESET: "a_link_is_good_for_30_minutes",
    },
    "newer mail, use, new password, new address": {
        _VERIFY: "a_newer_mail_voids_no_older_one once_more_is_200_again",
        _RESET: "a_used_link_is_used a_new_password_voids_it",
        _CHANGE: "a_new_password_ends_it a_new_address_voids_resets_and_verifications "
        "another_change_voids_the_links_of_the_first "
        "a_link_to_an_address_does_not_verify_the_next_one",
    },
    "used, late, else": {
        _VERIFY: "once_more_is_200_again "
        "only_a_genuine_token_learns_what_has_become_of_a_link",
        _RESET: "a_used_link_is_used",
        _CHANGE: "a_link_is_used_once",
    },
    # Verification, reset, change
    "a call that is off": {
        _RESET: "without_mail_there_is_no_reset",
        _CHANGE: "a_direct_change_tells_the_old_address_and_asks_the_new_one",
        "http/test_link_page": "without_mail_it_is_not_there",
    },
    "POST email/verify/send/": {
        _VERIFY: "asking_answers_202_and_200_if_it_is_verified_already"
    },
    "POST email/verify/": {
        _VERIFY: "registering_sends_a_link_that_verifies_the_address"
    },
    "POST password/reset/": {
        _RESET: "an_unknown_name_gets_the_same_answer_and_no_mail "
        "asking_costs_the_same_for_every_name "
        "a_row_holds_a_keyed_hash_of_what_was_typed",
        "stress/test_timing": "bytes_after_a_refusal_do_not_reveal_who_has_an_account",
    },
    "POST password/reset/confirm/": {
        _RESET: "a_link_by_mail_sets_a_new_password "
        "all_sessions_end_and_the_address_is_verified "
        "a_refused_password_leaves_the_token_good an_inactive_users_link_is_void"
    },
    "PATCH me/ under confirm": {
        _CHANGE: "the_address_stays_until_both_have_confirmed other_fields_need_neither"
    },
    "POST email/change/confirm/": {
        _CHANGE: "the_address_stays_until_both_have_confirmed "
        "the_other_order_is_as_good an_address_that_is_not_verified_is_not_asked "
        "a_taken_address_is_409_at_once_and_when_it_is_confirmed"
    },
    "GET me/security/": {
        "account/test_security": "replies_as_documented it_needs_a_token"
    },
    "notices": {
        "auth/test_notices": "an_act_is_told_to_a_verified_address "
        "and_not_to_one_that_is_not a_sign_in_with_a_new_device_is_told "
        "a_known_device_is_not",
        _CHANGE: "the_address_stays_until_both_have_confirmed",
    },
    "nothing a person chose to an unverified address": {
        _VERIFY: "registering_sends_a_link_that_verifies_the_address",
        _CHANGE: "the_address_stays_until_both_have_confirmed",
    },
    "locale": {"auth/test_mail_locales": "mail_speaks_the_language_of_the_request"},
    # Step-up
    "POST me/confirm/": {
        "auth/test_step_up": "the_right_password_answers_until_when "
        "a_wrong_password_is_403_and_in_the_trail "
        "wrong_passwords_count_with_the_others_of_the_account "
        "it_is_of_this_session_alone",
        _CHANGE: "a_change_wants_a_confirmed_session",
    },
    # Limits, bad input, races
    "mails to one address": {
        _LIMITS: "an_address_gets_one_mail_a_minute_of_a_purpose "
        "an_address_gets_5_an_hour_and_20_a_day "
        "mail_that_others_ask_for_keeps_no_notice_away"
    },
    "resets asked for from one client address": {
        _LIMITS: "resets_from_an_address_are_limited"
    },
    "unknown field, NUL, huge token": {
        _VERIFY: "a_token_that_is_none_is_400 unknown_fields_are_400",
        _RESET: "bad_input_is_400",
    },
    "N verify, N reset at once": {
        "races/test_links": "n_verifications_at_once_are_n_times_200 "
        "one_of_n_resets_of_a_link_at_once_succeeds"
    },
    "reset beside login": {
        "races/test_links": "a_login_beside_a_reset_leaves_no_session_of_the_old_"
        "password"
    },
    "change beside change": {
        "races/test_links": "one_of_two_who_want_an_address_gets_it "
        "n_confirmations_of_a_change_by_one_link_are_one"
    },
    # Promises beside the contract
    "statements of register/ and login/": {
        "auth/test_mail_statements": "a_login_with_mail_on_is_one_statement_more_at_"
        "most a_registration_with_mail_on_is_one_statement_more"
    },
    "a dump opens nothing": {
        "database/test_dump": "nothing_stored_or_logged_opens_anything "
        "no_token_of_a_link_and_no_typed_address_is_stored_or_logged"
    },
}


@pytest.mark.parametrize("row", ROWS)
def test_each_row_is_held_by_tests_that_exist(row: str) -> None:
    held(ROWS[row])
