/* Keys that another function holds: questions are merged, answers are judged and remembered, refusals too; a key that
 * was revoked or has expired is none. */
#include "fetch_fixture.h"

/*= TS-0003 8.2.2.3; Entity B obtains Kc from the MAF that the identity names */
static void the_question_names_key_and_asker(void **state)
{
  fetch_test *t = *state;
  int64_t before = gh_clock_mono_us(&t->h.host->clock);
  question *q = ask_for(t, "0123456789abcdef0123456789abcdef@MAF.sp.example.com");
  assert_int_equal(q->at_once, GH_EAGAIN);
  assert_string_equal(t->issuer.last_entity, "maf.sp.example.com");
  assert_string_equal(t->issuer.last_to, "maf/0123456789ABCDEF0123456789ABCDEF");
  assert_string_equal(t->issuer.last_from, "//sp.example.com/in-cse");
  assert_true(t->issuer.last_time_allowed_us >= before + GH_US_PER_S);
  answer_good(t);
  assert_int_equal(q->answered, 1);
  assert_known(q);
  assert_true(q->query.peer.not_after_us > gh_host_now_us(t->h.host));
}

/* Two hundred handshakes wait for one key: one question, two hundred answers. */
static void questions_for_one_key_are_merged(void **state)
{
  fetch_test *t = *state;
  for (int i = 0; i < 200; i++) assert_int_equal(ask_for(t, KEY_ID)->at_once, GH_EAGAIN);
  question *other = ask_for(t, "FFFF@maf.sp.example.com");
  assert_int_equal(t->issuer.sent, 2);
  answer_good(t);
  for (int i = 0; i < 200; i++) {
    assert_int_equal(t->questions[i].answered, 1);
    assert_known(&t->questions[i]);
  }
  assert_int_equal(other->answered, 0);
  answer_with(t, GH_OK, 4004, NULL);
  assert_refused(other, GH_EAUTH, "refused-by-issuer");
}

static void a_known_key_is_confirmed_now_and_then(void **state)
{
  fetch_test *t = *state;
  ask_for(t, KEY_ID);
  answer_good(t);
  question *again = ask_for(t, KEY_ID);
  assert_int_equal(again->at_once, GH_OK);
  again->query.result = GH_OK;
  assert_known(again);
  assert_int_equal(again->answered, 0);
  t->h.clock_offset_us += 31 * GH_US_PER_S;
  question *waiting = ask_for(t, KEY_ID);
  assert_int_equal(waiting->at_once, GH_EAGAIN);
  assert_int_equal(t->issuer.sent, 2);
  answer_with(t, GH_OK, 4004, NULL); /* revoked at its issuer meanwhile */
  assert_refused(waiting, GH_EAUTH, "refused-by-issuer");
}

static void confirm_on_worker(void *arg)
{
  fetch_test *t = arg;
  gh_fetch_confirm(t->h.host->fetcher, &t->h.worker);
}

/* TP-20: a key that associations live on is confirmed without anybody asking, and an unreachable issuer is asked
 * again. */
static void held_keys_are_confirmed_unasked(void **state)
{
  fetch_test *t = *state;
  ask_for(t, KEY_ID);
  answer_good(t);
  gh_loop_call(t->h.loop, confirm_on_worker, t);
  assert_int_equal(t->issuer.sent, 1);
  t->h.clock_offset_us += 31 * GH_US_PER_S;
  gh_loop_call(t->h.loop, confirm_on_worker, t);
  gh_loop_call(t->h.loop, confirm_on_worker, t);
  assert_int_equal(t->issuer.sent, 2);
  answer_with(t, GH_ECONN, 0, NULL);
  t->h.clock_offset_us += 6 * GH_US_PER_S;
  gh_loop_call(t->h.loop, confirm_on_worker, t);
  assert_int_equal(t->issuer.sent, 3);
  answer_with(t, GH_OK, 5000, NULL); /* a fault of the issuer says nothing about the key */
  t->h.clock_offset_us += 6 * GH_US_PER_S;
  gh_loop_call(t->h.loop, confirm_on_worker, t);
  assert_int_equal(t->issuer.sent, 4);
  answer_with(t, GH_OK, 4004, NULL); /* lost: nobody asks for it any more */
  t->h.clock_offset_us += 120 * GH_US_PER_S;
  gh_loop_call(t->h.loop, confirm_on_worker, t);
  assert_int_equal(t->issuer.sent, 4);
}

static void refusals_are_remembered_for_a_while(void **state)
{
  fetch_test *t = *state;
  ask_for(t, KEY_ID);
  answer_with(t, GH_OK, 4103, NULL);
  for (int i = 0; i < 3; i++) {
    question *q = ask_for(t, KEY_ID);
    assert_int_equal(q->at_once, GH_EAUTH);
    assert_string_equal(q->query.why, "refused-by-issuer");
  }
  assert_int_equal(t->issuer.sent, 1);
  t->h.clock_offset_us += 61 * GH_US_PER_S;
  assert_int_equal(ask_for(t, KEY_ID)->at_once, GH_EAGAIN);
  answer_good(t);
  assert_int_equal(ask_for(t, KEY_ID)->at_once, GH_OK);
}

