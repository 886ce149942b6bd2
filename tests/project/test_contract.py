"""The contract's tables, row by row, and the tests that hold each."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

# A row of the contract, in a few words -> where it is held: a file and its tests.
ROWS: dict[str, dict[str, str]] = {
    # Conventions
    "without the slash the same answer": {
        "http/test_methods": "without_the_slash_the_same_answer_comes "
        "a_wrong_method_is_405_also_without_a_slash"
    },
    "bodies of at most 64 KiB": {"http/test_gate": "a_body_has_at_most_64_kib"},
    "times in UTC with whole seconds": {
        "profile/test_me": "times_are_utc_in_whole_seconds"
    },
    "bearer scheme in any case": {
        "auth/test_bearer": "the_schemes_case_does_not_matter"
    },
    "reads with no token, a good one or a bad one": {
        "auth/test_bearer": "every_read_for_all_is_open_but_not_with_a_bad_token "
        "public_reads_false_makes_every_read_need_a_token"
    },
    "unset names are empty and an unset avatar is null": {
        "profile/test_profile": "fields_not_set_are_empty_and_the_avatar_null"
    },
    "e-mail to its owner only": {
        "profile/test_directory": "no_email_address_is_shown_or_found"
    },
    # Errors
    "validation_failed": {
        "auth/test_register": "refuses_bad_values_and_names_the_field "
        "refuses_missing_and_unknown_fields_and_names_them",
        "profile/test_update": "a_wrong_value_is_400_and_changes_nothing",
    },
    "malformed_json": {
        "http/test_gate": "a_body_not_one_strict_json_object_is_malformed "
        "deep_nesting_is_malformed every_route_with_a_body_reads_it_strictly"
    },
    "not_authenticated": {
        "auth/test_bearer": "every_call_that_needs_a_token_asks_for_it_first"
    },
    "token_invalid": {
        "auth/test_bearer": "a_token_of_another_make_is_invalid "
        "a_token_with_a_claim_missing_or_of_another_form_is_invalid "
        "a_header_that_is_not_one_bearer_token_is_refused"
    },
    "token_expired": {
        "auth/test_bearer": "a_token_is_good_for_an_hour_and_then_expired"
    },
    "token_revoked": {
        "auth/test_bearer": "a_token_whose_session_or_user_is_over_is_revoked"
    },
    "invalid_credentials": {
        "auth/test_login": "refuses_all_wrong_credentials_with_one_body",
        "auth/test_passwords": "unknown_user_wrong_password_and_inactive_user_cost_and_"
        "hear_the_same",
    },
    "username_taken, email_taken": {
        "auth/test_register": "refuses_a_username_or_email_taken_in_any_case",
        "races/test_registration": "one_of_all_who_want_a_username_gets_it "
        "one_of_all_who_want_an_email_address_gets_it",
        "profile/test_update": "an_email_address_of_another_user_is_409",
    },
    "already_following": {
        "follow/test_follow": "twice_is_a_conflict_however_the_user_is_named",
        "races/test_registration": "one_of_all_follows_of_a_pair_succeeds_and_"
        "one_of_all_unfollows",
    },
    "cannot_follow_self": {"follow/test_follow": "oneself_is_refused"},
    "user_not_found, not_following, not_found": {
        "profile/test_profile": "an_unknown_user_is_404 "
        "a_text_that_cannot_be_a_name_is_404",
        "follow/test_unfollow": "a_user_who_is_not_followed_is_not_found",
        "http/test_methods": "an_address_of_nothing_is_404_and_never_a_redirect",
    },
    "405 with Allow": {
        "http/test_methods": "a_wrong_method_is_405_with_those_that_are_right"
    },
    "413 and 415": {
        "http/test_gate": "a_body_has_at_most_64_kib the_body_must_say_that_it_is_json"
    },
    "503 with Retry-After": {
        "http/test_errors": "a_locked_database_is_503_and_none_of_it_stays "
        "a_read_only_database_is_503_for_writes_and_serves_reads "
        "a_full_database_is_503 a_database_that_is_away_is_503"
    },
    "no input gives a 500 or a page": {
        "http/test_gate": "no_bytes_whatever_make_a_500_or_a_page"
    },
    # Registration, login, tokens
    "POST register/": {
        "auth/test_register": "replies_as_documented "
        "fills_in_what_is_unset_and_signs_in"
    },
    "POST login/": {
        "auth/test_login": "replies_as_documented takes_username_or_email_in_any_case"
    },
    "POST token/refresh/": {"auth/test_refresh": "replies_as_documented"},
    "POST logout/": {"auth/test_logout": "replies_as_documented"},
    "access 60 minutes, refresh 7 days, absolute": {
        "auth/test_login": "tokens_live_an_hour_and_a_week_and_name_the_session",
        "auth/test_refresh": "a_session_lasts_7_days_from_login_however_"
        "often_refreshed",
    },
    "one row per login, no token stored": {
        "auth/test_sessions_stored": "each_registration_and_login_adds_one_row_"
        "whose_id_is_the_sid no_token_and_no_password_is_stored_in_any_table"
    },
    "revoked until it would have expired, then pruned": {
        "auth/test_sessions_stored": "a_logout_marks_the_sessions_and_lists_the_"
        "revoked_ids",
        "auth/test_prune": "the_jobs_delete_expired_rows_and_no_others",
    },
    "logout is immediate for every token of the session": {
        "auth/test_logout": "is_immediate_for_every_access_token_of_the_session",
        "races/test_registration": "logout_leaves_no_token_of_the_session_good",
    },
    "refresh ignores the Authorization header": {
        "auth/test_refresh": "ignores_the_authorization_header"
    },
    "refresh: missing, not a string, too long": {
        "auth/test_refresh": "missing_not_a_string_or_over_4096_characters_is_400"
    },
    "refresh: garbage and all else, one body": {
        "auth/test_refresh": "garbage_bad_signature_access_token_and_all_else_is_401_"
        "with_one_body"
    },
    "N refreshes of one token at once": {
        "auth/test_refresh": "n_refreshes_of_one_token_at_once_are_n_times_200",
        "races/test_registration": "all_refreshes_of_one_token_succeed",
    },
    "logout: own session over already": {
        "auth/test_logout": "own_session_already_revoked_is_200 "
        "own_session_expired_is_200"
    },
    "logout: own token of another device": {
        "auth/test_logout": "own_refresh_token_of_another_device_ends_both_sessions"
    },
    "logout: another user's token": {
        "auth/test_logout": "another_users_refresh_token_is_403_and_nothing_revoked"
    },
    "logout: missing or garbage": {
        "auth/test_logout": "refresh_missing_or_garbage_is_400_and_nothing_revoked"
    },
    # Users
    "GET / with search, filters, ordering and batches": {
        "profile/test_directory": "replies_as_documented "
        "each_ordering_is_the_same_on_every_database_and_minus_its_reverse "
        "an_unknown_ordering_is_400 batch_size_is_10_unless_told_and_at_most_100 "
        "a_number_that_is_junk_is_400 "
        "batches_count_from_0_and_the_one_past_the_end_is_empty",
        "profile/test_search": "search_and_q_look_in_username_names_and_bio "
        "words_mean_themselves name_filters_mean_themselves_too "
        "names_are_found_in_any_order_case_and_accent all_that_is_asked_must_hold "
        "words_of_one_or_two_are_beginnings_or_whole_words_of_the_bio "
        "a_search_is_of_at_most_10_words terms_have_at_most_150_characters "
        "blank_limits_nothing_and_an_empty_folding_finds_no_user",
        "profile/test_search_plain": "any_question_is_answered_as_in_plain_python",
        "profile/test_ids": "limits_the_list_to_these_users "
        "a_sister_service_reads_what_anybody_could",
        "profile/test_search_places": "a_search_that_takes_too_long_is_503",
        "auth/test_look_alikes_everywhere": "login_knows_none_of_them",
    },
    "GET {username}/": {
        "profile/test_profile": "replies_as_documented "
        "everybody_sees_the_same_whatever_the_case_of_the_name"
    },
    "GET me/": {"profile/test_me": "replies_as_documented"},
    "PATCH me/update/ and me/": {
        "profile/test_update": "replies_as_documented any_subset_changes_only_itself"
    },
    "GET me/stats/ and {username}/stats/": {
        "profile/test_stats": "replies_as_documented mine_take_a_token"
    },
    "me wherever a username is taken": {
        "profile/test_profile": "me_is_the_viewer_and_needs_a_token"
    },
    # Following
    "POST follow/": {
        "follow/test_follow": "replies_field_for_field_as_documented "
        "a_username_in_any_case_will_do"
    },
    "DELETE {username}/unfollow/": {
        "follow/test_unfollow": "ends_it_and_names_the_user_as_typed"
    },
    "GET following/ and followers/": {
        "follow/test_lists": "own_lists_show_edges_newest_first"
    },
    "GET {username}/followers/ and following/": {
        "follow/test_lists": "lists_of_anybody_show_cards_newest_first "
        "a_batch_has_100_rows_by_default_and_at_most"
    },
    "a walk by next visits everyone once, at one cost": {
        "follow/test_walks": "a_walk_visits_everyone_who_stays_once_whatever_happens",
        "follow/test_cursor": "a_step_costs_the_same_however_deep",
    },
    "counters equal the rows": {
        "follow/test_counters": "counters_equal_the_rows_after_any_calls",
        "races/test_registration": "a_storm_of_mutual_follows_leaves_exact_counters",
    },
    # Validation
    "username": {
        "validation/test_fields": "a_username_is_ascii_in_its_form_and_kept_as_typed",
        "auth/test_register": "refuses_bad_values_and_names_the_field",
    },
    "reserved": {
        "auth/test_register": "refuses_reserved_names_in_any_case "
        "refuses_every_first_segment_of_the_paths_as_a_name"
    },
    "email": {
        "validation/test_fields": "an_email_address_is_short_ascii_at_a_real_domain "
        "an_email_address_that_looks_right_is_refused",
        "auth/test_register": "does_not_fold_dots_and_plusses_of_an_email",
    },
    "password": {
        "validation/test_fields": "a_password_is_any_text_of_its_length",
        "auth/test_register": "takes_any_password_of_the_right_length "
        "refuses_a_password_that_is_the_username_or_the_email",
    },
    "names and bio": {
        "validation/test_fields": "names_and_bio_come_out_as_they_are_kept"
    },
    "avatar": {
        "validation/test_fields": "an_avatar_is_a_plain_web_address",
        "profile/test_update": "an_avatar_is_cleared_by_null_and_by_nothing",
    },
    "following": {
        "follow/test_follow": "following_is_an_integer_from_1_to_the_largest_id",
        "validation/test_fields": "a_user_id_is_a_json_integer_that_fits",
    },
    "no NUL and no lone surrogate": {
        "http/test_gate": "no_string_anywhere_may_hold_nul",
        "auth/test_register": "refuses_a_lone_surrogate_anywhere",
    },
    "unknown fields": {
        "follow/test_follow": "an_unknown_field_is_refused",
        "auth/test_register": "refuses_missing_and_unknown_fields_and_names_them",
    },
}


@pytest.mark.parametrize("row", ROWS)
def test_each_row_is_held_by_tests_that_exist(row: str) -> None:
    held(ROWS[row])


def held(row: dict[str, str]) -> None:
    """Assert that the tests exist that hold a row."""
    for file, names in row.items():
        text = (TESTS / f"{file}.py").read_text("utf-8")
        tests = set(re.findall(r"^def test_(\w+)\(", text, re.MULTILINE))
        assert set(names.split()) <= tests, file
