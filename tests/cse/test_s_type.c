/* AEs whose AE-ID-Stem the provider gives, below the IN-CSE: what the IN-CSE lets a registrar announce, and what a
 * registrar asks before it lets an AE register or leave. */
#include "../host/harness.h"
#include "host/id_map.h"

#define CSE(name)                                                                                                    \
  {                                                                                                                  \
    GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/" name, "32-//sp.example.com/" name, "", false             \
  }
static const who mn1 = CSE("mn1"), mn2 = CSE("mn2");
static const who admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};
static const who nameless = {GH_PEER_CREDENTIAL,         GH_METHOD_PSK,           "",
                             "12-K3@maf.sp.example.com", "K3@maf.sp.example.com", false};
static const who smove = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/Smove", "12-K5@maf.sp.example.com", "K5@maf.sp.example.com", false};
static const who cfix = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/mn9/Cfix", "12-K6@maf.sp.example.com", "K6@maf.sp.example.com",
    false};

#define AE(app) "{\"m2m:ae\":{\"api\":\"" app "\",\"rr\":false,\"srv\":[\"3\"]}}"
#define CSR(more) "{\"m2m:csr\":{\"cb\":\"/x/cse\",\"rr\":true,\"srv\":[\"3\"]" more "}}"
#define ANNC(link, credential, app)                                                                                  \
  "{\"m2m:aeA\":{\"lnk\":\"" link "\",\"lbl\":[\"Credential-ID:" credential "\"],\"api\":\"" app                     \
  "\",\"et\":\"20991231T235959\"}}"
#define LINK(link, credential) "{\"m2m:aeA\":{\"lnk\":\"" link "\",\"lbl\":[\"Credential-ID:" credential "\"]}}"
#define K3 "12-K3@maf.sp.example.com"
#define K4 "12-K4@maf.sp.example.com"

/* ---- the IN-CSE */

static void rule(harness *h, const char *name, const char *credential, const char *stem)
{
  char text[256];
  snprintf(text, sizeof text,
           "{\"m2m:asar\":{\"rn\":\"%s\",\"apci\":[\"%s\"],\"aai\":[\"N.meter*\"],\"aae\":[\"%s\"]}}", name,
           credential, stem);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", 19, text), 2001);
}

static void subscribe(harness *h, const char *name, const char *cse, const char *links)
{
  char text[256];
  snprintf(text, sizeof text, "{\"m2m:svsn\":{\"rn\":\"%s\",\"ni\":\"urn:x:%s\",\"csi\":\"%s\",\"rlk\":[%s]}}", name,
           name, cse, links);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in/s", "Sadmin", 20, text), 2001);
}

static int setup_in_cse(void **state)
{
  harness *h = calloc(1, sizeof *h);
  harness_start(h, &gh_cse_function);
  rule(h, "other", "12-*", "Sother*");
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", 11, "{\"m2m:mssp\":{\"rn\":\"s\"}}"), 2001);
  rule(h, "r", K3, "S*");
  subscribe(h, "n1", "/mn1", "\"cse-in/r\"");
  subscribe(h, "n2", "/mn2", "\"cse-in/r\",\"cse-in/other\"");
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR(",\"dcse\":[\"/mn3\"]")), 2001);
  assert_rsc(ask(h, &mn2, GH_OP_CREATE, "cse-in", "/mn2", 16, CSR("")), 2001);
  *state = h;
  return 0;
}

static int teardown_in_cse(void **state)
{
  harness_stop(*state);
  free(*state);
  return 0;
}

#define ANNOUNCE(cse, from, content) ask(h, &(cse), GH_OP_CREATE, "cse-in", from, 10002, content)
#define RENEW(cse, stem, from, content) ask(h, &(cse), GH_OP_UPDATE, "/in-cse/" stem, from, 0, content)

