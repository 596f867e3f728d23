/* The answer to a change goes to the worker that took the request, whichever that is: also one that the host was not
 * told of, which nobody wakes after a commit. */
#include "harness.h"

static const who admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", NULL, false};

typedef struct elsewhere {
  harness h;
  gh_loop *loop;
  gh_worker worker;
} elsewhere;

static void init_worker(void *arg)
{
  elsewhere *t = arg;
  gh_worker_init(&t->worker, gh_loop_uv(t->loop), t->loop, &t->h.options.clock, NULL, NULL);
}

static int setup(void **state)
{
  elsewhere *t = calloc(1, sizeof *t);
  harness_start(&t->h, &gh_cse_function);
  assert_int_equal(gh_loop_start("elsewhere", &t->loop), GH_OK);
  gh_loop_call(t->loop, init_worker, t);
  *state = t;
  return 0;
}

static int teardown(void **state)
{
  elsewhere *t = *state;
  gh_loop_call(t->loop, harness_close_worker, &t->worker);
  gh_loop_stop(t->loop);
  harness_stop(&t->h);
  gh_worker_free(&t->worker);
  free(t);
  return 0;
}

static int create(elsewhere *t, gh_loop *loop, gh_worker *worker, const char *content)
{
  answer out = {0};
  sent *s = calloc(1, sizeof *s);
  *s = (sent){.h = &t->h, .out = &out};
  uv_sem_init(&s->answered, 0);
  gh_arena_init(&s->x.arena);
  s->x.host = t->h.host;
  s->x.worker = worker;
  s->x.owner = s;
  s->x.done = harness_done;
  s->x.received_us = gh_host_now_us(t->h.host);
  s->x.address_text = GH_STR("127.0.0.1:1");
  s->x.peer = (gh_peer){.kind = admin.kind,
                        .method = admin.method,
                        .id = gh_str_of(admin.id),
                        .credential_id = gh_str_of(admin.credential_id)};
  s->x.request = (gh_request){.op = GH_OP_CREATE,
                              .to = GH_STR("cse-in"),
                              .from = GH_STR("Sadmin"),
                              .has_from = true,
                              .rqi = GH_STR("r1"),
                              .rvi = GH_STR("3"),
                              .ty = GH_TY_CONTAINER,
                              .has_ty = true,
                              .rcn = GH_RCN_ABSENT,
                              .rt = 3,
                              .drt = 1};
  assert_int_equal(gh_json_parse(&s->x.arena, gh_str_of(content), &gh_json_default_limits, &s->x.request.pc, NULL),
                   GH_OK);
  gh_loop_call(loop, harness_submit, s);
  for (int i = 0; uv_sem_trywait(&s->answered) != 0; i++) {
    if (i == 2000) fail_msg("no answer: nobody wakes the worker");
    usleep(5000);
  }
  uv_sem_destroy(&s->answered);
  free(s);
  return out.rsc;
}

static void whoever_asks_is_answered(void **state)
{
  elsewhere *t = *state;
  assert_int_equal(create(t, t->h.loop, &t->h.worker, "{\"m2m:cnt\":{\"rn\":\"a\"}}"), 2001);
  for (uint32_t index = 0; index < 2; index++) { /* of the same number as one of the host's, and of none */
    t->worker.index = index;
    assert_int_equal(
        create(t, t->loop, &t->worker, index ? "{\"m2m:cnt\":{\"rn\":\"b\"}}" : "{\"m2m:cnt\":{\"rn\":\"c\"}}"),
        2001);
  }
  assert_int_equal(create(t, t->loop, &t->worker, "{\"m2m:cnt\":{\"rn\":\"a\"}}"), 4105);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(whoever_asks_is_answered, setup, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