/* A MAF that cannot be reached is asked again soon, not after the time of a refusal. */
static void unreachable_is_not_refused(void **state)
{
  fetch_test *t = *state;
  static const gh_err errors[] = {GH_ECONN, GH_ETIMEOUT, GH_ELIMIT};
  for (size_t i = 0; i < 3; i++) {
    question *q = ask_for(t, KEY_ID);
    assert_int_equal(q->at_once, GH_EAGAIN);
    answer_with(t, errors[i], 0, NULL);
    assert_refused(q, errors[i], "issuer-unreachable");
    assert_int_equal(ask_for(t, KEY_ID)->at_once, GH_EAUTH);
    t->h.clock_offset_us += GH_US_PER_S + 1;
  }
  assert_int_equal(t->issuer.sent, 3);
  static const int faults[] = {5000, 5103, 4008};
  for (size_t i = 0; i < 3; i++) {
    question *q = ask_for(t, KEY_ID);
    assert_int_equal(q->at_once, GH_EAGAIN);
    answer_with(t, GH_OK, faults[i], NULL);
    assert_refused(q, GH_ECONN, "issuer-failed");
    t->h.clock_offset_us += GH_US_PER_S + 1;
  }
}

/* The port may answer inside the call: the asker still hears of it later, and once (it is paused in its handshake).
 */
static void an_answer_at_once_comes_later(void **state)
{
  fetch_test *t = *state;
  t->issuer.at_once = fail_at_once;
  question *q = ask_for(t, KEY_ID);
  gh_loop_call(t->h.loop, harness_nothing, NULL);
  assert_int_equal(q->at_once, GH_EAGAIN);
  assert_false(q->told_while_asking);
  assert_refused(q, GH_ENOTFOUND, "issuer-unreachable");
}

/*= TS-0003 8.2.2.3; a key is used for nothing but what its SUID says */
static void another_suid_is_refused(void **state)
{
  fetch_test *t = *state;
  static const int others[] = {21, 22, 23, 33, 34, 0, -32, 320};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    char text[400];
    question *q = ask_for(t, KEY_ID);
    answer_with(t, GH_OK, 2000,
                registered(t, others[i], "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5", METER, 3600 * GH_US_PER_S, text));
    assert_refused(q, GH_EAUTH, "suid-violation");
    t->h.clock_offset_us += 61 * GH_US_PER_S;
  }
}

static void expired_keys_are_none(void **state)
{
  fetch_test *t = *state;
  char text[400];
  question *q = ask_for(t, KEY_ID);
  answer_with(t, GH_OK, 2000, registered(t, 32, "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5", METER, -GH_US_PER_S, text));
  assert_refused(q, GH_EEXPIRED, "expired");
  /* and one that ends while it is remembered */
  t->h.clock_offset_us += 2 * GH_US_PER_S;
  q = ask_for(t, KEY_ID);
  answer_with(t, GH_OK, 2000, registered(t, 32, "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5", METER, 10 * GH_US_PER_S, text));
  assert_known(q);
  assert_int_equal(ask_for(t, KEY_ID)->at_once, GH_OK);
  t->h.clock_offset_us += 11 * GH_US_PER_S;
  q = ask_for(t, KEY_ID);
  assert_int_equal(q->at_once, GH_EEXPIRED);
  assert_string_equal(q->query.why, "expired");
  assert_int_equal(q->query.key.len, 0);
}

#define LATER "\"20991231T000000\""
#define KV "\"a2V5a2V5a2V5a2V5a2V5a2V5\""

