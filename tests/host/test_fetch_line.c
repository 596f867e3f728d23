/* Questions wait in line for an issuer: it is bounded, every address has its share, nobody is held up by others. */
#include "fetch_fixture.h"

static void refuse_at_once(gh_outbound_call *call)
{
  call->err = GH_OK;
  call->response = (gh_response){.rsc = 4004};
  call->done(call);
}

typedef struct flood {
  fetch_test *t;
  unsigned next, until;
  int refused;
} flood;

static void discard(gh_psk_query *query)
{
  gh_peer_clear(&query->peer);
  free(query);
}

static void flood_on_worker(void *arg)
{
  flood *f = arg;
  char identity[64];
  for (; f->next < f->until; f->next++) {
    snprintf(identity, sizeof identity, "%08X@maf.sp.example.com", f->next);
    gh_psk_query *query = calloc(1, sizeof *query);
    *query = (gh_psk_query){.identity = gh_str_of(identity), .worker = &f->t->h.worker, .done = discard};
    gh_err err = gh_fetch_psk(f->t->h.host->fetcher, &f->t->options, query);
    f->refused += err == GH_ELIMIT;
    if (err != GH_EAGAIN) discard(query);
  }
}

/* TP-18: anybody may name a million keys that do not exist. It costs bounded memory, and the next good key is found
 * all the same. */
static void a_flood_of_unknown_keys(void **state)
{
  fetch_test *t = *state;
  if (getenv("GH_UNDER_VALGRIND")) skip();
  ask_for(t, KEY_ID);
  answer_good(t);
  t->issuer.at_once = refuse_at_once;
  flood f = {.t = t};
  while (f.next < 205000) { /* the answers are delivered in between */
    f.until = f.next + 5000;
    gh_loop_call(t->h.loop, flood_on_worker, &f);
    gh_loop_call(t->h.loop, harness_nothing, NULL);
  }
  assert_int_equal(f.refused, 0);
  t->issuer.at_once = NULL;
  assert_int_equal(ask_for(t, "FEED@maf.sp.example.com")->at_once, GH_EAGAIN);
  answer_good(t);
  assert_int_equal(ask_for(t, "FEED@maf.sp.example.com")->at_once, GH_OK);
}

/* The host ends while questions are open: their askers are told, nothing leaks. */
static void the_host_ends_while_questions_wait(void **state)
{
  fetch_test *t = *state;
  question *q = ask_for(t, KEY_ID);
  gh_outbound_call *call = t->issuer.waiting[--t->issuer.count];
  harness_reopen(&t->h);
  assert_int_equal(q->answered, 1);
  assert_int_equal(q->query.result, GH_ECONN);
  gh_arena_free(&call->arena); /* of the fake port, which never answered */
  free(call);
}

/* TP-18: two hundred invented identities wait at a slow MAF. A device that was never here is asked for after two
 * answers, one whose key is held at once. */
static void strangers_stand_in_nobodys_way(void **state)
{
  fetch_test *t = *state;
  ask_from(t, DEVICE, KEY_ID);
  answer_good(t);
  t->h.clock_offset_us += 31 * GH_US_PER_S; /* to be confirmed */
  size_t before = t->issuer.sent;
  assert_int_equal(invent(t, STRANGER, 0, 200), 200);
  assert_int_equal(t->issuer.sent, before + 3);
  question *held = ask_from(t, STRANGER, KEY_ID);
  assert_int_equal(t->issuer.sent, before + 4);
  assert_string_equal(t->issuer.last_to, "maf/0123456789ABCDEF0123456789ABCDEF");
  question *fresh = ask_from(t, DEVICE, "AAAA@maf.sp.example.com");
  assert_int_equal(t->issuer.sent, before + 4);
  answer_with(t, GH_OK, 4004, NULL);
  answer_with(t, GH_OK, 4004, NULL);
  assert_int_equal(t->issuer.sent, before + 6);
  answer_with(t, GH_OK, 4004, NULL);
  answer_good(t);
  assert_known(held);
  answer_with(t, GH_OK, 4004, NULL); /* one of the stranger's, whose turn came first */
  answer_good(t);
  assert_int_equal(fresh->answered, 1);
  assert_int_equal(fresh->query.result, GH_OK);
  while (t->issuer.count) answer_with(t, GH_OK, 4004, NULL);
  assert_int_equal(t->issuer.sent, before + 202);
}

