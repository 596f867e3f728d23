/* Which points of access of a registered CSE are taken, and what is said of the others. TP-07. */
#include "../host/harness.h"

#include <sys/mman.h>

#include "cmd/poa.h"
#include "cmd/runtime.h"

#define BROKER "mqtts://192.0.2.1:8883"
#define PLACE "https://192.0.2.7:443"

typedef struct place {
  harness h;
  gh_realm realm;
  gh_runtime runtime;
  gh_served served;
  int log;
} place;

static const who admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};

static int setup(void **state)
{
  place *p = calloc(1, sizeof *p);
  harness_start(&p->h, &gh_cse_function);
  gh_realm_function *own = &p->realm.functions[0];
  *own = (gh_realm_function){.kind = GH_REALM_CSE,
                             .cse_id = GH_STR("in-cse"),
                             .fqdn = GH_STR("in-cse.sp.example.com"),
                             .mqtt = {.broker = GH_STR("192.0.2.1:8883"), .enforces = true}};
  p->realm.function_count = 1;
  p->realm.sp_fqdn = GH_STR("sp.example.com");
  p->log = memfd_create("log", MFD_CLOEXEC);
  p->runtime.realm = &p->realm;
  p->runtime.log = (gh_log){.level = GH_LOG_WARN, .fd = p->log, .clock = gh_clock_system()};
  p->served = (gh_served){.function = own, .runtime = &p->runtime, .host = p->h.host};
  pthread_mutex_init(&p->served.found_lock, NULL);
  *state = p;
  return 0;
}

static int teardown(void **state)
{
  place *p = *state;
  gh_runtime_free_points(&p->served);
  pthread_mutex_destroy(&p->served.found_lock);
  harness_stop(&p->h);
  close(p->log);
  free(p);
  return 0;
}

/* How often, since the last time, it was said that an entry is passed over: of any entry, and with this reason. */
static int said(place *p, const char *reason)
{
  char text[8192];
  ssize_t len = pread(p->log, text, sizeof text - 1, 0);
  int all = 0, fitting = 0;
  assert_true(len >= 0 && len < (ssize_t)sizeof text - 1);
  text[len] = '\0';
  for (char *at = text; (at = strstr(at, "point-of-access-passed-over")); at++) all++;
  for (char *at = text; (at = strstr(at, reason)); at++) fitting++;
  if (all != fitting) fail_msg("other reasons than %s: %s", reason, text);
  assert_int_equal(ftruncate(p->log, 0), 0);
  assert_true(lseek(p->log, 0, SEEK_SET) == 0);
  return all;
}

static void give_key(place *p, const char *id, const char *owner)
{
  char body[300];
  snprintf(body, sizeof body,
           "{\"gh:ask\":{\"syki\":\"%s\",\"enid\":\"%s\",\"kv\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"}}",
           id, owner);
  assert_rsc(ask(&p->h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", GH_TY_ASSOCIATION_KEY, body), 2001);
}

#define MN(how, credential)                                                                                          \
  {                                                                                                                  \
    GH_PEER_CSE, how, "//sp.example.com/mn7", credential, "", false                                                  \
  }
static const gh_str mn7 = {"//sp.example.com/mn7", 20};

static void register_cse(place *p, const who *peer, const char *points)
{
  char body[400];
  snprintf(body, sizeof body, "{\"m2m:csr\":{\"cb\":\"/mn7/base\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[%s]}}",
           points);
  assert_rsc(ask(&p->h, peer, GH_OP_CREATE, "cse-in", "/mn7", GH_TY_REMOTE_CSE, body), 2001);
}

static void leave(place *p, const who *peer)
{
  assert_rsc(ask(&p->h, peer, GH_OP_DELETE, "rcse-mn7", "/mn7", 0, NULL), 2002);
}

/*= TS-0003 8.2.1; TS-0010 7.2 at the broker a CSE is only where the broker proves what it registered with */
static void whom_the_broker_proves(void **state)
{
  place *p = *state;
  static const char cannot[] = "the broker cannot tell who proves this credential";
  static const struct {
    who peer;
    const char *why; /* NULL: it is reached there */
  } cases[] = {{MN(GH_METHOD_CERTIFICATE, "32-//sp.example.com/mn7"), NULL},
               {MN(GH_METHOD_PSK, "12-mn7@keys.example.com"), NULL},
               {MN(GH_METHOD_PSK, "12-K7@maf.sp.example.com"), NULL},
               {MN(GH_METHOD_BROKER, ""), NULL}, /* it came through it */
               {MN(GH_METHOD_CERTIFICATE, "34-urn:example:node7"), cannot},
               {MN(GH_METHOD_CERTIFICATE, "31-0.2.481.1.100.7"), cannot},
               {MN(GH_METHOD_PUBLIC_KEY, "30-ni:///sha-256;UyaQV-Ev4rdLoHyJJWCi11OHfrYv9E1aGQAlMO2X_-Q"), cannot},
               {MN(GH_METHOD_PSK, "12-other@keys.example.com"), "its key has been taken away"}};
  give_key(p, "mn7@keys.example.com", "//sp.example.com/mn7");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const who *peer = &cases[i].peer;
    gh_poa poa;
    register_cse(p, peer, "\"" BROKER "\",\"" PLACE "\"");
    bool there = gh_runtime_is_at_broker(&p->served, mn7);
    if (there != !cases[i].why) fail_msg("%s: %d", peer->credential_id, there);
    /* passed over: the next one counts */
    assert_int_equal(gh_runtime_nth_point(&p->served, mn7, 0, &poa), GH_OK);
    assert_int_equal(poa.scheme, GH_POA_HTTPS);
    assert_int_equal(said(p, cases[i].why ? cases[i].why : "nothing"), cases[i].why ? 1 : 0);
    leave(p, peer);
  }
}