static void malformed_answers_are_refused(void **state)
{
  fetch_test *t = *state;
  static const char *const bad[] = {
      NULL,
      "{}",
      "[]",
      "\"text\"",
      "{\"sec:skr\":[]}",
      "{\"sec:skr\":{}}",
      "{\"sec:skr\":{\"suid\":32},\"more\":{}}",
      "{\"sec:skr\":{\"suid\":\"32\",\"kv\":" KV ",\"cr\":\"" METER "\",\"et\":" LATER "}}",
      "{\"sec:skr\":{\"suid\":32,\"kv\":7,\"cr\":\"" METER "\",\"et\":" LATER "}}",
      "{\"sec:skr\":{\"suid\":32,\"kv\":" KV ",\"et\":" LATER "}}",
      "{\"sec:skr\":{\"suid\":32,\"kv\":" KV ",\"cr\":\"" METER "\"}}",
      "{\"sec:skr\":{\"suid\":32,\"kv\":" KV ",\"cr\":\"" METER "\",\"et\":\"never\"}}",
      "{\"sec:skr\":{\"suid\":32,\"kv\":\"\",\"cr\":\"" METER "\",\"et\":" LATER "}}",
      "{\"sec:skr\":{\"suid\":32,\"kv\":\"MTIzNDU2Nzg5MDEyMzQ1\",\"cr\":\"" METER "\",\"et\":" LATER
      "}}", /* 15 octets */
      "{\"sec:skr\":{\"suid\":32,\"kv\":\"MTIzNDU2Nzg5MDEyMzQ1Ng\",\"cr\":\"" METER "\",\"et\":" LATER
      "}}", /* no padding */
      "{\"sec:skr\":{\"suid\":32,\"kv\":"
      "\"a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5\",\"cr\":\"" METER
      "\",\"et\":" LATER "}}", /* 66 octets */
      "{\"sec:skr\":{\"suid\":32,\"kv\":" KV ",\"cr\":\"Cmeter\",\"et\":" LATER
      "}}", /* not absolute: of which CSE? */
      "{\"sec:skr\":{\"suid\":32,\"kv\":" KV ",\"cr\":\"/cse7\",\"et\":" LATER "}}",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    question *q = ask_for(t, KEY_ID);
    answer_with(t, GH_OK, 2000, bad[i]);
    if (q->answered != 1 || q->query.result == GH_OK || q->query.key.len ||
        strcmp(q->query.why, "answer-malformed") != 0)
      fail_msg("%s: %s", bad[i] ? bad[i] : "(none)", q->query.why);
    t->h.clock_offset_us += 61 * GH_US_PER_S;
  }
}

static void owners_without_an_identity(void **state)
{
  fetch_test *t = *state;
  char text[400];
  question *q = ask_for(t, KEY_ID);
  answer_with(t, GH_OK, 2000,
              registered(t, 32, "a2V5a2V5a2V5a2V5a2V5a2V5", "10-device@mef.sp.example.com", GH_US_PER_S, text));
  assert_int_equal(q->query.result, GH_OK);
  assert_int_equal(q->query.peer.kind, GH_PEER_CREDENTIAL);
  assert_str(q->query.peer.id, "");
  assert_str(q->query.peer.credential_id, "10-device@mef.sp.example.com");
  q = ask_for(t, "AA@maf.sp.example.com");
  answer_with(t, GH_OK, 2000,
              registered(t, 32, "a2V5a2V5a2V5a2V5a2V5a2V5", "//SP.example.com/cse7", GH_US_PER_S, text));
  assert_int_equal(q->query.peer.kind, GH_PEER_CSE);
  assert_str(q->query.peer.id, "//sp.example.com/cse7"); /* the form in which identities are compared */
}