/* Whoever writes the issuer's name in other letters waits in the same line. */
static void letter_case_makes_no_other_line(void **state)
{
  fetch_test *t = *state;
  static const char *const names[] = {"maf.sp.example.com", "MAF.sp.example.com", "mAf.sp.example.com"};
  for (int i = 0; i < 3; i++) {
    t->options.entity = gh_str_of(names[i]);
    assert_int_equal(invent(t, STRANGER, 10 * i, 10), 10);
  }
  assert_int_equal(t->issuer.sent, 3);
}

/* An address has so many in hand and no more; another one has its own share. */
static void an_address_has_a_share(void **state)
{
  fetch_test *t = *state;
  t->h.host->config.max_fetches_per_address = 10;
  assert_int_equal(invent(t, STRANGER, 0, 50), 10);
  assert_int_equal(invent(t, DEVICE, 100, 50), 10);
  question *merged = ask_from(t, STRANGER, "000064@maf.sp.example.com"); /* asked for already: costs nothing more */
  assert_int_equal(merged->at_once, GH_EAGAIN);
  while (t->issuer.count) answer_with(t, GH_OK, 4004, NULL);
  assert_int_equal(t->issuer.sent, 20);
  assert_int_equal(invent(t, STRANGER, 20, 50), 10); /* which it has again when they are answered */
  while (t->issuer.count) answer_with(t, GH_OK, 4004, NULL);
  t->h.host->config.max_fetches_per_address = 0;
  assert_int_equal(invent(t, STRANGER, 200, 50), 50);
}

/* However many addresses the strangers have: there is an end, and the longest line is cut first. */
static void the_longest_line_is_cut(void **state)
{
  fetch_test *t = *state;
  assert_int_equal(invent(t, STRANGER, 0, 1027), 1027); /* three are with the issuer */
  question *last = &t->questions[t->count - 1];
  assert_int_equal(invent(t, STRANGER, 2000, 2), 0);
  question *device = ask_from(t, DEVICE, KEY_ID);
  assert_int_equal(device->at_once, GH_EAGAIN);
  gh_loop_call(t->h.loop, harness_nothing, NULL);
  assert_refused(last, GH_ELIMIT, "too-many-keys");
  for (int i = 0; i < 3; i++) answer_with(t, GH_OK, 4004, NULL);
  while (!device->answered) answer_good(t);
  assert_known(device);
  assert_true(t->issuer.sent <= 9);
}

/* A stranger who asks for a device's own identity first does not make it wait behind the stranger's inventions. */
static void nobody_is_held_up_by_who_asked_first(void **state)
{
  fetch_test *t = *state;
  invent(t, STRANGER, 0, 100);
  ask_from(t, STRANGER, KEY_ID);
  question *device = ask_from(t, DEVICE, KEY_ID);
  question *again = ask_from(t, STRANGER, KEY_ID);
  for (int i = 0; i < 3; i++) answer_with(t, GH_OK, 4004, NULL);
  for (int i = 0; i < 3 && !device->answered; i++) answer_good(t);
  assert_known(device);
  assert_known(again);
}

/* Whoever has waited as long as a question may take is told so, and the issuer is not asked any more. */
static void waiting_has_an_end(void **state)
{
  fetch_test *t = *state;
  invent(t, STRANGER, 0, 50);
  assert_int_equal(t->issuer.sent, 3);
  t->h.clock_offset_us += 2 * GH_US_PER_S;
  answer_with(t, GH_ETIMEOUT, 0, NULL);
  gh_loop_call(t->h.loop, harness_nothing, NULL);
  assert_int_equal(t->issuer.sent, 3);
  for (int i = 3; i < 50; i++) assert_refused(&t->questions[i], GH_ETIMEOUT, "issuer-too-slow");
  assert_int_equal(ask_from(t, STRANGER, KEY_ID)->at_once, GH_EAGAIN);
  assert_int_equal(t->issuer.sent, 4);
}

/* A key identifier is no secret. Whoever lets the queue drop a question for it must not have it refused: nobody has
 * asked the issuer. */