/* The key goes while the CSE is registered. */
static void a_key_that_goes(void **state)
{
  place *p = *state;
  const who peer = MN(GH_METHOD_PSK, "12-mn7@keys.example.com");
  give_key(p, "mn7@keys.example.com", "//sp.example.com/mn7");
  register_cse(p, &peer, "\"" BROKER "\"");
  assert_true(gh_runtime_is_at_broker(&p->served, mn7));
  assert_rsc(ask(&p->h, &admin, GH_OP_DELETE, "ask-6D6E37406B6579732E6578616D706C652E636F6D", "Sadmin", 0, NULL),
             2002);
  assert_false(gh_runtime_is_at_broker(&p->served, mn7));
}

static void update_points(place *p, const who *peer, const char *points)
{
  char body[400];
  snprintf(body, sizeof body, "{\"m2m:csr\":{\"poa\":[%s]}}", points);
  assert_rsc(ask(&p->h, peer, GH_OP_UPDATE, "rcse-mn7", "/mn7", 0, body), 2004);
}

/* A call that waits looks for the place many times a second. */
static void said_once_for_each_change(void **state)
{
  place *p = *state;
  const who peer = MN(GH_METHOD_CERTIFICATE, "32-//sp.example.com/mn7");
  gh_poa poa;
  register_cse(p, &peer, "\"http://192.0.2.7:80\",\"" PLACE "\",\"coap://192.0.2.7\"");
  for (int i = 0; i < 5; i++)
    for (size_t n = 0; n < 3; n++)
      assert_int_equal(gh_runtime_nth_point(&p->served, mn7, n, &poa), n ? GH_ENOTFOUND : GH_OK);
  assert_int_equal(said(p, "in clear text"), 2);
  update_points(p, &peer, "\"http://192.0.2.8:80\",\"" PLACE "\"");
  for (int i = 0; i < 5; i++) assert_int_equal(gh_runtime_nth_point(&p->served, mn7, 0, &poa), GH_OK);
  assert_int_equal(said(p, "in clear text"), 1);
  update_points(p, &peer, "\"" PLACE "\"");
  assert_int_equal(gh_runtime_nth_point(&p->served, mn7, 0, &poa), GH_OK);
  assert_int_equal(said(p, "in clear text"), 0);
  update_points(p, &peer, "\"http://192.0.2.8:80\"");
  for (int i = 0; i < 5; i++) assert_int_equal(gh_runtime_nth_point(&p->served, mn7, 0, &poa), GH_ENOTFOUND);
  assert_int_equal(said(p, "in clear text"), 1);
}

/*= TS-0001 6.5.4; 8.2.1.2 over Mcc' the agreement says where; what the other side registered with leads nowhere */
static void nobody_over_mccp(void **state)
{
  place *p = *state;
  static const gh_provider other = {.cse = {"//sp2.example.net/mn7", 21},
                                    .fqdn = {"mn7.sp2.example.net", 19},
                                    .certificate = true,
                                    .may_register = true};
  const who peer = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp2.example.net/mn7", "32-//sp2.example.net/mn7", "",
                    false};
  const who ours = MN(GH_METHOD_CERTIFICATE, "32-//sp.example.com/mn7");
  gh_poa poa;
  p->h.host->config.providers = &other;
  p->h.host->config.provider_count = 1;
  assert_rsc(ask(&p->h, &peer, GH_OP_CREATE, "cse-in", other.cse.ptr, GH_TY_REMOTE_CSE,
                 "{\"m2m:csr\":{\"cb\":\"//sp2.example.net/mn7/base\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"" PLACE
                 "\",\"http://192.0.2.7:80\",\"" BROKER "\"]}}"),
             2001);
  assert_int_equal(gh_runtime_nth_point(&p->served, other.cse, 0, &poa), GH_ENOTFOUND);
  assert_int_equal(gh_runtime_nth_point(&p->served, mn7, 0, &poa), GH_ENOTFOUND); /* nor one of ours with that name */
  assert_null(gh_runtime_find_peer(&p->served, other.cse));
  assert_false(gh_runtime_is_at_broker(&p->served, other.cse));
  assert_int_equal(said(p, "nothing"), 0); /* they are not even looked at */
  register_cse(p, &ours, "\"" PLACE "\"");
  assert_int_equal(gh_runtime_nth_point(&p->served, mn7, 0, &poa), GH_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {TEST(whom_the_broker_proves), TEST(a_key_that_goes),
                                     TEST(said_once_for_each_change), TEST(nobody_over_mccp)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
