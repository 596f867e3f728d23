/* Mcc': the IN-CSE of another service provider registers here, where the agreement has it; what that gives, and what
 * it does not. */
#include "far_side.h"

#include "m2m/m2m_time.h"

#define PEER(method, id, credential, key)                                                                            \
  {                                                                                                                  \
    GH_PEER_CSE, method, id, credential, key, false                                                                  \
  }
#define CERTIFIED(id) PEER(GH_METHOD_CERTIFICATE, id, "32-" id, "")
#define IN2 "//sp2.example.net/in2"
#define BASE "cse-in"
#define OWN "cse-in/in2"
static const who sp2 = CERTIFIED(IN2), sp3 = CERTIFIED("//sp3.example.org/in-cse");
static const who sp2_by_key = PEER(GH_METHOD_PSK, IN2, "12-sp2@keys.example.com", "sp2@keys.example.com");
static const who sp2_by_public_key = PEER(GH_METHOD_PUBLIC_KEY, IN2, "14-x", "ni:///sha-256;x");
static const who mn1 = CERTIFIED("//sp.example.com/mn1"), local_in2 = CERTIFIED("//sp.example.com/in2");
static const who meter = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cmeter", "12-K1@maf.sp.example.com", "K1@maf.sp.example.com",
    false};

static const gh_provider agreed[] = {
    {.cse = {IN2, 21}, .fqdn = {"in2.sp2.example.net", 19}, .certificate = true, .may_register = true},
    {.cse = {"//sp3.example.org/in-cse", 24}, .fqdn = {"in-cse.sp3.example.org", 22}, .certificate = true},
};
static const gh_provider withdrawn[] = {
    {.cse = {IN2, 21}, .fqdn = {"in2.sp2.example.net", 19}, .certificate = true},
    {.cse = {"//sp3.example.org/in-cse", 24}, .fqdn = {"in-cse.sp3.example.org", 22}, .certificate = true},
};

#define AE "{\"m2m:ae\":{\"api\":\"N.demo\",\"rr\":true,\"srv\":[\"3\"]}}"
#define CSR(more) "{\"m2m:csr\":{\"cb\":\"" IN2 "/base\",\"rr\":true,\"srv\":[\"3\"]" more "}}"
#define NAMED CSR(",\"rn\":\"in2\"")
#define POA "{\"m2m:csr\":{\"poa\":[\"https://192.0.2.9:443\"]}}"

static void agree(harness *h, const gh_provider *providers, size_t count)
{
  h->options.config.providers = providers;
  h->options.config.provider_count = count;
}

static int setup_in_cse(void **state)
{
  place *p = place_prepare(NULL);
  agree(&p->h, agreed, 2);
  harness_open(&p->h);
  *state = p;
  return 0;
}

static void reopen_with(harness *h, const gh_provider *providers, size_t count)
{
  agree(h, providers, count);
  harness_reopen(h);
}

static void registers(harness *h, const char *content)
{
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, BASE, IN2, 16, content), 2001);
}

/*= TS-0001 6.5.4; 10.2.2.7; TS-0004 7.4.4.2.1 the CSE-ID is what From says: absolute */
static void it_registers_and_leaves(void **state)
{
  harness *h = &((place *)*state)->h;
  static const who *const flavours[] = {&sp2, &sp2_by_key, &sp2_by_public_key};
  static const char *const tos[] = {"cse-in", "/in-cse", "//sp.example.com/in-cse"};
  static const char *const froms[] = {IN2, "//SP2.example.NET/in2", IN2};
  for (size_t i = 0; i < 3; i++) {
    answer a = ask(h, flavours[i], GH_OP_CREATE, tos[i], froms[i], 16, NAMED);
    assert_rsc(a, 2001);
    assert_has(a, "\"csi\":\"" IN2 "\"");
    assert_has(a, "\"cst\":1");
    assert_rsc(ask(h, flavours[i], GH_OP_CREATE, BASE, IN2, 16, CSR("")), 4117);
    assert_rsc(ask(h, flavours[i], GH_OP_RETRIEVE, OWN, IN2, 0, NULL), 2000);
    assert_rsc(ask(h, flavours[i], GH_OP_UPDATE, "//sp.example.com/in-cse/-/in2", IN2, 0, POA), 2004);
    assert_rsc(ask(h, flavours[i], GH_OP_DELETE, OWN, IN2, 0, NULL), 2002);
    assert_rsc(ask(h, flavours[i], GH_OP_DELETE, OWN, IN2, 0, NULL), 4004);
  }
  answer a = ask(h, &sp2, GH_OP_CREATE, BASE, IN2, 16,
                 CSR(",\"cst\":1,\"csi\":\"" IN2 "\",\"dcse\":[\"//sp2.example.net/mn7\"]"));
  assert_rsc(a, 2001);
  assert_has(a, "\"dcse\":[\"//sp2.example.net/mn7\"]");
}

