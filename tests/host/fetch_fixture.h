/* Questions for keys that another function holds. The issuer is a fake outbound port that the test answers for. */
#ifndef GH_TEST_FETCH_FIXTURE_H
#define GH_TEST_FETCH_FIXTURE_H

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

static inline void fake_send(void *ctx, gh_worker *worker, gh_outbound_call *call)
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

static inline int setup(void **state)
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

static inline void clear_question(question *q)
{
  gh_secret_wipe(&q->query.key);
  gh_peer_clear(&q->query.peer);
  *q = (question){.answered = 0};
}

static inline void fail_at_once(gh_outbound_call *call)
{
  call->err = GH_ENOTFOUND;
  call->done(call);
}

static inline void fail_all_on_worker(void *arg)
{
  issuer *i = arg;
  i->at_once = fail_at_once;
  while (i->count) fail_at_once(i->waiting[--i->count]);
}

static inline int teardown(void **state)
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

static inline void on_answer(gh_psk_query *query)
{
  question *q = query->owner;
  q->answered++;
  q->told_while_asking |= q->asking;
}

typedef struct asking {
  fetch_test *t;
  question *q;
} asking;

static inline void ask_on_worker(void *arg)
{
  const asking *a = arg;
  a->q->asking = true;
  a->q->at_once = gh_fetch_psk(a->t->h.host->fetcher, &a->t->options, &a->q->query);
  a->q->asking = false;
}

static inline question *ask_from(fetch_test *t, uint64_t address, const char *identity)
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

static inline question *ask_for(fetch_test *t, const char *identity)
{
  return ask_from(t, 0, identity);
}

/* Somebody invents identities; how many are let wait. */
static inline int invent(fetch_test *t, uint64_t address, int first, int count)
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

static inline void reply_on_worker(void *arg)
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
static inline void answer_with(fetch_test *t, gh_err err, int rsc, const char *content)
{
  reply r = {t, err, rsc, content};
  gh_loop_call(t->h.loop, reply_on_worker, &r);
  gh_loop_call(t->h.loop, harness_nothing, NULL);
}

static inline const char *registered(fetch_test *t, int suid, const char *key, const char *owner, int64_t life_us,
                                     char text[static 400])
{
  gh_arena arena;
  gh_arena_init(&arena);
  snprintf(text, 400, "{\"sec:skr\":{\"suid\":%d,\"kv\":\"%s\",\"cr\":\"%s\",\"et\":\"%s\"}}", suid, key, owner,
           gh_timestamp(&arena, gh_host_now_us(t->h.host) + life_us).ptr);
  gh_arena_free(&arena);
  return text;
}

static inline void answer_good(fetch_test *t)
{
  char text[400];
  answer_with(t, GH_OK, 2000, registered(t, 32, "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5", METER, 3600 * GH_US_PER_S, text));
}

static inline void assert_known(const question *q)
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

static inline void assert_refused(const question *q, gh_err err, const char *why)
{
  assert_int_equal(q->answered, 1);
  assert_int_equal(q->query.result, err);
  assert_string_equal(q->query.why, why);
  assert_int_equal(q->query.key.len, 0);
  assert_int_equal(q->query.peer.kind, GH_PEER_NONE);
}

static inline void revoke_key(fetch_test *t)
{
  gh_revocation_apply(t->h.host, GH_STR(KEY_ID));
  gh_loop_call(t->h.loop, harness_nothing, NULL);
}

#endif
