/* CSE to CSE: registration, what a CSE may say in whose name, and requests on their way through. TP-01, TP-02. */
#include "far_side.h"

#include "host/id_map.h"

#define CSE(name)                                                                                                    \
  {                                                                                                                  \
    GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/" name, "32-//sp.example.com/" name, "", false             \
  }
static const who mn1 = CSE("mn1"), mn2 = CSE("mn2"), in_cse = CSE("in-cse");
static const who meter = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cmeter", "12-K1@maf.sp.example.com", "K1@maf.sp.example.com",
    false};

#define AE "{\"m2m:ae\":{\"api\":\"N.demo\",\"rr\":false,\"srv\":[\"3\"]}}"
#define CSR(more) "{\"m2m:csr\":{\"cb\":\"/x/cse\",\"rr\":true,\"srv\":[\"3\"]" more "}}"

static const gh_cse_place places[] = {{GH_STR("//sp.example.com/mn5"), GH_STR("//sp.example.com/mn5")},
                                      {GH_STR("//sp.example.com/mn6"), GH_STR("//sp.example.com/mn2")}};

static int setup_in_cse(void **state)
{
  place *p = place_prepare(NULL);
  harness_open(&p->h);
  *state = p;
  return 0;
}

static void register_cse(harness *h, const who *cse, const char *from, const char *content)
{
  assert_rsc(ask(h, cse, GH_OP_CREATE, "cse-in", from, 16, content), 2001);
}

/*= TS-0004 7.4.4.2.1; TS-0001 10.2.2.7 */
static void a_cse_registers(void **state)
{
  harness *h = &((place *)*state)->h;
  answer a = ask(h, &mn1, GH_OP_CREATE, "/in-cse", "/mn1", 16, CSR(",\"rn\":\"mn1\",\"dcse\":[\"/mn3\"]"));
  assert_rsc(a, 2001);
  assert_has(a, "\"csi\":\"/mn1\"");
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR("")), 4117);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/mn1", "/mn1", 0, NULL), 2000);
  assert_rsc(ask(h, &mn2, GH_OP_RETRIEVE, "cse-in/mn1", "/mn2", 0, NULL), 4103);
  assert_rsc(ask(h, &mn2, GH_OP_DELETE, "cse-in/mn1", "/mn2", 0, NULL), 4103);
  assert_rsc(ask(h, &mn1, GH_OP_UPDATE, "/in-cse/-/mn1", "/mn1", 0, "{\"m2m:csr\":{\"poa\":[\"https://a:1\"]}}"),
             2004);
  assert_rsc(ask(h, &mn1, GH_OP_DELETE, "cse-in/mn1", "/mn1", 0, NULL), 2002);
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR("")), 2001);
}

/*= TS-0004 7.4.4.2.1 who may not */
static void registrations_that_are_refused(void **state)
{
  harness *h = &((place *)*state)->h;
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "Cmeter", 16, CSR("")), 4005);
  assert_rsc(ask(h, NULL, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR("")), 4107);
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn2", 16, CSR("")), 4106);
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR(",\"csi\":\"/mn2\"")), 4000);
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, "{\"m2m:csr\":{\"rr\":true,\"srv\":[\"3\"]}}"), 4000);
  /* nobody takes over who is elsewhere, and nobody is above this CSE */
  register_cse(h, &mn2, "/mn2", CSR(",\"dcse\":[\"/mn3\"]"));
  static const char *const taken[] = {CSR(",\"dcse\":[\"/mn2\"]"), CSR(",\"dcse\":[\"/mn3\"]"),
                                      CSR(",\"dcse\":[\"/in-cse\"]"), CSR(",\"dcse\":[\"Cx\"]")};
  for (size_t i = 0; i < 4; i++) assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, taken[i]), 4000);
  register_cse(h, &mn1, "/mn1", CSR(",\"rn\":\"mn1\""));
  assert_rsc(ask(h, &mn1, GH_OP_UPDATE, "cse-in/mn1", "/mn1", 0, "{\"m2m:csr\":{\"dcse\":[\"/mn3\"]}}"), 4000);
}

