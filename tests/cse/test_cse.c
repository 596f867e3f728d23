/* The CSE through the gate: registration, resources, policies, refusals. Test purposes TP-01, 03, 05, 07, 08, 13,
 * 14, 15. */
#include "../host/harness.h"
#include "host/id_map.h"
#include "m2m/m2m_time.h"

static const who meter = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cmeter", "12-K1@maf.sp.example.com", "K1@maf.sp.example.com",
    false};
static const who other = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cother", "12-K2@maf.sp.example.com", "K2@maf.sp.example.com",
    false};
static const who nameless = {GH_PEER_CREDENTIAL,         GH_METHOD_PSK,           "",
                             "12-K3@maf.sp.example.com", "K3@maf.sp.example.com", false};
static const who cse7 = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/cse7", "32-//sp.example.com/cse7", "",
                         false};
static const who stypes = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};

#define AE "{\"m2m:ae\":{\"api\":\"N.demo\",\"rr\":false,\"srv\":[\"3\"]}}"

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

static void register_both(harness *h)
{
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "C", 2,
                 "{\"m2m:ae\":{\"api\":\"N.demo\",\"rr\":false,\"srv\":[\"3\"],\"rn\":\"meter\"}}"),
             2001);
  assert_rsc(ask(h, &other, GH_OP_CREATE, "cse-in", "Cother", 2, AE), 2001);
}

/*= TS-0003 7.2.1; TS-0003 8.2.1 */
static void registration_binds_identity(void **state)
{
  harness *h = *state;
  answer a = ask(h, &meter, GH_OP_CREATE, "cse-in", "C", 2, AE);
  assert_rsc(a, 2001);
  assert_has(a, "\"aei\":\"Cmeter\"");
  assert_has(a, "\"ri\":\"Cmeter\"");
  assert_string_equal(h->bound, "//sp.example.com/in-cse/Cmeter");
  /*= TS-0004 7.4.5.2.1 */
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 4117);
}

static void registration_refusals(void **state)
{
  harness *h = *state;
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "Cother", 2, AE), 4106);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "/in-cse/Cmeter", 2, AE), 4000); /*= TS-0004 7.3.2.1 */
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "C", 2,
                 "{\"m2m:ae\":{\"api\":\"X.demo\",\"rr\":false,\"srv\":[\"3\"]}}"),
             4000);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "C", 2, "{\"m2m:ae\":{\"api\":\"N.demo\",\"rr\":false}}"), 4000);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "C", 2, "{\"m2m:cnt\":{}}"), 4000);
  assert_rsc(ask(h, &nameless, GH_OP_CREATE, "cse-in", "C", 2, AE), 4128);
  assert_rsc(ask(h, &cse7, GH_OP_CREATE, "cse-in", "/cse7", 2, AE), 4005);
  assert_rsc(ask(h, NULL, GH_OP_CREATE, "cse-in", "C", 2, AE), 4128);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "C", 2,
                 "{\"m2m:ae\":{\"api\":\"N.a\",\"rr\":false,\"srv\":[\"3\"],\"aei\":\"Cx\"}}"),
             4000);
}

/*= TS-0001 10.2.2.2 */
static void open_registration_assigns(void **state)
{
  harness *h = *state;
  h->host->config.open_registration = true;
  answer a = ask(h, &nameless, GH_OP_CREATE, "cse-in", NULL, 2, AE);
  assert_rsc(a, 2001);
  char stem[64];
  snprintf(stem, sizeof stem, "%s", member(&a, "aei"));
  assert_int_equal(stem[0], 'C');
  assert_int_equal(strlen(stem), 17);
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str again;
  /* the same credential is recognised at its next association, also after a restart */
  assert_true(gh_id_map_get(h->host->credentials, &arena, GH_STR("12-K3@maf.sp.example.com"), &again));
  harness_reopen(h);
  assert_true(gh_id_map_get(h->host->credentials, &arena, GH_STR("12-K3@maf.sp.example.com"), &again));
  assert_true(gh_str_ends(again, gh_str_of(stem)));
  gh_arena_free(&arena);
}

