/* A CSE as Entity A of the MAF-based framework: what it asks the MAF, what it takes for a key, when it asks again. */
#include "../host/harness.h"
#include "cse/registration.h"
#include "m2m/m2m_time.h"

/* A MAF and a registrar behind the outbound port, on the worker. */
typedef struct far_side {
  char seen[512]; /* the requests, in order */
  int clients, keys, registrations;
  int client_rsc, key_rsc, update_rsc, confirm_rsc;
  int suid;
  const char *admin;
  int64_t life_s;
} far_side;

typedef struct place {
  harness h;
  far_side far;
} place;

static gh_val *key_registration(far_side *far, harness *h, gh_arena *a)
{
  gh_val *o = gh_val_object(a);
  gh_val_set(a, o, GH_STR("ri"), gh_val_str(a, gh_arena_fmt(a, "%032X", far->keys)));
  gh_val_set(a, o, GH_STR("suid"), gh_val_int(a, far->suid));
  gh_val_set(a, o, GH_STR("adfq"), gh_val_str(a, gh_str_of(far->admin)));
  gh_val_set(a, o, GH_STR("et"), gh_val_str(a, gh_timestamp(a, gh_host_now_us(h->host) + far->life_s * GH_US_PER_S)));
  return gh_val_wrap(a, GH_STR("sec:skr"), o);
}

static void as_maf(far_side *far, harness *h, gh_outbound_call *call)
{
  gh_arena *a = &call->arena;
  gh_response *r = &call->response;
  assert_true(gh_str_eq(call->request.from, GH_STR("//sp.example.com/mn9")));
  if (call->request.op == GH_OP_CREATE && call->request.ty == GH_TY_MAF_CLIENT_REG) {
    far->clients++;
    r->rsc = far->client_rsc;
    r->pc = gh_val_wrap(a, GH_STR("sec:macr"), gh_val_wrap(a, GH_STR("ri"), gh_val_str(a, GH_STR("macr-1"))));
  } else if (call->request.op == GH_OP_CREATE) {
    gh_buf text = GH_BUF_INIT;
    gh_json_write(&text, call->request.pc);
    assert_non_null(memmem(text.ptr, text.len, "\"tgis\":[\"//sp.example.com/in-cse\"]", 34));
    assert_null(memmem(text.ptr, text.len, "\"kv\"", 4)); /* the key does not travel */
    gh_buf_free(&text);
    assert_true(call->export_key);
    far->keys++;
    r->rsc = far->key_rsc;
    if (r->rsc == 2001) r->pc = key_registration(far, h, a);
    memset(call->exported, far->keys, sizeof call->exported);
  } else {
    r->rsc = call->request.op == GH_OP_UPDATE ? far->update_rsc : far->confirm_rsc;
  }
}

static void answer_call(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  place *p = ctx;
  (void)worker;
  bool maf = gh_str_eq(call->entity, GH_STR("maf.sp.example.com"));
  size_t used = strlen(p->far.seen);
  snprintf(p->far.seen + used, sizeof p->far.seen - used, "%s%u ",
           maf ? gh_op_name((int)call->request.op) : "registrar", call->request.ty);
  call->response = (gh_response){.rsc = 2001};
  call->err = GH_OK;
  if (maf)
    as_maf(&p->far, &p->h, call);
  else
    p->far.registrations++;
  call->done(call);
}

static int setup(void **state)
{
  place *p = calloc(1, sizeof *p);
  p->far = (far_side){.client_rsc = 2001,
                      .key_rsc = 2001,
                      .update_rsc = 2004,
                      .confirm_rsc = 2000,
                      .suid = 32,
                      .admin = "sp.example.com",
                      .life_s = 3600};
  harness_prepare(&p->h, &gh_cse_function);
  p->h.options.outbound = (gh_outbound){p, answer_call};
  p->h.options.config.cse_type = 2;
  p->h.options.config.self.cse_id = GH_STR("mn9");
  p->h.options.config.transit_us = GH_US_PER_S;
  p->h.options.config.recheck_us = 1000 * GH_US_PER_S;
  p->h.options.config.registrar = GH_STR("//sp.example.com/in-cse");
  p->h.options.config.registrar_maf = GH_STR("maf.sp.example.com");
  harness_open(&p->h);
  *state = p;
  return 0;
}

