/* A host without a network: requests are handed to the gate as a binding would, with a peer that the test chooses.
 * For tests only. */
#ifndef GH_TESTS_HARNESS_H
#define GH_TESTS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cse/cse.h"
#include "host/gate.h"
#include "m2m/constants.h"
#include "m2m/json.h"
#include "maf/maf.h"
#include "mef/mef.h"
#include "se/se_file_cost.h"

typedef struct harness {
  char dir[64];
  gh_loop *loop;
  gh_worker worker;
  gh_worker *workers[1];
  gh_se *se;
  gh_host *host;
  gh_host_options options;
  char store_path[96];
  _Atomic int64_t clock_offset_us;
  gh_str admins[1], mafs[1], mefs[1];
  char bound[128];     /* AE-ID that the last request was given */
  uint8_t export_seed; /* another association exports other octets */
} harness;

typedef struct answer {
  int rsc;
  char body[8192];
} answer;

typedef struct who { /* the proven peer */
  gh_peer_kind kind;
  gh_peer_method method;
  const char *id, *credential_id, *key_id;
  bool provisional;
} who;

static inline int64_t harness_wall(void *ctx)
{
  return gh_clock_system().wall_us(NULL) + ((harness *)ctx)->clock_offset_us;
}

static inline int64_t harness_mono(void *ctx)
{
  return gh_clock_system().mono_us(NULL) + ((harness *)ctx)->clock_offset_us;
}

static inline void harness_init_worker(void *arg)
{
  harness *h = arg;
  gh_worker_init(&h->worker, gh_loop_uv(h->loop), h->loop, &h->options.clock, NULL, NULL);
}

static inline void harness_open(harness *h)
{
  gh_diag diag = {""};
  gh_err err = gh_host_open(&h->options, &h->host, &diag);
  if (err != GH_OK) fail_msg("host: %s", diag.text);
}

/* Everything but the host: the test may change the options before harness_open. */
static inline void harness_prepare(harness *h, const gh_function *function)
{
  *h = (harness){.dir = "/tmp/gatehouse-test-XXXXXX"};
  assert_non_null(mkdtemp(h->dir));
  snprintf(h->store_path, sizeof h->store_path, "%s/store.db", h->dir);
  char se_path[96];
  snprintf(se_path, sizeof se_path, "%s/keys.sealed", h->dir);
  gh_random random = gh_random_system();
  assert_int_equal(gh_loop_start("test", &h->loop), GH_OK);
  const gh_seal_cost cheap = {.log2_n = 10, .r = 8, .p = 1};
  assert_int_equal(gh_se_file_create_with_cost(se_path, GH_STR("test passphrase"), &random, &cheap, &h->se, NULL),
                   GH_OK);
  h->workers[0] = &h->worker;
  h->admins[0] = GH_STR("//sp.example.com/Sadmin");
  h->mafs[0] = GH_STR("maf.sp.example.com");
  h->mefs[0] = GH_STR("mef.sp.example.com");
  bool cse = function == &gh_cse_function;
  gh_str name = cse ? GH_STR("in-cse") : gh_str_of(function->name);
  h->options = (gh_host_options){.function = function,
                                 .store_path = h->store_path,
                                 .se = h->se,
                                 .clock = {harness_wall, harness_mono, h},
                                 .random = random,
                                 .log = {.level = GH_LOG_OFF},
                                 .workers = h->workers,
                                 .worker_count = 1,
                                 .config = {.self = {.sp_fqdn = GH_STR("sp.example.com"),
                                                     .cse_id = name,
                                                     .cse_rn = cse ? GH_STR("cse-in") : name,
                                                     .in_cse = GH_STR("in-cse")},
                                            .fqdn = cse                            ? GH_STR("in-cse.sp.example.com")
                                                    : function == &gh_maf_function ? h->mafs[0]
                                                                                   : h->mefs[0],
                                            .admins = h->admins,
                                            .admin_count = 1,
                                            .mafs = h->mafs,
                                            .maf_count = 1,
                                            .mefs = h->mefs,
                                            .mef_count = 1,
                                            .cse_type = cse,
                                            .max_registration_us = INT64_C(31536000) * GH_US_PER_S,
                                            .max_key_us = INT64_C(2592000) * GH_US_PER_S,
                                            .fetch_timeout_us = GH_US_PER_S,
                                            .negative_us = GH_US_PER_S,
                                            .recheck_us = GH_US_PER_S}};
  gh_loop_call(h->loop, harness_init_worker, h);
}

static inline void harness_start(harness *h, const gh_function *function)
{
  harness_prepare(h, function);
  harness_open(h);
}

static inline void harness_close_worker(void *arg)
{
  gh_worker_close(arg);
}

static inline void harness_nothing(void *arg)
{
  (void)arg;
}

static inline void harness_reopen(harness *h)
{
  gh_host_stop(h->host);
  gh_host_close_store(h->host);
  gh_loop_call(h->loop, harness_nothing, NULL); /* handles that were closed are gone after a turn of the loop */
  gh_host_close(h->host);
  harness_open(h);
}

