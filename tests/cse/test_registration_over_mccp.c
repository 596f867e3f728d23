/* Mcc': this IN-CSE registers at those of other providers, where that is agreed: what it sends, when it asks again,
 * what it keeps of them, and how it leaves. */
#include "../host/harness.h"
#include "cse/registration.h"
#include "host/id_map.h"
#include "m2m/m2m_time.h"

#include <sys/mman.h>

enum { CALLS_MAX = 64 };

typedef struct one_call {
  char entity[64], to[96], from[64], body[600];
  gh_op op;
  int64_t at_us;
} one_call;

/* The IN-CSEs of two other providers behind the outbound port, on the worker. */
typedef struct far_side {
  one_call calls[CALLS_MAX];
  int count;
  bool there;                             /* a <remoteCSE> of ours is at sp2 */
  int create_rsc, update_rsc, delete_rsc; /* 0: as `there` has it; -1: the call fails */
  int64_t life_s;
} far_side;

typedef struct place {
  harness h;
  far_side far;
} place;

#define IN2 "//sp2.example.net/in2"
#define IN3 "//sp3.example.org/in-cse"
#define OWN IN2 "/-/in-cse.sp.example.com"
#define PROVIDER2(...)                                                                                               \
  {                                                                                                                  \
    .cse = {IN2, 21}, .fqdn = {"in2.sp2.example.net", 19}, .certificate = true, __VA_ARGS__                          \
  }
#define PROVIDER3(...)                                                                                               \
  {                                                                                                                  \
    .cse = {IN3, 24}, .fqdn = {"in-cse.sp3.example.org", 22}, .certificate = true, __VA_ARGS__                       \
  }
static const gh_provider at_sp2[] = {PROVIDER2(.called = true, .registers = true), PROVIDER3(.called = true)};
static const gh_provider at_both[] = {PROVIDER2(.called = true, .registers = true, .may_register = true),
                                      PROVIDER3(.called = true, .registers = true)};
static const gh_provider at_sp3[] = {PROVIDER2(.called = true), PROVIDER3(.called = true, .registers = true)};
static const gh_provider sp2_not_called[] = {PROVIDER2(.called = false),
                                             PROVIDER3(.called = true, .registers = true)};

static const who sp2 = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, IN2, "32-" IN2, "", false};
static const who mn1 = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/mn1", "32-//sp.example.com/mn1", "",
                        false};
#define CSR "{\"m2m:csr\":{\"cb\":\"/x/cse\",\"rr\":true,\"srv\":[\"3\"]}}"

static int judge(far_side *far, gh_op op)
{
  int given = op == GH_OP_CREATE ? far->create_rsc : op == GH_OP_UPDATE ? far->update_rsc : far->delete_rsc;
  int own = op == GH_OP_CREATE ? (far->there ? 4117 : 2001) : !far->there ? 4004 : op == GH_OP_UPDATE ? 2004 : 2002;
  int rsc = given ? given : own;
  if (rsc == 2001) far->there = true;
  if (rsc == 2002) far->there = false;
  return rsc;
}

static void keep(place *p, const gh_outbound_call *call)
{
  if (p->far.count == CALLS_MAX) return;
  one_call *c = &p->far.calls[p->far.count++];
  gh_buf text = GH_BUF_INIT;
  if (call->request.pc) gh_json_write(&text, call->request.pc);
  *c = (one_call){.op = call->request.op, .at_us = gh_clock_mono_us(&p->h.options.clock)};
  snprintf(c->entity, sizeof c->entity, "%.*s", GH_STR_ARG(call->entity));
  snprintf(c->to, sizeof c->to, "%.*s", GH_STR_ARG(call->request.to));
  snprintf(c->from, sizeof c->from, "%.*s", GH_STR_ARG(call->request.from));
  snprintf(c->body, sizeof c->body, "%.*s", GH_STR_ARG(gh_buf_str(&text)));
  gh_buf_free(&text);
}

static void answer_call(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  place *p = ctx;
  gh_arena *a = &call->arena;
  (void)worker;
  keep(p, call);
  bool is_sp2 = gh_str_eq(call->entity, GH_STR(IN2));
  int rsc = is_sp2 ? judge(&p->far, call->request.op) : 2001;
  call->err = rsc < 0 ? GH_ECONN : GH_OK;
  call->response = (gh_response){.rsc = rsc < 0 ? 0 : rsc};
  int64_t life_s = is_sp2 ? p->far.life_s : p->far.life_s / 2;
  gh_str until = gh_timestamp(a, gh_host_now_us(p->h.host) + life_s * GH_US_PER_S);
  if (rsc == 2001 || rsc == 2004)
    call->response.pc = gh_val_wrap(a, GH_STR("m2m:csr"), gh_val_wrap(a, GH_STR("et"), gh_val_str(a, until)));
  call->done(call);
}