/*= TS-0001 10.2.2.2 steps 006a, 007a */
static void the_in_cse_gives_a_stem(void **state)
{
  harness *h = *state;
  answer a = ANNOUNCE(mn1, "/mn1/S", ANNC("/mn1/S", K3, "N.meter"));
  assert_rsc(a, 2001);
  char stem[64], link[96];
  answer copy = a;
  snprintf(stem, sizeof stem, "%s", member(&copy, "ri"));
  assert_int_equal(stem[0], 'S');
  assert_int_equal(strlen(stem), 17);
  snprintf(link, sizeof link, "\"lnk\":\"/mn1/%s\"", stem);
  assert_has(a, link);
  a = ANNOUNCE(mn1, "/mn1/Smine", ANNC("/mn1/Smine", K3, "N.meter")); /* brought along */
  assert_rsc(a, 2001);
  assert_has(a, "\"ri\":\"Smine\"");
  assert_rsc(ANNOUNCE(mn1, "/mn1/Smine", ANNC("/mn1/Smine", K3, "N.meter")), 4117);
  assert_rsc(ANNOUNCE(mn2, "/mn2/Smine", ANNC("/mn2/Smine", K3, "N.meter")), 4117);
  /* registered here with it */
  const who here = {GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/Shere", "12-K8@m.x.org", "K8@m.x.org", false};
  assert_rsc(ask(h, &here, GH_OP_CREATE, "cse-in", "Shere", 2, AE("N.meter")), 2001);
  assert_rsc(ANNOUNCE(mn1, "/mn1/Shere", ANNC("/mn1/Shere", K3, "N.meter")), 4117);
  const who mine = {GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/Smine", "12-K8@m.x.org", "K8@m.x.org", false};
  assert_rsc(ask(h, &mine, GH_OP_CREATE, "cse-in", "Smine", 2, AE("N.meter")), 4117);
}

/* A rule that permits every stem does not give away the administrator's, nor does a registrar by naming its
 * certificate: what the administrator made without a policy is governed by whoever bears that name. */
static void nobody_becomes_the_administrator(void **state)
{
  harness *h = *state;
  assert_rsc(ANNOUNCE(mn1, "/mn1/Sadmin", ANNC("/mn1/Sadmin", K3, "N.meter")), 4126);
  assert_rsc(ANNOUNCE(mn1, "/mn1/Sadmin", ANNC("/mn1/Sadmin", "33-//sp.example.com/Sadmin", "N.meter")), 4126);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/r", "/Sadmin", 0, NULL), 4106);
  subscribe(h, "n0", "/in-cse", "\"cse-in/r\"");
  assert_rsc(ask(h, &nameless, GH_OP_CREATE, "cse-in", "Sadmin", 2, AE("N.meter")), 4126);
  assert_rsc(ask(h, &nameless, GH_OP_CREATE, "cse-in", "Sadmin2", 2, AE("N.meter")), 2001);
}

/*= TS-0001 10.2.2.2 step 006a */
static void announcements_that_are_refused(void **state)
{
  harness *h = *state;
  static const struct {
    const who *peer;
    const char *from, *to, *content;
    int rsc;
  } cases[] = {
      {&mn1, "/mn1/S", "cse-in", ANNC("/mn1/S", K4, "N.meter"), 4126},             /* another credential */
      {&mn1, "/mn1/S", "cse-in", ANNC("/mn1/S", K3, "N.pump"), 4126},              /* another App-ID */
      {&mn1, "/mn1/S", "cse-in", ANNC("/mn1/S", "", "N.meter"), 4126},             /* no association */
      {&mn1, "/mn1/Sother1", "cse-in", ANNC("/mn1/Sother1", K4, "N.meter"), 4126}, /* the rule is mn2's */
      {&mn2, "/mn2/Sother1", "cse-in", ANNC("/mn2/Sother1", K4, "N.meter"), 2001},
      {&mn1, "/mn3/S", "cse-in", ANNC("/mn3/S", K3, "N.meter"), 4128}, /* below mn1, and without subscription */
      {&mn1, "/mn1/S", "cse-in", ANNC("/mn1/S", K3, "X.meter"), 4000},
      {&mn1, "/mn1/S", "cse-in", ANNC("/mn2/S", K3, "N.meter"), 4000},
      {&mn1, "/mn1/Sa", "cse-in", ANNC("/mn1/Sb", K3, "N.meter"), 4000},
      {&mn1, "/mn1/S", "cse-in", ANNC("/mn1/S", "99-x", "N.meter"), 4000},
      {&mn1, "/mn1/S", "cse-in", "{\"m2m:aeA\":{\"lnk\":\"/mn1/S\",\"api\":\"N.meter\",\"et\":\"20991231T235959\"}}",
       4000},
      {&mn1, "/mn1/S", "cse-in",
       "{\"m2m:aeA\":{\"lnk\":\"/mn1/S\",\"lbl\":[\"Credential-ID:" K3 "\",\"Credential-ID:" K4
       "\"],\"api\":\"N.meter\",\"et\":\"20991231T235959\"}}",
       4000},
      {&mn1, "/mn1", "cse-in", ANNC("/mn1/S", K3, "N.meter"), 4000},
      {&mn1, "/mn1/C", "cse-in", ANNC("/mn1/C", K3, "N.meter"), 4000},
      {&mn1, "/mn2/S", "cse-in", ANNC("/mn2/S", K3, "N.meter"), 4106},
      {&mn1, "/in-cse/S", "cse-in", ANNC("/in-cse/S", K3, "N.meter"), 4106},
      {&mn1, "/mn1/S", "/in-cse/rcse-mn1", ANNC("/mn1/S", K3, "N.meter"), 4005},
      {&admin, "Sadmin", "cse-in", ANNC("/mn1/S", K3, "N.meter"), 4005},
      {NULL, "/mn1/S", "cse-in", ANNC("/mn1/S", K3, "N.meter"), 4000},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    answer a = ask(h, cases[i].peer, GH_OP_CREATE, cases[i].to, cases[i].from, 10002, cases[i].content);
    if (a.rsc != cases[i].rsc) fail_msg("case %zu: %d, expected %d: %s", i, a.rsc, cases[i].rsc, a.body);
  }
  const who mn4 = CSE("mn4"); /* associated, and no registree */
  assert_rsc(ANNOUNCE(mn4, "/mn4/S", ANNC("/mn4/S", K3, "N.meter")), 4106);
}

/*= TS-0001 10.2.2.2 steps 005b to 007b; 10.2.2.5 */
static void one_registration_point(void **state)
{
  harness *h = *state;
  assert_rsc(ANNOUNCE(mn1, "/mn1/Smine", ANNC("/mn1/Smine", K3, "N.meter")), 2001);
  assert_rsc(RENEW(mn1, "Smine", "/mn1/Smine", LINK("/mn1/Smine", K3)), 2004); /* once more, at the same registrar */
  assert_rsc(RENEW(mn1, "Smine", "/mn1/Smine", LINK("/mn1/Smine", K4)), 4126);
  assert_rsc(RENEW(mn1, "Smine", "/mn1/Sother", LINK("/mn1/Sother", K3)), 4103);
  assert_rsc(RENEW(mn1, "Smine", "/mn1", LINK("/mn1/Smine", K3)), 4103);
  assert_rsc(RENEW(mn1, "Smine", "/mn1/Smine", "{\"m2m:aeA\":{\"api\":\"N.other\"}}"), 4000);
  assert_rsc(RENEW(mn2, "Smine", "/mn2/Smine", LINK("/mn2/Smine", K3)), 4117); /* it is at mn1 */
  assert_rsc(RENEW(mn2, "Smine", "/mn2/Smine", "{\"m2m:aeA\":{\"lnk\":\"INACTIVE\"}}"), 4103);
  /* it speaks through its registrar, and through no other */
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "/in-cse/Smine", "/Smine", 0, NULL), 2000);
  assert_rsc(ask(h, &mn2, GH_OP_RETRIEVE, "/in-cse/Smine", "/Smine", 0, NULL), 4106);
  assert_rsc(ask(h, &mn2, GH_OP_RETRIEVE, "/in-cse/Smine", "/mn2", 0, NULL), 4103);
  /* it leaves, and nobody speaks for it; then it comes to another */
  assert_rsc(RENEW(mn1, "Smine", "/mn1/Smine", "{\"m2m:aeA\":{\"lnk\":\"INACTIVE\"}}"), 2004);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "/in-cse/Smine", "/Smine", 0, NULL), 4106);
  assert_rsc(RENEW(mn2, "Smine", "/mn2/Smine", LINK("/mn2/Smine", K3)), 2004);
  assert_rsc(RENEW(mn1, "Smine", "/mn1/Smine", LINK("/mn1/Smine", K3)), 4117);
  harness_reopen(h);
  assert_rsc(ask(h, &mn2, GH_OP_RETRIEVE, "/in-cse/Smine", "/Smine", 0, NULL), 2000);
  assert_rsc(RENEW(mn2, "Smine", "/mn2/Smine", "{\"m2m:aeA\":{\"lnk\":\"INACTIVE\"}}"), 2004);
  /* and at last to the IN-CSE itself */
  const who mine = {GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/Smine", "12-K8@m.x.org", "K8@m.x.org", false};
  assert_rsc(ask(h, &mine, GH_OP_CREATE, "cse-in", "Smine", 2, AE("N.meter")), 2001);
  assert_rsc(ask(h, &mine, GH_OP_RETRIEVE, "cse-in/Smine", "Smine", 0, NULL), 2000);
}