/*= TS-0004 7.3.2.1 TP-15: From is accepted only for the entity that the association authenticated */
static void impersonation(void **state)
{
  harness *h = *state;
  register_both(h);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter", "Cother", 0, NULL), 4106);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter", NULL, 0, NULL), 4000);
  assert_rsc(ask(h, &nameless, GH_OP_RETRIEVE, "cse-in/meter", "Cmeter", 0, NULL), 4106);
  assert_rsc(ask(h, &cse7, GH_OP_RETRIEVE, "cse-in/meter", "/cse8", 0, NULL), 4106);
  assert_rsc(ask(h, NULL, GH_OP_RETRIEVE, "cse-in/meter", "/cse7", 0, NULL), 4107);
  assert_rsc(ask(h, NULL, GH_OP_RETRIEVE, "cse-in/meter", "Cnobody", 0, NULL), 4106);
  /* even an address that does not exist is not told to an impostor */
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/nothing", "Cother", 0, NULL), 4106);
}

/* TP-03, TP-07: no originator is privileged by being typed */
static void originator_is_data(void **state)
{
  harness *h = *state;
  register_both(h);
  static const char *const typed[] = {
      "*", ".*", "all", "%", "C*", "admin", "CAdmin", "/in-cse", "//sp.example.com", "SYSTEM"};
  for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
    answer a = ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter", typed[i], 0, NULL);
    assert_true(a.rsc == 4106 || a.rsc == 4000);
  }
  assert_rsc(ask(h, &stypes, GH_OP_RETRIEVE, "cse-in/meter", "Sadmin", 0, NULL), 4103);
}

/*= TS-0001 9.6.27; TS-0001 9.6.28 */
static void container_and_instances(void **state)
{
  harness *h = *state;
  register_both(h);
  assert_rsc(
      ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"c\",\"mni\":3,\"mbs\":20}}"),
      2001);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"c\"}}"), 4105);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c/la", "Cmeter", 0, NULL), 4004);
  for (int i = 1; i <= 5; i++) {
    char content[64];
    snprintf(content, sizeof content, "{\"m2m:cin\":{\"con\":\"v%d\"}}", i);
    assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter/c", "Cmeter", 4, content), 2001);
  }
  answer a = ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c", "Cmeter", 0, NULL);
  assert_has(a, "\"cni\":3");
  assert_has(a, "\"cbs\":6");
  assert_has(a, "\"st\":5");
  assert_has(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c/la", "Cmeter", 0, NULL), "\"con\":\"v5\"");
  assert_has(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c/ol", "Cmeter", 0, NULL), "\"con\":\"v3\"");
  /*= TS-0004 7.4.7.2.1 */
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter/c", "Cmeter", 4,
                 "{\"m2m:cin\":{\"con\":\"123456789012345678901\"}}"),
             5207);
  assert_rsc(ask(h, &meter, GH_OP_UPDATE, "cse-in/meter/c/la", "Cmeter", 0, "{\"m2m:cin\":{\"lbl\":[\"x\"]}}"), 4005);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter/c/la", "Cmeter", 4, "{\"m2m:cin\":{\"con\":\"x\"}}"), 4005);
  assert_rsc(ask(h, &meter, GH_OP_DELETE, "cse-in/meter/c/la", "Cmeter", 0, NULL), 2002);
  assert_has(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c", "Cmeter", 0, NULL), "\"cni\":2");
  assert_rsc(ask(h, &meter, GH_OP_UPDATE, "cse-in/meter/c", "Cmeter", 0, "{\"m2m:cnt\":{\"disr\":true}}"), 2004);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c/la", "Cmeter", 0, NULL), 4005); /*= TS-0004 7.4.7.2.2 */
  assert_rsc(ask(h, &meter, GH_OP_DELETE, "cse-in/meter", "Cmeter", 0, NULL), 2002);
  assert_rsc(ask(h, &other, GH_OP_RETRIEVE, "cse-in/meter/c", "Cother", 0, NULL), 4004);
}