static int teardown(void **state)
{
  place *p = *state;
  harness_stop(&p->h);
  free(p);
  return 0;
}

typedef struct look { /* reads what belongs to the worker, on the worker */
  place *p;
  far_side far;
} look;

static void take_look(void *arg)
{
  look *l = arg;
  l->far = l->p->far;
}

static far_side far_now(place *p)
{
  look l = {.p = p};
  gh_loop_call(p->h.loop, take_look, &l);
  return l.far;
}

/* Waits for the condition, at most some seconds. */
#define WAIT_FOR(condition)                                                                                          \
  do {                                                                                                               \
    int left = 1000;                                                                                                 \
    for (far_side f = far_now(p); (void)f.keys, !(condition) && left; f = far_now(p), left--) usleep(10000);         \
    if (!left) fail_msg("in vain: %s; seen: %s", #condition, far_now(p).seen);                                       \
  } while (0)

/* The key in the keyring, by the octet that the exporter gave; -1: none. */
static int held(place *p)
{
  gh_arena arena;
  gh_key_record r = {.key = {.len = 0}};
  gh_arena_init(&arena);
  gh_err err = gh_keyring_find_owned(p->h.host->keyring, &arena, GH_KEY_KC, GH_STR("//sp.example.com/in-cse"), &r);
  int octet = err == GH_OK ? r.key.bytes[0] : -1;
  if (err == GH_OK) assert_int_equal(r.key.len, 32);
  gh_secret_wipe(&r.key);
  gh_arena_free(&arena);
  return octet;
}

/*= TS-0003 8.2.2.3; 8.8.2.3; 8.8.2.7 client registration, key registration, and only then the association */
static void a_key_comes_before_the_association(void **state)
{
  place *p = *state;
  gh_host_serving(p->h.host, GH_STR("https://127.0.0.1:1"));
  WAIT_FOR(f.registrations > 0);
  far_side f = far_now(p);
  assert_memory_equal(f.seen, "CREATE40002 CREATE40005 registrar16", 35);
  assert_int_equal(f.keys, 1);
  assert_int_equal(held(p), 1);
}

/* The registrar comes back with the same key, and proves to be the registrar with it; nobody else's key does. */
/*= TS-0003 8.2.1 */
static void the_registrar_is_proven_by_it(void **state)
{
  place *p = *state;
  gh_host_serving(p->h.host, GH_STR("https://127.0.0.1:1"));
  WAIT_FOR(f.registrations > 0);
  gh_psk_query q = {.identity = GH_STR("00000000000000000000000000000001@maf.sp.example.com"),
                    .worker = &p->h.worker};
  assert_int_equal(p->h.host->key_source.find_psk(p->h.host->key_source.ctx, &q), GH_OK);
  assert_int_equal(q.peer.kind, GH_PEER_CSE);
  assert_true(gh_str_eq(q.peer.id, GH_STR("//sp.example.com/in-cse")));
  gh_secret_wipe(&q.key);
  gh_peer_clear(&q.peer);
  p->h.clock_offset_us += 3601 * GH_US_PER_S; /* past its end it opens nothing */
  gh_psk_query late = {.identity = q.identity, .worker = &p->h.worker};
  assert_int_equal(p->h.host->key_source.find_psk(p->h.host->key_source.ctx, &late), GH_EEXPIRED);
}

static void renewed_before_it_ends(void **state)
{
  place *p = *state;
  gh_host_serving(p->h.host, GH_STR("https://127.0.0.1:1"));
  WAIT_FOR(f.registrations > 0);
  p->h.clock_offset_us += 1700 * GH_US_PER_S; /* confirmed, not renewed */
  WAIT_FOR(strstr(f.seen, "RETRIEVE0"));
  assert_int_equal(far_now(p).keys, 1);
  p->h.clock_offset_us += 200 * GH_US_PER_S;
  WAIT_FOR(f.keys == 2);
  assert_non_null(
      strstr(far_now(p).seen, "UPDATE0 CREATE40005")); /* the registration first: it must outlive the key */
  assert_int_equal(far_now(p).clients, 1);
  WAIT_FOR(held(p) == 2);
}

/* Revoked at the MAF, or the MAF has forgotten everything. */
static void what_the_maf_does_not_know_is_replaced(void **state)
{
  place *p = *state;
  gh_host_serving(p->h.host, GH_STR("https://127.0.0.1:1"));
  WAIT_FOR(f.registrations > 0);
  p->far.confirm_rsc = 4004;
  p->far.update_rsc = 4004;
  p->h.clock_offset_us += 1001 * GH_US_PER_S;
  WAIT_FOR(f.keys == 2);
  assert_int_equal(far_now(p).clients, 2);
  p->far.confirm_rsc = 2000;
  WAIT_FOR(held(p) == 2);
}

static void it_survives_a_restart(void **state)
{
  place *p = *state;
  gh_host_serving(p->h.host, GH_STR("https://127.0.0.1:1"));
  WAIT_FOR(f.registrations > 0);
  harness_reopen(&p->h);
  gh_host_serving(p->h.host, GH_STR("https://127.0.0.1:1"));
  WAIT_FOR(f.registrations > 1);
  assert_int_equal(far_now(p).keys, 1);
  assert_int_equal(held(p), 1);
  p->h.clock_offset_us += 1900 * GH_US_PER_S; /* and it knows its client registration still */
  WAIT_FOR(f.keys == 2);
  assert_int_equal(far_now(p).clients, 1);
}

static void registered_at_the_maf_before(void **state)
{
  place *p = *state;
  p->far.client_rsc = 4117;
  gh_host_serving(p->h.host, GH_STR("https://127.0.0.1:1"));
  WAIT_FOR(f.registrations > 0);
  assert_int_equal(held(p), 1);
}

/* Without a key for exactly this use there is no association, whatever the MAF says. */
static void what_is_no_key_for_it(void **state)
{
  static const far_side cases[] = {
      {.client_rsc = 4103, .key_rsc = 2001, .suid = 32, .admin = "sp.example.com", .life_s = 60},
      {.client_rsc = 2001, .key_rsc = 4103, .suid = 32, .admin = "sp.example.com", .life_s = 60},
      {.client_rsc = 2001, .key_rsc = 2001, .suid = 33, .admin = "sp.example.com", .life_s = 60},
      {.client_rsc = 2001, .key_rsc = 2001, .suid = 32, .admin = "other.example.com", .life_s = 60},
      {.client_rsc = 2001, .key_rsc = 2001, .suid = 32, .admin = "sp.example.com", .life_s = -1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    place *p;
    setup((void **)&p);
    p->far = cases[i];
    gh_host_serving(p->h.host, GH_STR("https://127.0.0.1:1"));
    WAIT_FOR(f.clients + f.keys > 1 && strlen(f.seen) > 30); /* it goes on asking */
    assert_int_equal(far_now(p).registrations, 0);
    assert_int_equal(held(p), -1);
    teardown((void **)&p);
  }
  (void)state;
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      WITH(a_key_comes_before_the_association),
      WITH(the_registrar_is_proven_by_it),
      WITH(renewed_before_it_ends),
      WITH(what_the_maf_does_not_know_is_replaced),
      WITH(it_survives_a_restart),
      WITH(registered_at_the_maf_before),
      cmocka_unit_test(what_is_no_key_for_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