/*= TS-0001 6.5.4 no agreement, no registration; and no other entity of theirs */
static void who_does_not_register(void **state)
{
  place *p = *state;
  harness *h = &p->h;
  const who sp4 = CERTIFIED("//sp4.example.org/in-cse"), below_sp2 = CERTIFIED("//sp2.example.net/mn7");
  const who by_broker = PEER(GH_METHOD_BROKER, IN2, "32-x", "");
  who lent = sp2_by_key;
  lent.provisional = true;
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, BASE, "/mn1", 16, CSR("")), 2001);
  const struct {
    const who *peer;
    const char *to, *from;
    uint32_t ty;
    int rsc;
  } cases[] = {{&sp3, BASE, "//sp3.example.org/in-cse", 16, 4005},
               {&sp4, BASE, "//sp4.example.org/in-cse", 16, 4106},
               {&below_sp2, BASE, "//sp2.example.net/mn7", 16, 4106},
               {&by_broker, BASE, IN2, 16, 4106},
               {&lent, BASE, IN2, 16, 4106},
               {&mn1, BASE, IN2, 16, 4106},
               {&meter, BASE, IN2, 16, 4000},
               {NULL, BASE, IN2, 16, 4107},
               {&sp2, BASE, "//sp2.example.net/mn7", 16, 4005}, /* a CSE registers itself */
               {&sp2, BASE, IN2 "/Cx", 16, 4005},               /*= TS-0004 7.4.4.2.1 no AE registers a CSE */
               {&sp2, BASE, "//sp2.example.net/Sx", 16, 4005},
               {&sp2, BASE, "/in2", 16, 4106},
               {&sp2, BASE, "//sp.example.com/in2", 16, 4106},
               {&sp2, BASE, "//sp3.example.org/in-cse", 16, 4106},
               {&sp2, BASE, NULL, 16, 4000},
               {&sp2, "/mn1", IN2, 16, 4000}, /* one registers where one is connected */
               {&sp2, "//sp3.example.org/in-cse", IN2, 16, 4000},
               {&sp2, "cse-in/rcse-mn1", IN2, 16, 4108},
               {&sp2, BASE, IN2 "/Cx", 2, 4005}, /* AEs at the CSEs of their provider */
               {&sp2, BASE, "C", 2, 4005},
               {&sp2, BASE, IN2, 2, 4005},
               {&sp2, BASE, IN2, 10002, 4005}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *content = cases[i].ty == 16  ? CSR("")
                          : cases[i].ty == 2 ? AE
                                             : "{\"m2m:aeA\":{\"lnk\":\"" IN2 "/Sx\"}}";
    answer a = ask(h, cases[i].peer, GH_OP_CREATE, cases[i].to, cases[i].from, cases[i].ty, content);
    if (a.rsc != cases[i].rsc) fail_msg("case %zu: %d: %s", i, a.rsc, a.body);
  }
  assert_int_equal(p->far.count, 0);
  registers(h, CSR("")); /* none of them did */
}