static void restart_keeps_everything(void **state)
{
  harness *h = *state;
  register_both(h);
  assert_rsc(
      ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"c\",\"lbl\":[\"a\"]}}"),
      2001);
  for (int i = 0; i < 20; i++)
    assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter/c", "Cmeter", 4, "{\"m2m:cin\":{\"con\":\"x\"}}"), 2001);
  answer before = ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c", "Cmeter", 0, NULL);
  answer newest = ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c/la", "Cmeter", 0, NULL);
  harness_reopen(h);
  assert_string_equal(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c", "Cmeter", 0, NULL).body, before.body);
  assert_string_equal(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c/la", "Cmeter", 0, NULL).body, newest.body);
  assert_has(before, "\"cni\":20");
}

static int64_t time_in(answer a, const char *name)
{
  char member[16];
  int64_t us = 0;
  snprintf(member, sizeof member, "\"%s\":\"", name);
  const char *at = strstr(a.body, member);
  assert_non_null(at);
  at += strlen(member);
  assert_int_equal(gh_timestamp_parse((gh_str){at, strcspn(at, "\"")}, &us), GH_OK);
  return us;
}

/*= TS-0001 9.6.1.3.2 the base is as old as its store, and was modified when its configuration was */
static void the_base_has_its_times(void **state)
{
  const int64_t hour = 3600 * GH_US_PER_S;
  harness *h = *state;
  answer a = ask(h, &stypes, GH_OP_RETRIEVE, "cse-in", "Sadmin", 0, NULL);
  assert_rsc(a, 2000);
  int64_t created = time_in(a, "ct");
  assert_in_range(gh_host_now_us(h->host) - created, 0, 60 * GH_US_PER_S);
  assert_int_equal(time_in(a, "lt"), created);
  h->clock_offset_us += hour;
  harness_reopen(h);
  a = ask(h, &stypes, GH_OP_RETRIEVE, "cse-in", "Sadmin", 0, NULL);
  assert_int_equal(time_in(a, "ct"), created);
  assert_int_equal(time_in(a, "lt"), created);
  h->clock_offset_us += hour;
  static const gh_str moved = {"https://moved.sp.example.com", 28};
  h->options.config.points = &moved;
  h->options.config.point_count = 1;
  harness_reopen(h);
  harness_reopen(h);
  a = ask(h, &stypes, GH_OP_RETRIEVE, "cse-in", "Sadmin", 0, NULL);
  assert_int_equal(time_in(a, "ct"), created);
  assert_in_range(time_in(a, "lt") - created, 2 * hour, 2 * hour + 60 * GH_US_PER_S);
}

/*= TS-0003 7.1.1; TS-0001 9.6.1.3.2 */
static void policies(void **state)
{
  harness *h = *state;
  register_both(h);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"c\"}}"), 2001);
  assert_rsc(ask(h, &other, GH_OP_RETRIEVE, "cse-in/meter/c", "Cother", 0, NULL), 4103);
  answer a = ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 1,
                 "{\"m2m:acp\":{\"rn\":\"p\",\"pv\":{\"acr\":[{\"acor\":[\"Cmeter\"],\"acop\":63},{\"acor\":["
                 "\"Cother\"],\"acop\":2}]},"
                 "\"pvs\":{\"acr\":[{\"acor\":[\"Cmeter\"],\"acop\":63}]}}}");
  assert_rsc(a, 2001);
  /* acpi alone, whoever asks, before authorization */
  assert_rsc(ask(h, &other, GH_OP_UPDATE, "cse-in/meter/c", "Cother", 0,
                 "{\"m2m:cnt\":{\"acpi\":[\"cse-in/meter/p\"],\"lbl\":[\"a\"]}}"),
             4000);
  assert_rsc(
      ask(h, &other, GH_OP_UPDATE, "cse-in/meter/c", "Cother", 0, "{\"m2m:cnt\":{\"acpi\":[\"cse-in/meter/p\"]}}"),
      4103);
  assert_rsc(
      ask(h, &meter, GH_OP_UPDATE, "cse-in/meter/c", "Cmeter", 0, "{\"m2m:cnt\":{\"acpi\":[\"cse-in/meter/p\"]}}"),
      2004);
  assert_rsc(ask(h, &other, GH_OP_RETRIEVE, "cse-in/meter/c", "Cother", 0, NULL), 2000);
  assert_rsc(ask(h, &other, GH_OP_CREATE, "cse-in/meter/c", "Cother", 4, "{\"m2m:cin\":{\"con\":\"x\"}}"), 4103);
  assert_rsc(ask(h, &other, GH_OP_UPDATE, "cse-in/meter/c", "Cother", 0, "{\"m2m:cnt\":{\"acpi\":null}}"), 4103);
  assert_rsc(ask(h, &other, GH_OP_RETRIEVE, "cse-in/meter/p", "Cother", 0, NULL),
             4103); /* pv does not count for the policy itself */
  assert_rsc(ask(h, &meter, GH_OP_DELETE, "cse-in/meter/p", "Cmeter", 0, NULL), 2002);
  /* the reference leads nowhere now: nobody, not even the creator */
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c", "Cmeter", 0, NULL), 4103);
}

