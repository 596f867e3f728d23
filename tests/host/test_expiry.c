/* Resources whose time has come: gone at once for everybody, removed a little later with all that hangs on them, and
 * replaced without leaving anything behind. */
#include "harness.h"

#include "host/id_map.h"
#include "m2m/m2m_time.h"

static const who meter = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cmeter", "12-K1@maf.sp.example.com", "K1@maf.sp.example.com",
    false};

#define AE(more) "{\"m2m:ae\":{\"rn\":\"meter\",\"api\":\"N.d\",\"rr\":false,\"srv\":[\"3\"]" more "}}"

static int setup(void **state)
{
  harness *h = calloc(1, sizeof *h);
  harness_start(h, &gh_cse_function);
  *state = h;
  return 0;
}

static int teardown(void **state)
{
  harness_stop(*state);
  free(*state);
  return 0;
}

/* The sweep's timer, found by its period; nobody waits for it here. */
static void fire_if_sweep(uv_handle_t *handle, void *arg)
{
  enum { SWEEP_MS = 5000 };
  (void)arg;
  uv_timer_t *timer = (uv_timer_t *)handle;
  if (handle->type == UV_TIMER && uv_timer_get_repeat(timer) == SWEEP_MS) timer->timer_cb(timer);
}

static void fire_sweep(void *arg)
{
  harness *h = arg;
  uv_walk(gh_loop_uv(h->loop), fire_if_sweep, NULL);
}

typedef struct barrier {
  gh_store_job job;
  uv_sem_t done;
} barrier;

static gh_err pass_barrier(gh_store_job *job, gh_store_txn *txn)
{
  (void)job;
  (void)txn;
  return GH_OK;
}

static void barrier_done(gh_store_job *job, gh_err err)
{
  (void)err;
  uv_sem_post(&((barrier *)job)->done);
}

/* Sweeps once and comes back when that is on disk. */
static void sweep(harness *h)
{
  barrier b = {.job = {.run = pass_barrier, .done = barrier_done}};
  uv_sem_init(&b.done, 0);
  gh_loop_call(h->loop, fire_sweep, h);
  assert_int_equal(gh_store_submit(h->host->store, &b.job), GH_OK);
  uv_sem_wait(&b.done);
  uv_sem_destroy(&b.done);
}

static void create_box(harness *h, const char *more)
{
  char text[200];
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "C", 2, AE("")), 2001);
  snprintf(text, sizeof text, "{\"m2m:cnt\":{\"rn\":\"box\"%s}}", more);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, text), 2001);
}

static void put_instance(harness *h, const char *rn, const char *con)
{
  char text[200];
  snprintf(text, sizeof text, "{\"m2m:cin\":{\"rn\":\"%s\",\"con\":\"%s\"}}", rn, con);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter/box", "Cmeter", 4, text), 2001);
}

static void assert_counters(harness *h, const char *cni, const char *cbs)
{
  answer a = ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/box", "Cmeter", 0, NULL);
  assert_has(a, cni);
  assert_has(a, cbs);
}

/* The counters of a container follow what expires in it, whether the sweep or a new instance of the same name removes
 * it. */
static void counters_follow_what_expires(void **state)
{
  harness *h = *state;
  create_box(h, ",\"mia\":60");
  put_instance(h, "a", "12345");
  put_instance(h, "b", "123");
  assert_counters(h, "\"cni\":2", "\"cbs\":8");
  h->clock_offset_us += 61 * GH_US_PER_S;
  put_instance(h, "a", "1"); /* before any sweep */
  assert_counters(h, "\"cni\":2", "\"cbs\":4");
  sweep(h);
  assert_counters(h, "\"cni\":1", "\"cbs\":1");
  harness_reopen(h);
  assert_counters(h, "\"cni\":1", "\"cbs\":1");
  h->clock_offset_us += 61 * GH_US_PER_S;
  sweep(h);
  assert_counters(h, "\"cni\":0", "\"cbs\":0");
  assert_int_equal(gh_tree_count(h->host->tree), 3);
}

/* However many there are, they go. */
static void hundreds_expire_at_once(void **state)
{
  harness *h = *state;
  create_box(h, ",\"mia\":3600");
  for (int i = 0; i < 600; i++) {
    char rn[16];
    snprintf(rn, sizeof rn, "i%d", i);
    put_instance(h, rn, "x");
  }
  h->clock_offset_us += 3601 * GH_US_PER_S;
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/box/la", "Cmeter", 0, NULL), 4004);
  for (int i = 0; i < 3; i++) sweep(h);
  assert_int_equal(gh_tree_count(h->host->tree), 3);
  assert_counters(h, "\"cni\":0", "\"cbs\":0");
}

/* An AE whose registration has expired: its resources go with it, its credential stands for nobody. */
static void a_registration_expires(void **state)
{
  harness *h = *state;
  gh_arena arena;
  gh_str ae_id;
  gh_arena_init(&arena);
  int64_t end = gh_host_now_us(h->host) + 60 * GH_US_PER_S;
  char text[200];
  snprintf(text, sizeof text, AE(",\"et\":\"%s\""), gh_timestamp(&arena, end).ptr);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "C", 2, text), 2001);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"box\"}}"), 2001);
  put_instance(h, "i", "x");
  assert_true(gh_id_map_get(h->host->credentials, &arena, GH_STR("12-K1@maf.sp.example.com"), &ae_id));
  h->clock_offset_us += 61 * GH_US_PER_S;
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/box/i", "Cmeter", 0, NULL), 4004);
  sweep(h);
  assert_int_equal(gh_tree_count(h->host->tree), 1);
  assert_false(gh_id_map_get(h->host->credentials, &arena, GH_STR("12-K1@maf.sp.example.com"), &ae_id));
  harness_reopen(h);
  assert_int_equal(gh_tree_count(h->host->tree), 1);
  gh_arena_free(&arena);
}

static const who again = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cmeter", "12-K9@maf.sp.example.com", "K9@maf.sp.example.com",
    false};

/* The same AE comes back with another credential before the sweep: the old credential stands for nobody, nothing of
 * the old registration is left below the new one. */
static void a_registration_is_replaced(void **state)
{
  harness *h = *state;
  gh_arena arena;
  gh_str ae_id;
  gh_arena_init(&arena);
  int64_t end = gh_host_now_us(h->host) + 60 * GH_US_PER_S;
  char text[200];
  snprintf(text, sizeof text, AE(",\"et\":\"%s\""), gh_timestamp(&arena, end).ptr);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "C", 2, text), 2001);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"box\"}}"), 2001);
  h->clock_offset_us += 61 * GH_US_PER_S;
  assert_rsc(ask(h, &again, GH_OP_CREATE, "cse-in", "C", 2, AE("")), 2001);
  assert_rsc(ask(h, &again, GH_OP_RETRIEVE, "cse-in/meter/box", "Cmeter", 0, NULL), 4004);
  for (int i = 0; i < 2; i++) {
    assert_false(gh_id_map_get(h->host->credentials, &arena, GH_STR("12-K1@maf.sp.example.com"), &ae_id));
    assert_true(gh_id_map_get(h->host->credentials, &arena, GH_STR("12-K9@maf.sp.example.com"), &ae_id));
    sweep(h);
    harness_reopen(h);
  }
  assert_int_equal(gh_tree_count(h->host->tree), 2);
  gh_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(counters_follow_what_expires, setup, teardown),
      cmocka_unit_test_setup_teardown(hundreds_expire_at_once, setup, teardown),
      cmocka_unit_test_setup_teardown(a_registration_expires, setup, teardown),
      cmocka_unit_test_setup_teardown(a_registration_is_replaced, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