/*= TS-0001 9.6.4; TS-0004 7.4.4 what it may not say of itself */
static void what_is_no_registration(void **state)
{
  harness *h = &((place *)*state)->h;
  static const char *const wrong[] = {
      CSR(",\"csi\":\"/in2\""),
      CSR(",\"csi\":\"//sp2.example.net/mn7\""),
      CSR(",\"csi\":\"//sp3.example.org/in-cse\""),
      CSR(",\"cst\":2"),
      CSR(",\"cst\":3"),
      CSR(",\"dcse\":[\"/mn7\"]"),
      CSR(",\"dcse\":[\"//sp.example.com/mn1\"]"),
      CSR(",\"dcse\":[\"//sp3.example.org/in-cse\"]"),
      CSR(",\"dcse\":[\"" IN2 "/Cx\"]"),
      CSR(",\"dcse\":[\"//sp2.example.net\"]"),
      CSR(",\"dcse\":[\"//sp2.example.net/mn7\",\"/mn8\"]"),
      CSR(",\"et\":\"20200101T000000\""),
      "{\"m2m:csr\":{\"rr\":true,\"srv\":[\"3\"]}}",
      "{\"m2m:csr\":{\"cb\":\"" IN2 "/base\",\"srv\":[\"3\"]}}",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    answer a = ask(h, &sp2, GH_OP_CREATE, BASE, IN2, 16, wrong[i]);
    if (a.rsc != 4000) fail_msg("%s: %d", wrong[i], a.rsc);
  }
  registers(h, NAMED);
  assert_rsc(ask(h, &sp2, GH_OP_UPDATE, OWN, IN2, 0, "{\"m2m:csr\":{\"dcse\":[\"/mn7\"]}}"), 4000);
  assert_rsc(ask(h, &sp2, GH_OP_UPDATE, OWN, IN2, 0, "{\"m2m:csr\":{\"csi\":\"//sp2.example.net/in3\"}}"), 4000);
  assert_rsc(ask(h, &sp2, GH_OP_UPDATE, OWN, IN2, 0, "{\"m2m:csr\":{\"dcse\":[\"//sp2.example.net/mn8\"]}}"), 2004);
}

/* A CSE of ours with a like name is somebody else, in either order. */
static void of_the_same_name(void **state)
{
  harness *h = &((place *)*state)->h;
  assert_rsc(ask(h, &local_in2, GH_OP_CREATE, BASE, "/in2", 16, CSR("")), 2001);
  registers(h, CSR(""));
  answer ours = ask(h, &local_in2, GH_OP_RETRIEVE, "rcse-in2", "/in2", 0, NULL);
  answer theirs = ask(h, &sp2, GH_OP_RETRIEVE, "pcse-sp2.example.net_in2", IN2, 0, NULL);
  assert_has(ours, "\"csi\":\"/in2\"");
  assert_has(theirs, "\"csi\":\"" IN2 "\"");
  assert_rsc(ask(h, &sp2, GH_OP_DELETE, "rcse-in2", IN2, 0, NULL), 4103);
  assert_rsc(ask(h, &local_in2, GH_OP_DELETE, "pcse-sp2.example.net_in2", "/in2", 0, NULL), 4103);
}

/* Whoever registers is nobody in particular, and nothing goes by what it says of where it and others are. */
/*= TS-0001 8.2.1.2; 6.5.4 */
static void it_gives_nothing(void **state)
{
  place *p = *state;
  harness *h = &p->h;
  assert_rsc(ask(h, &meter, GH_OP_CREATE, BASE, "Cmeter", 2, AE), 2001);
  registers(h, CSR(",\"rn\":\"in2\",\"poa\":[\"https://192.0.2.9:443\"],\"dcse\":[\"//sp2.example.net/mn7\"]"));
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, BASE, IN2, 0, NULL), 4103);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "cse-in/Cmeter", IN2, 0, NULL), 4103);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, BASE, IN2, 3, "{\"m2m:cnt\":{}}"), 4103);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "cse-in/Cmeter", "//sp2.example.net/mn7/Cx", 0, NULL), 4103);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "cse-in/Cmeter", "//sp.example.com/mn7/Cx", 0, NULL), 4106);
  static const who *const others[] = {&sp3, &meter};
  static const char *const froms[] = {"//sp3.example.org/in-cse", "Cmeter"};
  static const gh_op ops[] = {GH_OP_RETRIEVE, GH_OP_UPDATE, GH_OP_DELETE};
  for (size_t i = 0; i < 2; i++)
    for (size_t k = 0; k < 3; k++)
      assert_rsc(ask(h, others[i], ops[k], OWN, froms[i], 0, ops[k] == GH_OP_UPDATE ? POA : NULL), 4103);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, OWN, IN2 "/Cx", 0, NULL), 4103); /* nor is an AE of theirs the CSE */
  assert_int_equal(p->far.count, 0);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "/mn7/-/box", "Cmeter", 0, NULL), 4004);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "//sp2.example.net/mn7/-/box", "Cmeter", 0, NULL), 2000);
  assert_string_equal(p->far.entity, IN2); /* as without */
}