/*= TS-0001 10.2.2.2 step 003 a registrar reads what is for it, and nothing else */
static void who_reads_the_rules(void **state)
{
  harness *h = *state;
  static const struct {
    const who *peer;
    const char *from, *to;
    int rsc;
  } cases[] = {{&mn1, "/mn1", "/in-cse/svsn-mn1", 2000}, {&mn1, "/mn1", "cse-in/r", 2000},
               {&mn1, "/mn1", "/in-cse/svsn-mn2", 4103}, {&mn1, "/mn1", "cse-in/other", 4103},
               {&mn2, "/mn2", "cse-in/other", 2000},     {&mn1, "/mn1", "cse-in/s", 4103},
               {&mn1, "/mn1/Cx", "cse-in/r", 4103},      {&mn1, "/mn3", "/in-cse/svsn-mn1", 4103}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    answer a = ask(h, cases[i].peer, GH_OP_RETRIEVE, cases[i].to, cases[i].from, 0, NULL);
    if (a.rsc != cases[i].rsc) fail_msg("case %zu: %d: %s", i, a.rsc, a.body);
  }
  assert_rsc(ask(h, &mn1, GH_OP_UPDATE, "cse-in/r", "/mn1", 0, "{\"m2m:asar\":{\"aae\":[\"*\"]}}"), 4103);
  assert_rsc(ask(h, &mn1, GH_OP_DELETE, "/in-cse/svsn-mn1", "/mn1", 0, NULL), 4103);
}