static void what_was_pushed_out_may_be_asked_again(void **state)
{
  fetch_test *t = *state;
  assert_int_equal(invent(t, STRANGER, 0, 1026), 1026); /* three are with the issuer */
  question *victim = ask_from(t, STRANGER, KEY_ID);     /* the end of the longest line */
  assert_int_equal(invent(t, DEVICE + 1, 5000, 1), 1);  /* an accomplice pushes it out */
  gh_loop_call(t->h.loop, harness_nothing, NULL);
  assert_refused(victim, GH_ELIMIT, "too-many-keys");
  question *device = ask_from(t, DEVICE, KEY_ID);
  assert_int_equal(device->at_once, GH_EAGAIN);
  for (int i = 0; i < 8 && !device->answered; i++) answer_good(t);
  assert_known(device);
}

static void whose_time_ran_out_in_line_may_ask_again(void **state)
{
  fetch_test *t = *state;
  invent(t, STRANGER, 0, 50);
  question *early = ask_from(t, STRANGER, KEY_ID);
  t->h.clock_offset_us += 2 * GH_US_PER_S;
  answer_with(t, GH_ETIMEOUT, 0, NULL);
  gh_loop_call(t->h.loop, harness_nothing, NULL);
  assert_refused(early, GH_ETIMEOUT, "issuer-too-slow");
  question *device = ask_from(t, DEVICE, KEY_ID);
  assert_int_equal(device->at_once, GH_EAGAIN);
  for (int i = 0; i < 3 && !device->answered; i++) answer_good(t);
  assert_known(device);
}

/* Nor does a stranger who has asked long ago make the device's time run out. */
static void whoever_comes_later_has_time_of_its_own(void **state)
{
  fetch_test *t = *state;
  int64_t budget = t->h.host->config.fetch_timeout_us;
  invent(t, STRANGER, 0, 50);
  question *early = ask_from(t, STRANGER, KEY_ID);
  t->h.clock_offset_us += budget - budget / 10;
  question *device = ask_from(t, DEVICE, KEY_ID);
  t->h.clock_offset_us += budget / 5;
  answer_with(t, GH_OK, 4004, NULL);
  for (int i = 0; i < 3 && !device->answered; i++) answer_good(t);
  assert_known(device);
  assert_known(early);
}

/* A revocation that comes while the question waits in line counts, too. */
static void revoked_while_in_line(void **state)
{
  fetch_test *t = *state;
  invent(t, STRANGER, 0, 10);
  question *device = ask_from(t, DEVICE, KEY_ID);
  revoke_key(t);
  t->h.clock_offset_us += 2 * GH_US_PER_S;
  answer_with(t, GH_ETIMEOUT, 0, NULL);
  gh_loop_call(t->h.loop, harness_nothing, NULL);
  assert_refused(device, GH_EAUTH, "revoked");
  assert_int_equal(ask_from(t, DEVICE, KEY_ID)->at_once, GH_EAUTH);
}

/* The issuer answers inside the call: the line empties, whatever its length. */
static void a_line_empties_without_waiting(void **state)
{
  fetch_test *t = *state;
  invent(t, STRANGER, 0, 1000);
  t->issuer.at_once = fail_at_once;
  answer_with(t, GH_OK, 4004, NULL);
  gh_loop_call(t->h.loop, harness_nothing, NULL);
  for (int i = 0; i < 1000; i++)
    if (i != 1 && i != 2) assert_int_equal(t->questions[i].answered, 1);
  assert_int_equal(t->issuer.sent, 1000);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_flood_of_unknown_keys, setup, teardown),
      cmocka_unit_test_setup_teardown(the_host_ends_while_questions_wait, setup, teardown),
      cmocka_unit_test_setup_teardown(strangers_stand_in_nobodys_way, setup, teardown),
      cmocka_unit_test_setup_teardown(letter_case_makes_no_other_line, setup, teardown),
      cmocka_unit_test_setup_teardown(an_address_has_a_share, setup, teardown),
      cmocka_unit_test_setup_teardown(the_longest_line_is_cut, setup, teardown),
      cmocka_unit_test_setup_teardown(nobody_is_held_up_by_who_asked_first, setup, teardown),
      cmocka_unit_test_setup_teardown(waiting_has_an_end, setup, teardown),
      cmocka_unit_test_setup_teardown(what_was_pushed_out_may_be_asked_again, setup, teardown),
      cmocka_unit_test_setup_teardown(whose_time_ran_out_in_line_may_ask_again, setup, teardown),
      cmocka_unit_test_setup_teardown(whoever_comes_later_has_time_of_its_own, setup, teardown),
      cmocka_unit_test_setup_teardown(revoked_while_in_line, setup, teardown),
      cmocka_unit_test_setup_teardown(a_line_empties_without_waiting, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