/*= TS-0001 6.5.4 entities of theirs, and of ours, create below it where its policy lets them */
static void what_it_is_for(void **state)
{
  harness *h = &((place *)*state)->h;
  const char *bob = IN2 "/Cbob", *box = "{\"m2m:cnt\":{\"rn\":\"box\"}}";
  assert_rsc(ask(h, &meter, GH_OP_CREATE, BASE, "Cmeter", 2, AE), 2001);
  registers(h, NAMED);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, OWN, bob, 3, box), 4103);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, OWN, "Cmeter", 3, box), 4103);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, OWN, IN2, 1,
                 "{\"m2m:acp\":{\"rn\":\"p\",\"pv\":{\"acr\":[{\"acor\":[\"" IN2 "\"],\"acop\":63},{\"acor\":[\"" IN2
                 "/Cbob\",\"/in-cse/Cmeter\"],\"acop\":1}]},\"pvs\":{\"acr\":[{\"acor\":[\"" IN2
                 "\"],\"acop\":63}]}}}"),
             2001);
  assert_rsc(ask(h, &sp2, GH_OP_UPDATE, OWN, IN2, 0, "{\"m2m:csr\":{\"acpi\":[\"cse-in/in2/p\"]}}"), 2004);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, OWN, bob, 3, box), 2001);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, OWN "/box", bob, 4, "{\"m2m:cin\":{\"con\":\"1\"}}"), 2001);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, OWN, IN2 "/Cother", 3, "{\"m2m:cnt\":{}}"), 4103);
  assert_rsc(ask(h, &sp3, GH_OP_CREATE, OWN, "//sp3.example.org/in-cse", 3, "{\"m2m:cnt\":{}}"), 4103);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, OWN, "Cmeter", 3, "{\"m2m:cnt\":{\"rn\":\"ours\"}}"), 2001);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, OWN "/box", "Cmeter", 0, NULL), 4103);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, OWN, IN2, 2, AE), 4005);
  assert_rsc(ask(h, &sp2, GH_OP_DELETE, OWN, IN2, 0, NULL), 2002); /* and what is below goes with it */
  registers(h, NAMED);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, OWN "/box", bob, 0, NULL), 4004);
}

/*= TS-0001 6.5.4 the agreement of today counts, not that of the day of registration */
static void the_agreement_ends(void **state)
{
  harness *h = &((place *)*state)->h;
  const char *child = "{\"m2m:cnt\":{}}";
  registers(h, NAMED);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, OWN, IN2, 3, "{\"m2m:cnt\":{\"rn\":\"box\"}}"), 2001);
  reopen_with(h, withdrawn, 2);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, BASE, IN2, 16, CSR("")), 4005);
  assert_rsc(ask(h, &sp2, GH_OP_UPDATE, OWN, IN2, 0, POA), 4103);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, OWN, IN2, 3, child), 4103);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, OWN, IN2, 0, NULL), 2000);
  reopen_with(h, withdrawn + 1, 1);
  static const gh_op ops[] = {GH_OP_RETRIEVE, GH_OP_UPDATE, GH_OP_DELETE};
  for (size_t i = 0; i < 3; i++)
    assert_rsc(ask(h, &sp2, ops[i], OWN, IN2, 0, ops[i] == GH_OP_UPDATE ? POA : NULL), 4106);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, OWN, IN2, 3, child), 4106);
  reopen_with(h, agreed, 2); /* agreed again: it is all there */
  assert_rsc(ask(h, &sp2, GH_OP_UPDATE, OWN, IN2, 0, POA), 2004);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, OWN "/box", IN2, 0, NULL), 2000);
  reopen_with(h, withdrawn, 2);
  assert_rsc(ask(h, &sp2, GH_OP_DELETE, OWN, IN2, 0, NULL), 2002); /* it may always leave */
}