/* ---- a registrar below it */

typedef struct far_side { /* the IN-CSE, behind the outbound port */
  char seen[1024];
  const char *stem, *credential, *pattern;
  int node_rsc, rule_rsc, create_rsc, update_rsc; /* 0: unreachable */
} far_side;

typedef struct place {
  harness h;
  far_side far;
} place;

static gh_val *text_list(gh_arena *a, const char *text)
{
  gh_val *list = gh_val_array(a);
  gh_val_push(list, gh_val_str(a, gh_str_of(text)));
  return list;
}

static void answer_call(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  place *p = ctx;
  far_side *far = &p->far;
  gh_arena *a = &call->arena;
  const gh_request *r = &call->request;
  (void)worker;
  gh_str link = GH_STR_NONE, root;
  gh_val *given, *o = gh_val_object(a);
  if (r->pc && gh_val_unwrap(r->pc, &root, &given)) gh_val_get_str(given, GH_STR("lnk"), &link);
  size_t used = strlen(far->seen);
  snprintf(far->seen + used, sizeof far->seen - used, "%s %.*s by %.*s %.*s; ", gh_op_name((int)r->op),
           GH_STR_ARG(r->to), GH_STR_ARG(r->from), GH_STR_ARG(link));
  int rsc = far->update_rsc;
  if (r->op == GH_OP_RETRIEVE && gh_str_eq(r->to, GH_STR("/in-cse/svsn-mn9"))) {
    rsc = far->node_rsc;
    gh_val_set(a, o, GH_STR("rlk"), text_list(a, "cse-in/rule"));
  } else if (r->op == GH_OP_RETRIEVE) {
    rsc = far->rule_rsc;
    gh_val_set(a, o, GH_STR("apci"), text_list(a, far->credential));
    gh_val_set(a, o, GH_STR("aai"), text_list(a, "N.meter*"));
    gh_val_set(a, o, GH_STR("aae"), text_list(a, far->pattern));
  } else if (r->op == GH_OP_CREATE) {
    rsc = far->create_rsc;
    gh_val_set(a, o, GH_STR("ri"), gh_val_str(a, gh_str_of(far->stem)));
  }
  call->err = rsc ? GH_OK : GH_ECONN;
  if (rsc) call->response = (gh_response){.rsc = rsc, .pc = gh_val_wrap(a, GH_STR("m2m:any"), o)};
  call->done(call);
}

