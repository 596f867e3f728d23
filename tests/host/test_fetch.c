/* Keys that another function holds: questions are merged, answers are judged and remembered, refusals too; a key that
 * was revoked or has expired is none. The issuer is a fake outbound port that the test answers for. */
#include "harness.h"

#include "../m2m/cmocka_all.h"
#include "../base/must.h"

#include "host/fetch.h"
#include "host/revocation.h"
#include "m2m/m2m_time.h"

#define KEY_ID "0123456789ABCDEF0123456789ABCDEF@maf.sp.example.com"
#define METER "//sp.example.com/in-cse/Cmeter"

enum { QUERIES_MAX = 2048 };

#define STRANGER UINT64_C(0xffffc0000201) /* addresses, as limits count them */
#define DEVICE UINT64_C(0xffffc0000202)

/* All of it is touched on the worker only. */
typedef struct issuer {
  gh_outbound_call *waiting[QUERIES_MAX];
  size_t count, sent;
  char last_to[160], last_from[80], last_entity[80];
  int64_t last_time_allowed_us;
  /* Answers inside send() instead of waiting; NULL: keep. */
  void (*at_once)(gh_outbound_call *call);
} issuer;

typedef struct question {
  gh_psk_query query;
  gh_err at_once; /* what find_psk returned */
  int answered;   /* times `done` was called */
  bool asking;    /* inside find_psk */
  bool told_while_asking;
} question;

typedef struct fetch_test {
  harness h;
  issuer issuer;
  gh_fetch_options options;
  question questions[QUERIES_MAX];
  size_t count;
} fetch_test;

static void fake_send(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  (void)worker;
  issuer *i = ctx;
  i->sent++;
  snprintf(i->last_to, sizeof i->last_to, "%.*s", GH_STR_ARG(call->request.to));
  snprintf(i->last_from, sizeof i->last_from, "%.*s", GH_STR_ARG(call->request.from));
  snprintf(i->last_entity, sizeof i->last_entity, "%.*s", GH_STR_ARG(call->entity));
  i->last_time_allowed_us = call->deadline_us;
  if (i->at_once)
    i->at_once(call);
  else
    i->waiting[i->count++] = call;
}

static int setup(void **state)
{
  fetch_test *t = calloc(1, sizeof *t);
  harness_prepare(&t->h, &gh_cse_function);
  t->h.options.outbound = (gh_outbound){&t->issuer, fake_send};
  t->h.options.config.recheck_us = 30 * GH_US_PER_S;
  t->h.options.config.negative_us = 60 * GH_US_PER_S;
  harness_open(&t->h);
  t->options = (gh_fetch_options){.entity = GH_STR("maf.sp.example.com"), .want_suid = 32};
  *state = t;
  return 0;
}

static void clear_question(question *q)
{
  gh_secret_wipe(&q->query.key);
  gh_peer_clear(&q->query.peer);
  *q = (question){.answered = 0};
}

static void fail_at_once(gh_outbound_call *call)
{
  call->err = GH_ENOTFOUND;
  call->done(call);
}

static void fail_all_on_worker(void *arg)
{
  issuer *i = arg;
  i->at_once = fail_at_once;
  while (i->count) fail_at_once(i->waiting[--i->count]);
}

static int teardown(void **state)
{
  fetch_test *t = *state;
  gh_loop_call(t->h.loop, fail_all_on_worker, &t->issuer);
  gh_loop_call(t->h.loop, harness_nothing, NULL);
  harness_stop(&t->h);
  for (size_t i = 0; i < t->count; i++) clear_question(&t->questions[i]);
  free(t);
  return 0;
}

/* ---- asking ---- */

static void on_answer(gh_psk_query *query)
{
  question *q = query->owner;
  q->answered++;
  q->told_while_asking |= q->asking;
}

typedef struct asking {
  fetch_test *t;
  question *q;
} asking;

static void ask_on_worker(void *arg)
{
  const asking *a = arg;
  a->q->asking = true;
  a->q->at_once = gh_fetch_psk(a->t->h.host->fetcher, &a->t->options, &a->q->query);
  a->q->asking = false;
}

static question *ask_from(fetch_test *t, uint64_t address, const char *identity)
{
  assert_true(t->count < QUERIES_MAX);
  question *q = &t->questions[t->count++];
  q->query = (gh_psk_query){.identity = gh_str_of(identity),
                            .address = address,
                            .worker = &t->h.worker,
                            .done = on_answer,
                            .owner = q,
                            .result = GH_EINTERNAL};
  asking a = {t, q};
  gh_loop_call(t->h.loop, ask_on_worker, &a);
  return q;
}

