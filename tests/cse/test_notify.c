/* NOTIFY to an <AE>: who may, whom it goes to, and what comes back. TP-01, TP-02. */
#include "../host/harness.h"

static const who meter = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cmeter", "12-K1@maf.sp.example.com", "K1@maf.sp.example.com",
    false};
static const who app = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Capp", "12-K2@maf.sp.example.com", "K2@maf.sp.example.com",
    false};
static const who mn1 = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/mn1", "32-//sp.example.com/mn1", "",
                        false};

#define AE(rr, poa) "{\"m2m:ae\":{\"api\":\"N.demo\",\"rr\":" rr ",\"srv\":[\"3\"]" poa "}}"
#define NOTIFICATION "{\"m2m:sgn\":{\"nev\":{\"net\":3},\"sur\":\"cse-in/Cmeter/data/sub\"}}"
#define POA "https://127.0.0.1:9"

/* The other side of the outbound port: keeps what it was sent, answers as the test says. */
typedef struct far_side {
  int count;
  char entity[128], to[128], from[128], credential[128], content[256], point[64];
  bool has_points;
  int64_t left_us;
  int rsc; /* 0: the call fails with `err` */
  gh_err err;
} far_side;

typedef struct place {
  harness h;
  far_side far;
} place;

static void keep(char out[static 128], gh_str text)
{
  snprintf(out, 128, "%.*s", GH_STR_ARG(text));
}

static void keep_content(far_side *far, const gh_val *pc)
{
  gh_buf text = GH_BUF_INIT;
  if (pc) gh_json_write(&text, pc);
  snprintf(far->content, sizeof far->content, "%.*s", GH_STR_ARG(gh_buf_str(&text)));
  gh_buf_free(&text);
}

static void answer_call(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  far_side *far = ctx;
  far->count++;
  keep(far->entity, call->entity);
  keep(far->to, call->request.to);
  keep(far->from, call->request.from);
  keep(far->credential, call->credential_id);
  keep_content(far, call->request.pc);
  far->has_points = call->points != NULL;
  far->point[0] = '\0';
  if (call->points && call->points->u.array.first)
    snprintf(far->point, sizeof far->point, "%.*s", GH_STR_ARG(call->points->u.array.first->u.str));
  far->left_us = call->deadline_us - gh_clock_mono_us(&worker->clock);
  call->err = far->rsc ? GH_OK : far->err;
  if (far->rsc)
    call->response = (gh_response){
        .rsc = far->rsc,
        .pc = gh_val_wrap(&call->arena, GH_STR("m2m:dbg"), gh_val_str(&call->arena, GH_STR("said by the AE")))};
  call->done(call);
}