static int setup_mn_cse(void **state)
{
  place *p = calloc(1, sizeof *p);
  p->far = (far_side){.stem = "Sgiven",
                      .credential = K3,
                      .pattern = "*",
                      .node_rsc = 2000,
                      .rule_rsc = 2000,
                      .create_rsc = 2001,
                      .update_rsc = 2004};
  harness_prepare(&p->h, &gh_cse_function);
  p->h.options.outbound = (gh_outbound){p, answer_call};
  p->h.options.config.cse_type = 2;
  p->h.options.config.self.cse_id = GH_STR("mn9");
  p->h.options.config.transit_us = GH_US_PER_S;
  p->h.options.config.registrar = GH_STR("//sp.example.com/in-cse");
  harness_open(&p->h);
  *state = p;
  return 0;
}

static int teardown_mn_cse(void **state)
{
  place *p = *state;
  harness_stop(&p->h);
  free(p);
  return 0;
}

static void assert_seen(place *p, const char *expected)
{
  if (strcmp(p->far.seen, expected) != 0) fail_msg("asked: %s\nexpected: %s", p->far.seen, expected);
  p->far.seen[0] = '\0';
}

#define REGISTER(peer, from, app) ask(&p->h, &(peer), GH_OP_CREATE, "cse-in", from, 2, AE(app))
#define RULES "RETRIEVE /in-cse/svsn-mn9 by /mn9 ; RETRIEVE /in-cse/cse-in/rule by /mn9 ; "

/*= TS-0001 10.2.2.2 step 003; TS-0004 7.3.2.7 app rules where the AE registers */
static void rules_of_the_in_cse_decide(void **state)
{
  place *p = *state;
  assert_rsc(REGISTER(nameless, "Cone", "N.pump"), 4126);
  assert_seen(p, RULES);
  p->far.credential = K4;
  assert_rsc(REGISTER(nameless, "Cone", "N.meter"), 4126);
  p->far.credential = K3;
  p->far.pattern = "Ctwo";
  assert_rsc(REGISTER(nameless, "Cone", "N.meter"), 4126);
  p->far.pattern = "C*";
  assert_rsc(REGISTER(nameless, "Cone", "N.meter"), 2001);
  assert_string_equal(p->h.bound, "//sp.example.com/mn9/Cone");
  p->far.seen[0] = '\0';
  assert_rsc(REGISTER(cfix, "C", "N.meter"), 2001); /* the credential names it: nobody is asked */
  assert_seen(p, "");
}

static void rules_that_cannot_be_read(void **state)
{
  place *p = *state;
  p->h.host->config.open_registration = true; /* a subscription that may be there is not guessed at */
  static const far_side cases[] = {
      {.node_rsc = 0}, {.node_rsc = 4103}, {.node_rsc = 2000, .rule_rsc = 0}, {.node_rsc = 2000, .rule_rsc = 4103}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    p->far.node_rsc = cases[i].node_rsc;
    p->far.rule_rsc = cases[i].rule_rsc;
    assert_rsc(REGISTER(nameless, "Cone", "N.meter"), 4128);
  }
  p->far.node_rsc = 2000;
  p->far.rule_rsc = 4004; /* a link that leads nowhere */
  assert_rsc(REGISTER(nameless, "Cone", "N.meter"), 4126);
  p->far.node_rsc = 4004; /* no subscription for this CSE */
  p->h.host->config.open_registration = false;
  assert_rsc(REGISTER(nameless, "Cone", "N.meter"), 4128);
  p->h.host->config.open_registration = true;
  assert_rsc(REGISTER(nameless, "Cone", "N.meter"), 2001);
}

/*= TS-0001 10.2.2.2 case a */
static void the_in_cse_is_asked_for_a_stem(void **state)
{
  place *p = *state;
  answer a = REGISTER(nameless, "S", "N.meter");
  assert_rsc(a, 2001);
  assert_has(a, "\"aei\":\"Sgiven\"");
  assert_string_equal(p->h.bound, "//sp.example.com/Sgiven");
  assert_seen(p, RULES "CREATE /in-cse/- by /mn9/S /mn9/S; ");
}