static inline void harness_stop(harness *h)
{
  gh_host_stop(h->host);
  gh_loop_call(h->loop, harness_close_worker, &h->worker);
  gh_host_close_store(h->host);
  gh_loop_stop(h->loop);
  gh_worker_free(&h->worker);
  gh_host_close(h->host);
  gh_se_close(h->se);
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", h->dir);
  assert_int_equal(system(command), 0);
}

typedef struct sent {
  gh_exchange x;
  harness *h;
  uv_sem_t answered;
  answer *out;
} sent;

static inline gh_err harness_export(gh_exchange *x, const char *label, uint8_t out[static 48])
{
  const sent *s = x->owner;
  for (size_t i = 0; i < 48; i++) out[i] = (uint8_t)(s->h->export_seed + i + strlen(label));
  return GH_OK;
}

static inline void harness_bind(gh_exchange *x, gh_str ae_id)
{
  sent *s = x->owner;
  snprintf(s->h->bound, sizeof s->h->bound, "%.*s", GH_STR_ARG(ae_id));
}

static inline void harness_done(gh_exchange *x)
{
  sent *s = x->owner;
  s->out->rsc = x->response.rsc;
  gh_buf text = GH_BUF_INIT;
  if (x->response.body.len)
    gh_buf_add(&text, x->response.body);
  else if (x->response.pc)
    gh_json_write(&text, x->response.pc);
  snprintf(s->out->body, sizeof s->out->body, "%.*s", GH_STR_ARG(gh_buf_str(&text)));
  gh_buf_free(&text);
  gh_exchange_clear(x);
  uv_sem_post(&s->answered);
}

static inline void harness_submit(void *arg)
{
  sent *s = arg;
  gh_gate_submit(&s->x);
}

/* ty 0: none. from NULL: absent. content NULL: none. */
static inline answer ask_rcn(harness *h, const who *peer, gh_op op, const char *to, const char *from, uint32_t ty,
                             const char *content, int rcn)
{
  answer out = {0};
  sent s = {.h = h, .out = &out};
  uv_sem_init(&s.answered, 0);
  gh_arena_init(&s.x.arena);
  s.x.host = h->host;
  s.x.worker = &h->worker;
  s.x.owner = &s;
  s.x.done = harness_done;
  s.x.bind_peer = harness_bind;
  s.x.received_us = gh_host_now_us(h->host);
  s.x.address_text = GH_STR("127.0.0.1:1");
  s.x.address_family = 4;
  memcpy(s.x.address, "\x7f\0\0\1", 4);
  if (peer) {
    s.x.peer = (gh_peer){.kind = peer->kind,
                         .method = peer->method,
                         .id = gh_str_of(peer->id),
                         .credential_id = gh_str_of(peer->credential_id),
                         .key_id = gh_str_of(peer->key_id),
                         .provisional = peer->provisional};
    s.x.export_key = harness_export;
  }
  s.x.request = (gh_request){.op = op,
                             .to = gh_str_of(to),
                             .from = gh_str_of(from),
                             .has_from = from != NULL,
                             .rqi = GH_STR("r1"),
                             .rvi = GH_STR("3"),
                             .ty = ty,
                             .has_ty = ty != 0,
                             .rcn = rcn,
                             .rt = 3,
                             .drt = 1};
  gh_diag diag = {""};
  if (content &&
      gh_json_parse(&s.x.arena, gh_str_of(content), &gh_json_default_limits, &s.x.request.pc, &diag) != GH_OK)
    fail_msg("test content: %s", diag.text);
  gh_loop_call(h->loop, harness_submit, &s);
  uv_sem_wait(&s.answered);
  uv_sem_destroy(&s.answered);
  return out;
}

static inline answer ask(harness *h, const who *peer, gh_op op, const char *to, const char *from, uint32_t ty,
                         const char *content)
{
  return ask_rcn(h, peer, op, to, from, ty, content, GH_RCN_ABSENT);
}

static inline void assert_rsc(answer a, int rsc)
{
  if (a.rsc != rsc) fail_msg("rsc %d, expected %d: %s", a.rsc, rsc, a.body);
}

static inline void assert_has(answer a, const char *text)
{
  if (!strstr(a.body, text)) fail_msg("\"%s\" is not in %s", text, a.body);
}

static inline void assert_has_not(answer a, const char *text)
{
  if (strstr(a.body, text)) fail_msg("\"%s\" is in %s", text, a.body);
}

/* Text of a string member, found by its name in the answer. */
static inline const char *member(answer *a, const char *name)
{
  char pattern[64];
  snprintf(pattern, sizeof pattern, "\"%s\":\"", name);
  char *at = strstr(a->body, pattern);
  if (!at) fail_msg("no %s in %s", name, a->body);
  at += strlen(pattern);
  *strchr(at, '"') = '\0';
  return at;
}

#endif