static int setup(void **state)
{
  place *p = calloc(1, sizeof *p);
  p->far.rsc = 2000;
  harness_prepare(&p->h, &gh_cse_function);
  p->h.options.outbound = (gh_outbound){&p->far, answer_call};
  p->h.options.config.transit_us = GH_US_PER_S;
  harness_open(&p->h);
  assert_rsc(ask(&p->h, &meter, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE("true", ",\"poa\":[\"" POA "\"]")), 2001);
  assert_rsc(ask(&p->h, &app, GH_OP_CREATE, "cse-in", "Capp", 2, AE("false", "")), 2001);
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

/* Whom the policy of the meter lets do what. */
static void permit(harness *h, const char *originator, int acop)
{
  char content[512];
  snprintf(content, sizeof content,
           "{\"m2m:acp\":{\"rn\":\"p%d\",\"pv\":{\"acr\":[{\"acor\":[\"%s\"],\"acop\":%d},"
           "{\"acor\":[\"Cmeter\"],\"acop\":63}]},"
           "\"pvs\":{\"acr\":[{\"acor\":[\"Cmeter\"],\"acop\":63}]}}}",
           acop, originator, acop);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/Cmeter", "Cmeter", 1, content), 2001);
  snprintf(content, sizeof content, "{\"m2m:ae\":{\"acpi\":[\"cse-in/Cmeter/p%d\"]}}", acop);
  assert_rsc(ask(h, &meter, GH_OP_UPDATE, "cse-in/Cmeter", "Cmeter", 0, content), 2004);
}

static answer notify(harness *h, const who *peer, const char *to, const char *from)
{
  return ask(h, peer, GH_OP_NOTIFY, to, from, 0, NOTIFICATION);
}

/*= TS-0001 10.2.5.23; TS-0003 7.1 the Originator needs the right to notify, and no other will do */
static void who_may(void **state)
{
  place *p = *state;
  assert_rsc(notify(&p->h, &app, "cse-in/Cmeter", "Capp"), 4103);
  permit(&p->h, "Capp", 47); /* everything but NOTIFY */
  assert_rsc(notify(&p->h, &app, "cse-in/Cmeter", "Capp"), 4103);
  assert_int_equal(p->far.count, 0);
  permit(&p->h, "Capp", 16);
  assert_rsc(notify(&p->h, &app, "cse-in/Cmeter", "Capp"), 2000);
  assert_int_equal(p->far.count, 1);
  assert_rsc(ask(&p->h, &app, GH_OP_RETRIEVE, "cse-in/Cmeter", "Capp", 0, NULL), 4103);
  /*= TS-0003 7.2.1 */
  assert_rsc(notify(&p->h, &app, "cse-in/Cmeter", "Cmeter"), 4106);
  assert_rsc(notify(&p->h, NULL, "cse-in/Cmeter", "Capp"), 4107);
  assert_int_equal(p->far.count, 1);
}

/*= TS-0001 10.2.5.23; TS-0004 7.3.3.9.1 what the AE gets, and that its answer is the answer */
static void what_goes_on(void **state)
{
  place *p = *state;
  permit(&p->h, "Capp", 16);
  answer a = notify(&p->h, &app, "/in-cse/cse-in/Cmeter", "Capp");
  assert_rsc(a, 2000);
  assert_has(a, "said by the AE");
  assert_string_equal(p->far.entity, "//sp.example.com/in-cse/Cmeter");
  assert_string_equal(p->far.credential, "12-K1@maf.sp.example.com");
  assert_string_equal(p->far.point, POA);
  assert_string_equal(p->far.to, "/in-cse/cse-in/Cmeter");
  assert_string_equal(p->far.from, "/in-cse/Capp");
  assert_string_equal(p->far.content, NOTIFICATION);
  assert_in_range(p->far.left_us, 1, GH_US_PER_S);
  p->far.rsc = 4105;
  assert_rsc(notify(&p->h, &app, "cse-in/Cmeter", "Capp"), 4105);
  assert_rsc(notify(&p->h, &app, "Cmeter", "Capp"), 4105); /* by its resource identifier */
}

/*= TS-0001 10.2.5.23; TS-0004 7.3.3.9.1 TARGET_NOT_REACHABLE */
static void who_is_not_reached(void **state)
{
  place *p = *state;
  permit(&p->h, "Capp", 16);
  p->far.rsc = 0;
  static const struct {
    gh_err err;
    int rsc;
  } rows[] = {{GH_ECONN, 5103},  {GH_ENOTFOUND, 5103}, {GH_EAUTH, 5103},
              {GH_ELIMIT, 5103}, {GH_EPROTO, 5103},    {GH_ETIMEOUT, 4008}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    p->far.err = rows[i].err;
    assert_rsc(notify(&p->h, &app, "cse-in/Cmeter", "Capp"), rows[i].rsc);
  }
  /*= TS-0001 9.6.5 an AE that takes no requests is asked for nothing */
  p->far.rsc = 2000;
  p->far.count = 0;
  assert_rsc(ask(&p->h, &meter, GH_OP_UPDATE, "cse-in/Cmeter", "Cmeter", 0, "{\"m2m:ae\":{\"rr\":false}}"), 2004);
  assert_rsc(notify(&p->h, &app, "cse-in/Cmeter", "Capp"), 5103);
  assert_int_equal(p->far.count, 0);
  /* without a point of access there may be an open connection */
  assert_rsc(
      ask(&p->h, &meter, GH_OP_UPDATE, "cse-in/Cmeter", "Cmeter", 0, "{\"m2m:ae\":{\"rr\":true,\"poa\":null}}"),
      2004);
  assert_rsc(notify(&p->h, &app, "cse-in/Cmeter", "Capp"), 2000);
  assert_false(p->far.has_points);
  assert_rsc(ask(&p->h, &meter, GH_OP_DELETE, "cse-in/Cmeter", "Cmeter", 0, NULL), 2002);
  assert_rsc(notify(&p->h, &app, "cse-in/Cmeter", "Capp"), 4004);
  assert_int_equal(p->far.count, 1);
}

/*= TS-0004 7.3.3.9 other targets take no NOTIFY */
static void other_targets(void **state)
{
  place *p = *state;
  assert_rsc(ask(&p->h, &meter, GH_OP_CREATE, "cse-in/Cmeter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"data\"}}"), 2001);
  assert_rsc(notify(&p->h, &meter, "cse-in/Cmeter/data", "Cmeter"), 4005);
  assert_rsc(notify(&p->h, &app, "cse-in/Cmeter/data", "Capp"), 4103);
  assert_rsc(notify(&p->h, &app, "cse-in/Cmeter/none", "Capp"), 4004);
  assert_rsc(notify(&p->h, &meter, "cse-in/Cmeter#poa", "Cmeter"), 4000);
  assert_rsc(notify(&p->h, &meter, "cse-in", "Cmeter"), 4103);
  assert_int_equal(p->far.count, 0);
}

/*= TS-0004 7.3.2.6; TS-0001 10.2.5.23 from another CSE in the name of its AE, decided here */
static void from_elsewhere(void **state)
{
  place *p = *state;
  assert_rsc(ask(&p->h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16,
                 "{\"m2m:csr\":{\"cb\":\"/x/cse\",\"rr\":true,\"srv\":[\"3\"],\"rn\":\"mn1\"}}"),
             2001);
  assert_rsc(notify(&p->h, &mn1, "/in-cse/cse-in/Cmeter", "/mn1/Cfar"), 4103);
  permit(&p->h, "/mn1/Cfar", 16);
  assert_rsc(notify(&p->h, &mn1, "/in-cse/cse-in/Cmeter", "/mn1/Cfar"), 2000);
  assert_string_equal(p->far.from, "/mn1/Cfar");
  assert_string_equal(p->far.entity, "//sp.example.com/in-cse/Cmeter");
  assert_rsc(notify(&p->h, &mn1, "/in-cse/cse-in/Cmeter", "/mn2/Cfar"), 4106);
  /* and on its way to another one */
  assert_rsc(notify(&p->h, &app, "/mn1/cse-mn/Cfar", "Capp"), 2000);
  assert_string_equal(p->far.entity, "//sp.example.com/mn1");
  assert_false(p->far.has_points);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(who_may, setup, teardown),
      cmocka_unit_test_setup_teardown(what_goes_on, setup, teardown),
      cmocka_unit_test_setup_teardown(who_is_not_reached, setup, teardown),
      cmocka_unit_test_setup_teardown(other_targets, setup, teardown),
      cmocka_unit_test_setup_teardown(from_elsewhere, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