/*= TS-0001 10.2.2.2 case b; TS-0001 10.2.2.5; TS-0004 7.4.5.2.4 */
static void an_ae_brings_its_stem(void **state)
{
  place *p = *state;
  p->far.update_rsc = 4004; /* for the first time */
  p->far.stem = "Smove";
  assert_rsc(REGISTER(smove, "Smove", "N.meter"), 2001);
  assert_seen(p, "UPDATE /in-cse/Smove by /mn9/Smove /mn9/Smove; CREATE /in-cse/- by /mn9/Smove /mn9/Smove; ");
  assert_rsc(REGISTER(smove, "Smove", "N.meter"), 4117); /* registered here: nobody is asked */
  assert_seen(p, "");
  p->far.update_rsc = 2004;
  assert_rsc(ask(&p->h, &nameless, GH_OP_DELETE, "cse-in/Smove", "Smove", 0, NULL), 4106);
  assert_rsc(ask(&p->h, &cfix, GH_OP_DELETE, "cse-in/Smove", "Cfix", 0, NULL), 4103);
  assert_seen(p, ""); /* who may not delete it does not make it inactive */
  p->far.update_rsc = 0;
  assert_rsc(ask(&p->h, &smove, GH_OP_DELETE, "cse-in/Smove", "Smove", 0, NULL), 5103);
  assert_rsc(ask(&p->h, &smove, GH_OP_RETRIEVE, "cse-in/Smove", "Smove", 0, NULL), 2000);
  p->far.seen[0] = '\0';
  p->far.update_rsc = 2004;
  assert_rsc(ask(&p->h, &smove, GH_OP_DELETE, "cse-in/Smove", "Smove", 0, NULL), 2002);
  assert_seen(p, "UPDATE /in-cse/Smove by /mn9/Smove INACTIVE; ");
  assert_rsc(REGISTER(smove, NULL, "N.meter"), 2001); /* it comes back */
  assert_seen(p, "UPDATE /in-cse/Smove by /mn9/Smove /mn9/Smove; ");
}

/* What the IN-CSE says about the AE is what the AE hears. */
static void the_in_cse_refuses(void **state)
{
  place *p = *state;
  static const struct {
    int update, create, rsc;
    const char *stem;
  } cases[] = {{4117, 2001, 4117, "Smove"}, {4126, 2001, 4126, "Smove"}, {4128, 2001, 4128, "Smove"},
               {0, 2001, 5103, "Smove"},    {4106, 2001, 5103, "Smove"}, {5000, 2001, 5103, "Smove"},
               {4004, 0, 5103, "Smove"},    {4004, 4126, 4126, "Smove"}, {4004, 2001, 5103, "Selse"},
               {4004, 2001, 5103, "Cmove"}, {4004, 2001, 5103, ""}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    p->far.update_rsc = cases[i].update;
    p->far.create_rsc = cases[i].create;
    p->far.stem = cases[i].stem;
    answer a = REGISTER(smove, "Smove", "N.meter");
    if (a.rsc != cases[i].rsc) fail_msg("case %zu: %d: %s", i, a.rsc, a.body);
  }
  p->far.pattern = "C*"; /* the rules refuse it: the IN-CSE is not asked for a stem */
  p->far.seen[0] = '\0';
  assert_rsc(REGISTER(nameless, "S", "N.meter"), 4126);
  assert_seen(p, RULES);
}

/* Announced, and then refused here: it is taken back. */
static void a_registration_that_fails_after_all(void **state)
{
  place *p = *state;
  assert_rsc(REGISTER(cfix, "C", "N.meter"), 2001);
  p->far.stem = "Smove";
  assert_rsc(ask(&p->h, &smove, GH_OP_CREATE, "cse-in", "Smove", 2,
                 "{\"m2m:ae\":{\"rn\":\"Cfix\",\"api\":\"N.meter\",\"rr\":false,\"srv\":[\"3\"]}}"),
             4105);
  assert_seen(p, "UPDATE /in-cse/Smove by /mn9/Smove /mn9/Smove; UPDATE /in-cse/Smove by /mn9/Smove INACTIVE; ");
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup_in_cse, teardown_in_cse)
#define MN(test) cmocka_unit_test_setup_teardown(test, setup_mn_cse, teardown_mn_cse)

int main(void)
{
  const struct CMUnitTest tests[] = {
      IN(the_in_cse_gives_a_stem),
      IN(announcements_that_are_refused),
      IN(nobody_becomes_the_administrator),
      IN(one_registration_point),
      IN(who_reads_the_rules),
      MN(rules_of_the_in_cse_decide),
      MN(rules_that_cannot_be_read),
      MN(the_in_cse_is_asked_for_a_stem),
      MN(an_ae_brings_its_stem),
      MN(the_in_cse_refuses),
      MN(a_registration_that_fails_after_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