/*= TS-0004 7.4.2.2.1 */ /* TP-14, TP-01 */
static void policy_validation(void **state)
{
  harness *h = *state;
  register_both(h);
  static const char *const bad[] = {
      "{\"m2m:acp\":{\"rn\":\"q\",\"pv\":{\"acr\":[]},\"pvs\":{\"acr\":[]}}}",
      "{\"m2m:acp\":{\"rn\":\"q\",\"pv\":{\"acr\":[{\"acor\":[\"Cx\"],\"acop\":64}]},\"pvs\":{\"acr\":[{\"acor\":["
      "\"Cmeter\"],\"acop\":63}]}}}",
      "{\"m2m:acp\":{\"rn\":\"q\",\"pv\":{\"acr\":[{\"acop\":63}]},\"pvs\":{\"acr\":[{\"acor\":[\"Cmeter\"],\"acop\":"
      "63}]}}}",
      "{\"m2m:acp\":{\"rn\":\"q\",\"pv\":{\"acr\":[{\"acor\":[\"Cx\"],\"acop\":63,\"acxx\":1}]},\"pvs\":{\"acr\":[{"
      "\"acor\":[\"Cmeter\"],\"acop\":63}]}}}",
      "{\"m2m:acp\":{\"rn\":\"q\",\"pv\":{\"acr\":[{\"acor\":[\"Cx\"],\"acop\":63,\"acco\":[{\"actw\":[\"* * "
      "*\"]}]}]},\"pvs\":{\"acr\":[{\"acor\":[\"Cmeter\"],\"acop\":63}]}}}",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 1, bad[i]), 4000);
  assert_rsc(
      ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 1,
          "{\"m2m:acp\":{\"rn\":\"q\",\"pv\":{\"acr\":[]},\"pvs\":{\"acr\":[{\"acor\":[\"Cmeter\"],\"acop\":63}]}}}"),
      2001);
  static const char *const updates[] = {
      "{\"m2m:acp\":{\"pvs\":{\"acr\":[]}}}",
      "{\"m2m:acp\":{\"pvs\":{\"acr\":[{\"acor\":[\"Cmeter\"],\"acop\":2}]}}}",
      "{\"m2m:acp\":{\"pvs\":{\"acr\":[{\"acor\":[],\"acop\":63}]}}}",
      "{\"m2m:acp\":{\"pv\":{\"acr\":[{\"acor\":[\"Cx\"],\"acop\":0}]}}}",
      "{\"m2m:acp\":{\"pv\":null}}",
  };
  for (size_t i = 0; i < sizeof updates / sizeof *updates; i++)
    assert_rsc(ask(h, &meter, GH_OP_UPDATE, "cse-in/meter/q", "Cmeter", 0, updates[i]), 4000);
}

/*= TS-0001 9.6.5 */
static void point_of_access_is_private(void **state)
{
  harness *h = *state;
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "C", 2,
                 "{\"m2m:ae\":{\"rn\":\"meter\",\"api\":\"N.d\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"https://"
                 "h.example.com\"]}}"),
             2001);
  assert_rsc(ask(h, &other, GH_OP_CREATE, "cse-in", "C", 2, AE), 2001);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 1,
                 "{\"m2m:acp\":{\"rn\":\"p\",\"pv\":{\"acr\":[{\"acor\":[\"all\"],\"acop\":63}]},\"pvs\":{\"acr\":[{"
                 "\"acor\":[\"Cmeter\"],\"acop\":63}]}}}"),
             2001);
  assert_rsc(
      ask(h, &meter, GH_OP_UPDATE, "cse-in/meter", "Cmeter", 0, "{\"m2m:ae\":{\"acpi\":[\"cse-in/meter/p\"]}}"),
      2004);
  assert_has(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter", "Cmeter", 0, NULL), "poa");
  answer a = ask(h, &other, GH_OP_RETRIEVE, "cse-in/meter", "Cother", 0, NULL);
  assert_rsc(a, 2000);
  assert_has_not(a, "poa");
  assert_rsc(ask(h, &other, GH_OP_UPDATE, "cse-in/meter", "Cother", 0,
                 "{\"m2m:ae\":{\"poa\":[\"https://evil.example.com\"]}}"),
             4103);
}