static question *ask_for(fetch_test *t, const char *identity)
{
  return ask_from(t, 0, identity);
}

/* Somebody invents identities; how many are let wait. */
static int invent(fetch_test *t, uint64_t address, int first, int count)
{
  int waiting = 0;
  for (int i = first; i < first + count; i++) {
    char identity[64];
    snprintf(identity, sizeof identity, "%06X@maf.sp.example.com", i);
    const question *q = ask_from(t, address, identity);
    waiting += q->at_once == GH_EAGAIN;
    if (q->at_once != GH_EAGAIN) {
      assert_int_equal(q->at_once, GH_ELIMIT);
      assert_string_equal(q->query.why, "too-many-keys");
    }
  }
  return waiting;
}

/* ---- answering ---- */

typedef struct reply {
  fetch_test *t;
  gh_err err;
  int rsc;
  const char *content; /* JSON or NULL */
} reply;

static void reply_on_worker(void *arg)
{
  const reply *r = arg;
  issuer *i = &r->t->issuer;
  MUST(i->count > 0);
  gh_outbound_call *call = i->waiting[0];
  memmove(i->waiting, i->waiting + 1, --i->count * sizeof *i->waiting);
  call->err = r->err;
  call->response = (gh_response){.rsc = r->rsc};
  if (r->content)
    MUST(gh_json_parse(&call->arena, gh_str_of(r->content), &gh_json_default_limits, &call->response.pc, NULL) ==
         GH_OK);
  call->done(call);
}

/* The oldest question is answered; everybody who waited for it has heard. */
static void answer_with(fetch_test *t, gh_err err, int rsc, const char *content)
{
  reply r = {t, err, rsc, content};
  gh_loop_call(t->h.loop, reply_on_worker, &r);
  gh_loop_call(t->h.loop, harness_nothing, NULL);
}

static const char *registered(fetch_test *t, int suid, const char *key, const char *owner, int64_t life_us,
                              char text[static 400])
{
  gh_arena arena;
  gh_arena_init(&arena);
  snprintf(text, 400, "{\"sec:skr\":{\"suid\":%d,\"kv\":\"%s\",\"cr\":\"%s\",\"et\":\"%s\"}}", suid, key, owner,
           gh_timestamp(&arena, gh_host_now_us(t->h.host) + life_us).ptr);
  gh_arena_free(&arena);
  return text;
}

static void answer_good(fetch_test *t)
{
  char text[400];
  answer_with(t, GH_OK, 2000, registered(t, 32, "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5", METER, 3600 * GH_US_PER_S, text));
}

static void assert_known(const question *q)
{
  assert_int_equal(q->query.result, GH_OK);
  assert_int_equal(q->query.key.len, 24);
  assert_memory_equal(q->query.key.bytes, "keykeykeykeykeykeykeykey", 24);
  assert_int_equal(q->query.peer.kind, GH_PEER_AE);
  assert_int_equal(q->query.peer.method, GH_METHOD_PSK);
  assert_str(q->query.peer.id, METER);
  assert_str(q->query.peer.key_id, KEY_ID);
  assert_str(q->query.peer.credential_id, "12-" KEY_ID);
  assert_int_equal(q->query.peer.suid, 32);
}

static void assert_refused(const question *q, gh_err err, const char *why)
{
  assert_int_equal(q->answered, 1);
  assert_int_equal(q->query.result, err);
  assert_string_equal(q->query.why, why);
  assert_int_equal(q->query.key.len, 0);
  assert_int_equal(q->query.peer.kind, GH_PEER_NONE);
}

/* ---- tests ---- */

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

static void revoke_key(fetch_test *t)
{
  gh_revocation_apply(t->h.host, GH_STR(KEY_ID));
  gh_loop_call(t->h.loop, harness_nothing, NULL);
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
      cmocka_unit_test_setup_teardown(a_flood_of_unknown_keys, setup, teardown),
      cmocka_unit_test_setup_teardown(the_host_ends_while_questions_wait, setup, teardown),
      cmocka_unit_test_setup_teardown(strangers_stand_in_nobodys_way, setup, teardown),
      cmocka_unit_test_setup_teardown(letter_case_makes_no_other_line, setup, teardown),
      cmocka_unit_test_setup_teardown(an_address_has_a_share, setup, teardown),
      cmocka_unit_test_setup_teardown(the_longest_line_is_cut, setup, teardown),
      cmocka_unit_test_setup_teardown(nobody_is_held_up_by_who_asked_first, setup, teardown),
      cmocka_unit_test_setup_teardown(waiting_has_an_end, setup, teardown),
      cmocka_unit_test_setup_teardown(a_line_empties_without_waiting, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