/*= TS-0003 8.3.2.1; the older form of the MEF, only behind 4004 and only there */
static void the_second_form_of_a_mef(void **state)
{
  fetch_test *t = *state;
  t->options = (gh_fetch_options){.entity = GH_STR("mef.sp.example.com"), .is_mef = true, .want_suid = 22};
  question *q = ask_for(t, "AB12@mef.sp.example.com");
  assert_string_equal(t->issuer.last_to, "mef/AB12");
  answer_with(t, GH_OK, 4004, NULL);
  assert_int_equal(q->answered, 0);
  assert_string_equal(t->issuer.last_to, "fetchCredentials/AB12@mef.sp.example.com/22");
  answer_with(t, GH_OK, 2000,
              "{\"status\":true,\"credential\":" KV ",\"lifetime\":" LATER ",\"enroleeID\":\"" METER "\"}");
  assert_int_equal(q->query.result, GH_OK);
  assert_str(q->query.peer.id, METER);
  assert_int_equal(q->query.peer.suid, 22);
  static const struct {
    int rsc;
    const char *content;
    gh_err err;
    const char *why;
  } bad[] = {
      {2000, "{\"status\":false}", GH_EAUTH, "refused-by-issuer"},
      {4004, NULL, GH_EAUTH, "refused-by-issuer"}, /* not asked a third time */
      {2000, NULL, GH_EPROTO, "answer-malformed"},
      {2000, "{\"status\":\"true\"}", GH_EPROTO, "answer-malformed"},
      {2000, "{\"status\":true,\"credential\":" KV "}", GH_EPROTO, "answer-malformed"},
      {2000, "{\"status\":true,\"lifetime\":" LATER "}", GH_EPROTO, "answer-malformed"},
      {2000, "{\"status\":true,\"credential\":" KV ",\"lifetime\":\"20200101T000000\"}", GH_EEXPIRED, "expired"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    t->h.clock_offset_us += 61 * GH_US_PER_S;
    q = ask_for(t, "AB12@mef.sp.example.com");
    answer_with(t, GH_OK, 4004, NULL);
    answer_with(t, GH_OK, bad[i].rsc, bad[i].content);
    assert_refused(q, bad[i].err, bad[i].why);
  }
}

/* TP-20: revoked while the issuer's answer is under way: what it said before does not count. */
static void revoked_while_waiting(void **state)
{
  fetch_test *t = *state;
  question *first = ask_for(t, KEY_ID), *second = ask_for(t, KEY_ID);
  revoke_key(t);
  answer_good(t);
  assert_refused(first, GH_EAUTH, "revoked");
  assert_refused(second, GH_EAUTH, "revoked");
  assert_int_equal(ask_for(t, KEY_ID)->at_once, GH_EAUTH);
  t->h.clock_offset_us += 61 * GH_US_PER_S;
  assert_int_equal(ask_for(t, KEY_ID)->at_once, GH_EAGAIN); /* the issuer has the last word */
  answer_good(t);
  assert_int_equal(ask_for(t, KEY_ID)->at_once, GH_OK);
}

/* TP-20 */
static void a_revoked_key_is_forgotten(void **state)
{
  fetch_test *t = *state;
  gh_secret key = {.len = 0};
  int64_t not_after = 0;
  gh_fetcher *fetcher = t->h.host->fetcher;
  assert_int_equal(gh_fetch_key(fetcher, GH_STR(KEY_ID), &key, &not_after), GH_ENOTFOUND);
  ask_for(t, KEY_ID);
  assert_int_equal(gh_fetch_key(fetcher, GH_STR(KEY_ID), &key, &not_after), GH_ENOTFOUND);
  answer_good(t);
  assert_int_equal(gh_fetch_key(fetcher, GH_STR(KEY_ID), &key, &not_after), GH_OK);
  assert_int_equal(key.len, 24);
  assert_true(not_after > gh_host_now_us(t->h.host));
  revoke_key(t);
  gh_secret_wipe(&key);
  assert_int_equal(gh_fetch_key(fetcher, GH_STR(KEY_ID), &key, &not_after), GH_ENOTFOUND);
  question *q = ask_for(t, KEY_ID);
  assert_int_equal(q->at_once, GH_EAUTH);
  assert_string_equal(q->query.why, "revoked");
  assert_int_equal(t->issuer.sent, 1);
}

static void what_is_no_key_identifier_is_not_asked_for(void **state)
{
  fetch_test *t = *state;
  static const char *const bad[] = {
      "", "@", "abc", "a b@maf.sp.example.com", "a@", "../x@maf.sp.example.com", "a\n@maf.sp.example.com", "a@b@c"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    gh_err err = ask_for(t, bad[i])->at_once;
    assert_true(err == GH_ESYNTAX || err == GH_ELIMIT);
  }
  assert_int_equal(t->issuer.sent, 0);
}

/* Of the functions of this realm only, never of anybody whom the identity names. */
static void only_functions_of_the_realm_are_asked(void **state)
{
  fetch_test *t = *state;
  static const char *const identities[] = {"AA@evil.example.com", "AA@maf.sp.example.com.evil.org",
                                           "AA@sp.example.com", "AA@in-cse.sp.example.com"};
  for (size_t i = 0; i < 4; i++) {
    gh_psk_query query = {.identity = gh_str_of(identities[i]), .worker = &t->h.worker, .done = on_answer};
    assert_int_equal(t->h.host->key_source.find_psk(t->h.host->key_source.ctx, &query), GH_ENOTFOUND);
    assert_string_equal(query.why, "unknown-identity");
  }
  assert_int_equal(t->issuer.sent, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_question_names_key_and_asker, setup, teardown),
      cmocka_unit_test_setup_teardown(questions_for_one_key_are_merged, setup, teardown),
      cmocka_unit_test_setup_teardown(a_known_key_is_confirmed_now_and_then, setup, teardown),
      cmocka_unit_test_setup_teardown(held_keys_are_confirmed_unasked, setup, teardown),
      cmocka_unit_test_setup_teardown(refusals_are_remembered_for_a_while, setup, teardown),
      cmocka_unit_test_setup_teardown(unreachable_is_not_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(an_answer_at_once_comes_later, setup, teardown),
      cmocka_unit_test_setup_teardown(another_suid_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(expired_keys_are_none, setup, teardown),
      cmocka_unit_test_setup_teardown(malformed_answers_are_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(owners_without_an_identity, setup, teardown),
      cmocka_unit_test_setup_teardown(the_second_form_of_a_mef, setup, teardown),
      cmocka_unit_test_setup_teardown(revoked_while_waiting, setup, teardown),
      cmocka_unit_test_setup_teardown(a_revoked_key_is_forgotten, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_no_key_identifier_is_not_asked_for, setup, teardown),
      cmocka_unit_test_setup_teardown(only_functions_of_the_realm_are_asked, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