/*= TS-0003 7.2.1; TS-0004 7.3.2.1 TP-02: a transit CSE vouches for what is below it, and for nothing else */
static void in_whose_name(void **state)
{
  harness *h = &((place *)*state)->h;
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 2001);
  register_cse(h, &mn1, "/mn1", CSR(",\"dcse\":[\"/mn3\"]"));
  register_cse(h, &mn2, "/mn2", CSR(""));
  static const struct {
    const char *from;
    int rsc; /* 4103: believed, and then not permitted */
  } cases[] = {{"/mn1", 4103},
               {"/mn1/Cx", 4103},
               {"//sp.example.com/mn1/Cx", 4103},
               {"/mn3", 4103},
               {"/mn3/Cx", 4103},
               {"/Sfar", 4106}, /* nobody announced it */
               {"/mn2", 4106},
               {"/mn2/Cx", 4106},
               {"//sp.example.com/mn2/Cx", 4106},
               {"/in-cse", 4106},
               {"/in-cse/Cmeter", 4106},
               {"/nobody", 4106},
               {"/nobody/Cx", 4106},
               {"//other.example.org/mn1/Cx", 4106},
               {"//other.example.org/Sx", 4106},
               {"Cmeter", 4106},
               {"Cx", 4106},
               {"Sx", 4106},
               {"//", 4000},
               {NULL, 4000}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    answer a = ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/Cmeter", cases[i].from, 0, NULL);
    if (a.rsc != cases[i].rsc) fail_msg("fr %s: %d", cases[i].from ? cases[i].from : "(absent)", a.rsc);
  }
  const who mn4 = CSE("mn4"); /* associated, not registered: speaks for itself alone */
  assert_rsc(ask(h, &mn4, GH_OP_RETRIEVE, "cse-in/Cmeter", "/mn4", 0, NULL), 4103);
  assert_rsc(ask(h, &mn4, GH_OP_RETRIEVE, "cse-in/Cmeter", "/mn4/Cx", 0, NULL), 4106);
  assert_rsc(ask(h, &mn4, GH_OP_RETRIEVE, "cse-in/Cmeter", "/Sfar", 0, NULL), 4106);
}

static void no_more(answer a, int rsc, const char *who_says)
{
  if (a.rsc != rsc) fail_msg("%s: %d, expected %d", who_says, a.rsc, rsc);
}

/* The operator has said where a CSE is: before it has come nobody else lists it below itself, or speaks in its name.
 * Of what the operator has not placed a registree's word is all there is. */
/*= TS-0004 7.3.2.1; TS-0001 9.6.4 descendantCSEs */
static void who_has_not_come_yet(void **state)
{
  harness *h = &((place *)*state)->h;
  h->host->config.cse_places = places;
  h->host->config.cse_place_count = 2;
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 2001);
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR(",\"dcse\":[\"/mn5\"]")), 4000);
  register_cse(h, &mn1, "/mn1", CSR(",\"rn\":\"mn1\",\"dcse\":[\"/mn3\"]"));
  static const char *const others[] = {"/mn5", "/mn6", "//sp.example.com/mn5"};
  for (size_t i = 0; i < 3; i++) {
    char update[100];
    snprintf(update, sizeof update, "{\"m2m:csr\":{\"dcse\":[\"/mn3\",\"%s\"]}}", others[i]);
    no_more(ask(h, &mn1, GH_OP_UPDATE, "cse-in/mn1", "/mn1", 0, update), 4000, others[i]);
  }
  static const char *const names[] = {"/mn5", "/mn5/Cx", "/mn6", "/mn6/Cx"};
  for (size_t i = 0; i < 4; i++)
    no_more(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/Cmeter", names[i], 0, NULL), 4106, names[i]);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/Cmeter", "/mn3/Cx", 0, NULL), 4103); /* believed */
  register_cse(h, &mn2, "/mn2", CSR(",\"dcse\":[\"/mn6\"]"));                          /* which leads there */
  assert_rsc(ask(h, &mn2, GH_OP_RETRIEVE, "cse-in/Cmeter", "/mn6/Cx", 0, NULL), 4103);
  const who mn5 = CSE("mn5");
  register_cse(h, &mn5, "/mn5", CSR(""));
  assert_rsc(ask(h, &mn5, GH_OP_RETRIEVE, "cse-in/Cmeter", "/mn5/Cx", 0, NULL), 4103);
}

/* What was stored under another configuration does not count any more. */
static void a_place_counts_after_a_restart(void **state)
{
  harness *h = &((place *)*state)->h;
  register_cse(h, &mn1, "/mn1", CSR(",\"dcse\":[\"/mn5\",\"/mn3\"]"));
  h->options.config.cse_places = places;
  h->options.config.cse_place_count = 2;
  harness_reopen(h);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 2001);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/Cmeter", "/mn5/Cx", 0, NULL), 4106);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/Cmeter", "/mn3/Cx", 0, NULL), 4103);
}