static void agree(place *p, const gh_provider *providers)
{
  p->h.options.config.providers = providers;
  p->h.options.config.provider_count = providers ? 2 : 0;
}

static void serve(place *p)
{
  gh_host_serving(p->h.host, GH_STR("https://127.0.0.1:1"));
}

static void restart_with(place *p, const gh_provider *providers)
{
  agree(p, providers);
  harness_reopen(&p->h);
  serve(p);
}

static int setup(void **state)
{
  place *p = calloc(1, sizeof *p);
  p->far.life_s = 36000;
  harness_prepare(&p->h, &gh_cse_function);
  p->h.options.outbound = (gh_outbound){p, answer_call};
  p->h.options.config.transit_us = GH_US_PER_S;
  agree(p, at_sp2);
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

static const far_side *far_now(place *p)
{
  static look l;
  l.p = p;
  gh_loop_call(p->h.loop, take_look, &l);
  return &l.far;
}

/* Waits for the condition, at most some seconds. */
#define WAIT_FOR(condition)                                                                                          \
  do {                                                                                                               \
    int left = 1000;                                                                                                 \
    for (const far_side *f = far_now(p); (void)f, !(condition) && left; f = far_now(p), left--) usleep(10000);       \
    if (!left) fail_msg("in vain: %s; %d calls", #condition, far_now(p)->count);                                     \
  } while (0)

typedef struct mood {
  place *p;
  int create_rsc, update_rsc, delete_rsc;
  bool there;
} mood;

static void take_mood(void *arg)
{
  const mood *m = arg;
  far_side *f = &m->p->far;
  f->create_rsc = m->create_rsc;
  f->update_rsc = m->update_rsc;
  f->delete_rsc = m->delete_rsc;
  f->there = m->there;
}

/* From now on sp2 answers so. */
static void change(place *p, mood m)
{
  m.p = p;
  gh_loop_call(p->h.loop, take_mood, &m);
}

static int count_of(const far_side *f, const char *entity, gh_op op)
{
  int count = 0;
  for (int i = 0; i < f->count; i++) count += f->calls[i].op == op && strcmp(f->calls[i].entity, entity) == 0;
  return count;
}

static const one_call *last_of(const far_side *f, const char *entity)
{
  const one_call *last = NULL;
  for (int i = 0; i < f->count; i++)
    if (strcmp(f->calls[i].entity, entity) == 0) last = &f->calls[i];
  assert_non_null(last);
  return last;
}

static bool has_picture(place *p)
{
  gh_node *node = gh_tree_by_id(p->h.host->tree, GH_VIEW_COMMITTED, GH_STR("preg-sp2.example.net_in2"));
  gh_node_unref(node);
  return node;
}

static void keep_state(void *ctx, gh_str registrar, bool registered)
{
  if (gh_str_eq(registrar, GH_STR(IN2))) *(int *)ctx = registered;
}

static int state_at_sp2(place *p) /* -1: it is none of those where this CSE registers */
{
  int state = -1;
  gh_registration_each(p->h.host, keep_state, &state);
  return state;
}

static void assert_part(const char *text, const char *part)
{
  if (!strstr(text, part)) fail_msg("\"%s\" is not in %s", part, text);
}

/*= TS-0001 6.5.4; 10.2.2.7; 9.6.4 what it says of itself, all of it absolute */
static void it_registers(void **state)
{
  place *p = *state;
  assert_rsc(ask(&p->h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR), 2001);
  serve(p);
  WAIT_FOR(state_at_sp2(p) == 1);
  const one_call *c = last_of(far_now(p), IN2);
  assert_int_equal(c->op, GH_OP_CREATE);
  assert_string_equal(c->to, IN2);
  assert_string_equal(c->from, "//sp.example.com/in-cse");
  static const char *const parts[] = {"\"rn\":\"in-cse.sp.example.com\"",
                                      "\"csi\":\"//sp.example.com/in-cse\"",
                                      "\"cb\":\"//sp.example.com/in-cse/cse-in\"",
                                      "\"cst\":1",
                                      "\"rr\":true",
                                      "\"poa\":[\"https://127.0.0.1:1\"]",
                                      "\"dcse\":[\"//sp.example.com/mn1\"]",
                                      "\"et\":\""};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) assert_part(c->body, parts[i]);
  assert_int_equal(count_of(far_now(p), IN3, GH_OP_CREATE), 0); /* not agreed there */
  const who mn2 = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/mn2", "32-//sp.example.com/mn2", "", false};
  assert_rsc(ask(&p->h, &mn2, GH_OP_CREATE, "cse-in", "/mn2", 16, CSR), 2001);
  WAIT_FOR(count_of(f, IN2, GH_OP_UPDATE) == 1);
  assert_string_equal(last_of(far_now(p), IN2)->to, OWN);
  assert_part(last_of(far_now(p), IN2)->body, "//sp.example.com/mn2");
}

/*= TS-0001 9.6.4; TS-0004 7.4.4.2.1 the picture of where it is registered is its own, and gives the other nothing */
static void what_it_keeps(void **state)
{
  place *p = *state;
  serve(p);
  WAIT_FOR(has_picture(p));
  static const gh_op ops[] = {GH_OP_RETRIEVE, GH_OP_UPDATE, GH_OP_DELETE};
  for (size_t i = 0; i < 3; i++)
    assert_rsc(ask(&p->h, &sp2, ops[i], "preg-sp2.example.net_in2", IN2, 0,
                   ops[i] == GH_OP_UPDATE ? "{\"m2m:csr\":{\"rr\":false}}" : NULL),
               4103);
  assert_rsc(ask(&p->h, &sp2, GH_OP_CREATE, "preg-sp2.example.net_in2", IN2, 3, "{\"m2m:cnt\":{}}"), 4103);
  assert_rsc(ask(&p->h, &sp2, GH_OP_CREATE, "cse-in", IN2, 16, CSR),
             4005); /* to be registered there is not to let in */
  gh_arena arena;
  gh_str next;
  gh_arena_init(&arena);
  assert_false(gh_id_map_get(p->h.host->routes, &arena, GH_STR(IN2), &next));
  gh_arena_free(&arena);
}

/* Prolonged at half of its life, and it asks for more. */
static void renewed_before_it_ends(void **state)
{
  place *p = *state;
  p->far.life_s = 1000;
  restart_with(p, at_both);
  WAIT_FOR(state_at_sp2(p) == 1 && count_of(f, IN3, GH_OP_CREATE) == 1);
  p->h.clock_offset_us += 490 * GH_US_PER_S;
  WAIT_FOR(count_of(f, IN3, GH_OP_UPDATE) == 1); /* which gave it 500 s */
  assert_int_equal(count_of(far_now(p), IN2, GH_OP_UPDATE), 0);
  p->h.clock_offset_us += 20 * GH_US_PER_S;
  WAIT_FOR(count_of(f, IN2, GH_OP_UPDATE) == 1);
  assert_string_equal(last_of(far_now(p), IN2)->to, OWN);
  assert_part(last_of(far_now(p), IN2)->body, "\"et\":\"");
  p->h.clock_offset_us += 510 * GH_US_PER_S;
  WAIT_FOR(count_of(f, IN2, GH_OP_UPDATE) == 2);
}

/* A restart is no deregistration; it finds itself registered, or is registered anew. */
static void it_survives_a_restart(void **state)
{
  place *p = *state;
  serve(p);
  WAIT_FOR(has_picture(p));
  restart_with(p, at_sp2);
  WAIT_FOR(count_of(f, IN2, GH_OP_UPDATE) == 1);
  WAIT_FOR(state_at_sp2(p) == 1);
  assert_int_equal(count_of(far_now(p), IN2, GH_OP_DELETE), 0);
  assert_true(has_picture(p));
  change(p, (mood){.there = false}); /* the other side has forgotten everything */
  int before = count_of(far_now(p), IN2, GH_OP_CREATE);
  p->h.clock_offset_us += 20000 * GH_US_PER_S;
  WAIT_FOR(f->there && count_of(f, IN2, GH_OP_CREATE) == before + 1);
}

/* Refused, unreachable, or of two minds: it goes on asking, and gives the other side time. */
static void it_keeps_trying(void **state)
{
  static const mood cases[] = {
      {.create_rsc = 4005}, {.create_rsc = -1}, {.create_rsc = 4117}, {.update_rsc = 4103, .there = true}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    place *p;
    setup((void **)&p);
    change(p, cases[i]);
    serve(p);
    WAIT_FOR(f->count >= 3);
    const far_side *seen = far_now(p);
    int64_t took = seen->calls[2].at_us - seen->calls[0].at_us;
    if (took < 1000000) fail_msg("case %zu: three questions in %lld us", i, (long long)took);
    assert_int_equal(state_at_sp2(p), 0);
    assert_false(has_picture(p));
    change(p, (mood){.there = cases[i].there});
    p->h.clock_offset_us += 61 * GH_US_PER_S;
    WAIT_FOR(state_at_sp2(p) == 1);
    teardown((void **)&p);
  }
  (void)state;
}

/*= TS-0001 10.2.2.10; TS-0004 7.4.4.2.4 where it is not agreed any more it takes its registration back, once */
static void it_leaves(void **state)
{
  place *p = *state;
  serve(p);
  WAIT_FOR(has_picture(p));
  change(p, (mood){.delete_rsc = -1, .there = true});
  restart_with(p, at_sp3);
  WAIT_FOR(count_of(f, IN2, GH_OP_DELETE) == 2); /* it is not done before the other side has heard it */
  assert_string_equal(last_of(far_now(p), IN2)->to, OWN);
  assert_true(has_picture(p));
  assert_int_equal(state_at_sp2(p), -1);
  change(p, (mood){.there = true});
  p->h.clock_offset_us += 61 * GH_US_PER_S;
  WAIT_FOR(!f->there && !has_picture(p));
  int before = count_of(far_now(p), IN2, GH_OP_DELETE), others = count_of(far_now(p), IN3, GH_OP_CREATE);
  restart_with(p, at_sp3);
  WAIT_FOR(count_of(f, IN3, GH_OP_CREATE) == others + 1);
  assert_int_equal(count_of(far_now(p), IN2, GH_OP_DELETE), before);
}

/* What changes here afterwards is no business of theirs. */
static void who_has_left_stays_away(void **state)
{
  place *p = *state;
  serve(p);
  WAIT_FOR(has_picture(p));
  restart_with(p, at_sp3);
  WAIT_FOR(!f->there && !has_picture(p) && count_of(f, IN3, GH_OP_CREATE) == 1);
  assert_rsc(ask(&p->h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR), 2001);
  WAIT_FOR(count_of(f, IN3, GH_OP_UPDATE) == 1);
  assert_int_equal(count_of(far_now(p), IN2, GH_OP_DELETE), 1);
}

/* How often, since the last time, the log says that it is registered where it cannot leave. */
static int lingers(place *p)
{
  char text[8192];
  int fd = p->h.options.log.fd, times = 0;
  ssize_t len = pread(fd, text, sizeof text - 1, 0);
  assert_true(len >= 0 && len < (ssize_t)sizeof text - 1);
  text[len] = '\0';
  for (char *at = text; (at = strstr(at, "still-registered-at-provider")); at++) times++;
  assert_int_equal(ftruncate(fd, 0), 0);
  assert_true(lseek(fd, 0, SEEK_SET) == 0);
  return times;
}

static void it_leaves_where_nobody_is_called(void **state)
{
  place *p = *state;
  int log = memfd_create("log", MFD_CLOEXEC);
  p->h.options.log = (gh_log){.level = GH_LOG_WARN, .fd = log, .clock = gh_clock_system()};
  restart_with(p, at_sp2);
  WAIT_FOR(has_picture(p));
  assert_int_equal(lingers(p), 0);
  int before = far_now(p)->count;
  restart_with(p, sp2_not_called);
  WAIT_FOR(count_of(f, IN3, GH_OP_CREATE) == 1);
  assert_int_equal(far_now(p)->count, before + 1);
  assert_true(has_picture(p)); /* for all we know it is registered there */
  assert_int_equal(lingers(p), 1);
  restart_with(p, NULL); /* both are gone from the configuration */
  assert_int_equal(lingers(p), 2);
  assert_true(has_picture(p));
  p->h.options.log.level = p->h.host->log.level = GH_LOG_OFF;
  close(log);
}

/*= TS-0001 6.5.4 each at the other: two registrations, and neither is the other's picture */
static void each_at_the_other(void **state)
{
  place *p = *state;
  restart_with(p, at_both);
  WAIT_FOR(has_picture(p) && count_of(f, IN3, GH_OP_CREATE) == 1);
  assert_rsc(ask(&p->h, &sp2, GH_OP_CREATE, "cse-in", IN2, 16, CSR), 2001);
  assert_rsc(ask(&p->h, &sp2, GH_OP_CREATE, "cse-in", IN2, 16, CSR), 4117);
  assert_rsc(ask(&p->h, &sp2, GH_OP_DELETE, "pcse-sp2.example.net_in2", IN2, 0, NULL), 2002);
  assert_true(has_picture(p));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      WITH(it_registers),
      WITH(what_it_keeps),
      WITH(renewed_before_it_ends),
      WITH(it_survives_a_restart),
      cmocka_unit_test(it_keeps_trying),
      WITH(it_leaves),
      WITH(who_has_left_stays_away),
      WITH(it_leaves_where_nobody_is_called),
      WITH(each_at_the_other),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