/*= TS-0004 7.2.2.2; TS-0004 7.3.2.6; TS-0004 7.4.3.2.3 */
static void generic_refusals(void **state)
{
  harness *h = *state;
  register_both(h);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/none", "Cmeter", 0, NULL), 4004);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "/other-cse/x", "Cmeter", 0, NULL), 4004);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 5, "{\"m2m:cb\":{}}"), 4108);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 28, "{\"m2m:fcnt\":{\"cnd\":\"x\"}}"), 5001);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 9999, "{\"m2m:cnt\":{}}"), 4000);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"la\",\"xyz\":1}}"),
             4000);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"et\":\"20200101T000000\"}}"),
             4000);
  assert_rsc(ask_rcn(h, &meter, GH_OP_RETRIEVE, "cse-in/meter", "Cmeter", 0, NULL, 2), 4000);
  assert_rsc(ask(h, &meter, GH_OP_UPDATE, "cse-in", "Cmeter", 0, "{\"m2m:cb\":{\"lbl\":[\"x\"]}}"), 4103);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter#aei", "Cmeter", 0, NULL), 2000);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter#nonsense", "Cmeter", 0, NULL), 4000);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter#apn", "Cmeter", 0, NULL), 4004);
}

/*= TS-0004 7.3.3.5; TS-0004 7.3.3.6; TS-0004 7.3.3.7; TS-0004 7.3.3.8 */
static void result_contents(void **state)
{
  harness *h = *state;
  register_both(h);
  answer a = ask_rcn(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"c\"}}", 0);
  assert_rsc(a, 2001);
  assert_string_equal(a.body, "");
  assert_has(ask_rcn(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"d\"}}", 2),
             "{\"m2m:uri\":\"cse-in/meter/d\"}");
  assert_has(ask_rcn(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"e\"}}", 3),
             "\"uri\":\"cse-in/meter/e\"");
  assert_has(ask_rcn(h, &meter, GH_OP_RETRIEVE, "cse-in/meter", "Cmeter", 0, NULL, 6), "\"val\":\"cse-in/meter/c\"");
  assert_has(ask_rcn(h, &meter, GH_OP_RETRIEVE, "cse-in/meter", "Cmeter", 0, NULL, 4), "\"m2m:cnt\":[{");
  assert_rsc(ask_rcn(h, &meter, GH_OP_DELETE, "cse-in/meter/c", "Cmeter", 0, NULL, 1), 2002);
}

static void what_has_expired_is_gone(void **state)
{
  harness *h = *state;
  register_both(h);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/meter", "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"c\",\"mia\":60}}"),
             2001);
  assert_rsc(
      ask(h, &meter, GH_OP_CREATE, "cse-in/meter/c", "Cmeter", 4, "{\"m2m:cin\":{\"con\":\"x\",\"rn\":\"i\"}}"),
      2001);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c/la", "Cmeter", 0, NULL), 2000);
  h->clock_offset_us = 62 * GH_US_PER_S;
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/meter/c/la", "Cmeter", 0, NULL), 4004);
  /* its name is free again, before any sweep */
  assert_rsc(
      ask(h, &meter, GH_OP_CREATE, "cse-in/meter/c", "Cmeter", 4, "{\"m2m:cin\":{\"con\":\"y\",\"rn\":\"i\"}}"),
      2001);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(registration_binds_identity, setup, teardown),
      cmocka_unit_test_setup_teardown(registration_refusals, setup, teardown),
      cmocka_unit_test_setup_teardown(open_registration_assigns, setup, teardown),
      cmocka_unit_test_setup_teardown(impersonation, setup, teardown),
      cmocka_unit_test_setup_teardown(originator_is_data, setup, teardown),
      cmocka_unit_test_setup_teardown(container_and_instances, setup, teardown),
      cmocka_unit_test_setup_teardown(restart_keeps_everything, setup, teardown),
      cmocka_unit_test_setup_teardown(the_base_has_its_times, setup, teardown),
      cmocka_unit_test_setup_teardown(policies, setup, teardown),
      cmocka_unit_test_setup_teardown(policy_validation, setup, teardown),
      cmocka_unit_test_setup_teardown(point_of_access_is_private, setup, teardown),
      cmocka_unit_test_setup_teardown(generic_refusals, setup, teardown),
      cmocka_unit_test_setup_teardown(result_contents, setup, teardown),
      cmocka_unit_test_setup_teardown(what_has_expired_is_gone, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