/* The registrar speaks for the world, not for who belongs below here and has not come yet. */
static void who_belongs_below_here(void **state)
{
  harness *h = &((place *)*state)->h;
  const gh_cse_place around[] = {places[0], {GH_STR("//sp.example.com/mn8"), GH_STR("//sp.example.com/in-cse")}};
  const who local = {GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/mn9/Cmeter", "12-K6@maf.sp.example.com",
                     "K6@m",     false};
  h->host->config.cse_places = around;
  h->host->config.cse_place_count = 2;
  assert_rsc(ask(h, &local, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 2001);
  assert_rsc(ask(h, &in_cse, GH_OP_RETRIEVE, "cse-in/Cmeter", "/mn5/Cx", 0, NULL), 4106);
  assert_rsc(ask(h, &in_cse, GH_OP_RETRIEVE, "cse-in/Cmeter", "/mn8/Cx", 0, NULL), 4103);
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR(",\"dcse\":[\"/mn8\"]")), 4000);
}

/* An S-type AE that is registered here does not come through another CSE. */
static void an_s_type_ae_of_ours(void **state)
{
  harness *h = &((place *)*state)->h;
  const who local = {GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/Slocal", "12-K5@maf.sp.example.com", "K5@m", false};
  assert_rsc(ask(h, &local, GH_OP_CREATE, "cse-in", "Slocal", 2, AE), 2001);
  register_cse(h, &mn1, "/mn1", CSR(""));
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/Slocal", "/Slocal", 0, NULL), 4106);
}

/* A policy that asks for proof is not satisfied by hearsay. */
static void who_came_through_a_cse_is_not_proven(void **state)
{
  harness *h = &((place *)*state)->h;
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 2001);
  register_cse(h, &mn1, "/mn1", CSR(""));
  /*= TS-0003 7.1.2 */
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/Cmeter", "Cmeter", 1,
                 "{\"m2m:acp\":{\"rn\":\"p\",\"pv\":{\"acr\":[{\"acor\":[\"/mn1/Cx\"],\"acop\":2},"
                 "{\"acor\":[\"/mn1/Cy\",\"/mn1\"],\"acop\":2,\"acaf\":true}]},"
                 "\"pvs\":{\"acr\":[{\"acor\":[\"Cmeter\"],\"acop\":63}]}}}"),
             2001);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/Cmeter", "Cmeter", 3,
                 "{\"m2m:cnt\":{\"rn\":\"box\",\"acpi\":[\"cse-in/Cmeter/p\"]}}"),
             2001);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/Cmeter/box", "/mn1/Cx", 0, NULL), 2000);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/Cmeter/box", "/mn1/Cy", 0, NULL), 4103);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/Cmeter/box", "/mn1", 0, NULL), 2000);
}

/*= TS-0004 7.3.2.6; TS-0004 7.3.2.8 */
static void requests_go_through(void **state)
{
  place *p = *state;
  harness *h = &p->h;
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 2001);
  register_cse(h, &mn1, "/mn1", CSR(",\"rn\":\"mn1\",\"dcse\":[\"/mn3\"]"));
  register_cse(h, &mn2, "/mn2", CSR(""));
  answer a = ask(h, &meter, GH_OP_RETRIEVE, "/mn1/-/box", "Cmeter", 0, NULL);
  assert_rsc(a, 2000);
  assert_has(a, "\"far\"");
  assert_string_equal(p->far.entity, "//sp.example.com/mn1");
  assert_string_equal(p->far.to, "/mn1/-/box");
  assert_string_equal(p->far.from, "/in-cse/Cmeter");
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "//sp.example.com/mn3/-/box", "Cmeter", 0, NULL), 2000);
  assert_string_equal(p->far.entity, "//sp.example.com/mn1"); /* which leads there */
  assert_rsc(ask(h, &mn2, GH_OP_RETRIEVE, "/mn3/-/box", "/mn2/Cx", 0, NULL), 2000);
  assert_string_equal(p->far.from, "/mn2/Cx");
  p->far.rsc = 4103; /* what the hosting CSE says is what the originator hears */
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "/mn1/-/box", "Cmeter", 0, NULL), 4103);
  p->far.rsc = 2000;
  int before = p->far.count;
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "/mn7/-/box", "Cmeter", 0, NULL), 4004);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "//other.example.org/mn1/-/box", "Cmeter", 0, NULL), 4004);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "/mn3/-/box", "/mn1/Cx", 0, NULL), 4004); /* never back */
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "/mn2/-/box", "/mn2/Cx", 0, NULL), 4106);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "/mn1/-/box", "Cother", 0, NULL), 4106);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "/mn1", "Cmeter", 2, AE), 4000); /* one registers where one is connected */
  assert_rsc(ask(h, &mn2, GH_OP_CREATE, "/mn1", "/mn2", 16, CSR("")), 4000);
  assert_int_equal(p->far.count, before);
  assert_rsc(ask(h, &mn1, GH_OP_DELETE, "cse-in/mn1", "/mn1", 0, NULL), 2002);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "/mn1/-/box", "Cmeter", 0, NULL), 4004);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "/mn3/-/box", "Cmeter", 0, NULL), 4004);
}