/* What others may do below it ends with the agreement, too. */
static void a_policy_does_not_prolong_it(void **state)
{
  harness *h = &((place *)*state)->h;
  assert_rsc(ask(h, &meter, GH_OP_CREATE, BASE, "Cmeter", 2, AE), 2001);
  registers(h, NAMED);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, OWN, IN2, 1,
                 "{\"m2m:acp\":{\"rn\":\"p\",\"pv\":{\"acr\":[{\"acor\":[\"all\"],\"acop\":63}]},\"pvs\":{\"acr\":"
                 "[{\"acor\":[\"all\"],\"acop\":63}]}}}"),
             2001);
  assert_rsc(ask(h, &sp2, GH_OP_UPDATE, OWN, IN2, 0, "{\"m2m:csr\":{\"acpi\":[\"cse-in/in2/p\"]}}"), 2004);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, OWN, "Cmeter", 3, "{\"m2m:cnt\":{}}"), 2001);
  reopen_with(h, withdrawn, 2);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, OWN, "Cmeter", 3, "{\"m2m:cnt\":{}}"), 4103);
  assert_rsc(ask(h, &meter, GH_OP_UPDATE, OWN, "Cmeter", 0, POA), 4103);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, OWN, "Cmeter", 0, NULL), 2000);
}

static int64_t end_of(answer a)
{
  int64_t until;
  assert_int_equal(gh_timestamp_parse(gh_str_of(member(&a, "et")), &until), GH_OK);
  return until;
}

/*= TS-0001 9.6.1.3.1 expirationTime; it lives as long as registrations do here, and no longer than it is prolonged */
static void it_ends_in_its_time(void **state)
{
  harness *h = &((place *)*state)->h;
  h->host->config.max_registration_us = 1000 * GH_US_PER_S;
  answer a = ask(h, &sp2, GH_OP_CREATE, BASE, IN2, 16, CSR(",\"rn\":\"in2\",\"et\":\"20991231T000000\""));
  assert_rsc(a, 2001);
  assert_true(end_of(a) - gh_host_now_us(h->host) <= 1000 * GH_US_PER_S);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, BASE, IN2, 16, CSR("")), 4117);
  h->clock_offset_us += 900 * GH_US_PER_S;
  a = ask(h, &sp2, GH_OP_UPDATE, OWN, IN2, 0, "{\"m2m:csr\":{\"et\":\"20991231T000000\"}}");
  assert_rsc(a, 2004);
  assert_true(end_of(a) - gh_host_now_us(h->host) <= 1000 * GH_US_PER_S);
  assert_true(end_of(a) - gh_host_now_us(h->host) > 900 * GH_US_PER_S);
  h->clock_offset_us += 900 * GH_US_PER_S;
  harness_reopen(h); /* durable */
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, OWN, IN2, 0, NULL), 2000);
  h->clock_offset_us += 200 * GH_US_PER_S;
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, OWN, IN2, 0, NULL), 4004);
  registers(h, NAMED);
}

/* Below the IN-CSE nobody of another provider registers: it is not the entry. */
static void not_at_an_mn_cse(void **state)
{
  harness *h = &((place *)*state)->h;
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, BASE, IN2, 16, CSR("")), 4106);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup_in_cse, teardown)
#define MN(test) cmocka_unit_test_setup_teardown(test, setup_mn_cse, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      IN(it_registers_and_leaves), IN(who_does_not_register), IN(what_is_no_registration),
      IN(of_the_same_name),        IN(it_gives_nothing),      IN(what_it_is_for),
      IN(the_agreement_ends),      IN(it_ends_in_its_time),   IN(a_policy_does_not_prolong_it),
      MN(not_at_an_mn_cse),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