static void the_next_hop_fails(void **state)
{
  place *p = *state;
  assert_rsc(ask(&p->h, &meter, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 2001);
  register_cse(&p->h, &mn1, "/mn1", CSR(""));
  p->far = (far_side){.err = GH_ECONN};
  assert_rsc(ask(&p->h, &meter, GH_OP_RETRIEVE, "/mn1/-/box", "Cmeter", 0, NULL), 5103);
  p->far = (far_side){.err = GH_ETIMEOUT};
  assert_rsc(ask(&p->h, &meter, GH_OP_RETRIEVE, "/mn1/-/box", "Cmeter", 0, NULL), 4008);
}

static void routes_survive_a_restart(void **state)
{
  place *p = *state;
  register_cse(&p->h, &mn1, "/mn1", CSR(",\"dcse\":[\"/mn3\"]"));
  harness_reopen(&p->h);
  assert_rsc(ask(&p->h, &meter, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 2001);
  assert_rsc(ask(&p->h, &meter, GH_OP_RETRIEVE, "/mn3/-/box", "Cmeter", 0, NULL), 2000);
  assert_string_equal(p->far.entity, "//sp.example.com/mn1");
}

/* Below a registrar: what is not known goes up, what comes down is not sent up again, and the registrar speaks for
 * the rest of the world, not for what is below here. */
static void below_a_registrar(void **state)
{
  place *p = *state;
  harness *h = &p->h;
  const who local = {GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/mn9/Cmeter", "12-K6@maf.sp.example.com",
                     "K6@m",     false};
  assert_rsc(ask(h, &local, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 2001);
  register_cse(h, &mn1, "/mn1", CSR(""));
  assert_rsc(ask(h, &local, GH_OP_RETRIEVE, "/anywhere/-/box", "Cmeter", 0, NULL), 2000);
  assert_string_equal(p->far.entity, "//sp.example.com/in-cse");
  assert_string_equal(p->far.from, "/mn9/Cmeter");
  assert_rsc(ask(h, &local, GH_OP_RETRIEVE, "//other.example.org/x/-/box", "Cmeter", 0, NULL), 2000);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "/anywhere/-/box", "/mn1/Cx", 0, NULL), 2000);
  int before = p->far.count;
  assert_rsc(ask(h, &in_cse, GH_OP_RETRIEVE, "/anywhere/-/box", "/in-cse/Cx", 0, NULL), 4004);
  assert_int_equal(p->far.count, before);
  assert_rsc(ask(h, &in_cse, GH_OP_RETRIEVE, "/mn1/-/box", "/in-cse/Cx", 0, NULL), 2000);
  assert_string_equal(p->far.entity, "//sp.example.com/mn1");
  assert_rsc(ask(h, &in_cse, GH_OP_RETRIEVE, "cse-in/Cmeter", "/elsewhere/Cx", 0, NULL), 4103);
  assert_rsc(ask(h, &in_cse, GH_OP_RETRIEVE, "cse-in/Cmeter", "//other.example.org/x/Cx", 0, NULL), 4103);
  assert_rsc(ask(h, &in_cse, GH_OP_RETRIEVE, "cse-in/Cmeter", "/mn9/Cmeter", 0, NULL), 4106);
  assert_rsc(ask(h, &in_cse, GH_OP_RETRIEVE, "cse-in/Cmeter", "/mn9", 0, NULL), 4106);
  assert_rsc(ask(h, &in_cse, GH_OP_RETRIEVE, "cse-in/Cmeter", "/mn1/Cx", 0, NULL), 4106);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/Cmeter", "/in-cse/Cx", 0, NULL), 4106);
  /*= TS-0001 9.6.19 service subscriptions are kept by the IN-CSE */
  const who admin = {GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "",
                     false};
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", 11, "{\"m2m:mssp\":{}}"), 4005);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup_in_cse, teardown)
#define MN(test) cmocka_unit_test_setup_teardown(test, setup_mn_cse, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      IN(a_cse_registers),
      IN(registrations_that_are_refused),
      IN(in_whose_name),
      IN(an_s_type_ae_of_ours),
      IN(who_came_through_a_cse_is_not_proven),
      IN(requests_go_through),
      IN(the_next_hop_fails),
      IN(routes_survive_a_restart),
      MN(below_a_registrar),
      IN(who_has_not_come_yet),
      IN(a_place_counts_after_a_restart),
      MN(who_belongs_below_here),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
