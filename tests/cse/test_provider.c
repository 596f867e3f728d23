/* Mcc': the IN-CSE of another service provider, what it may say in whose name, what leaves for it, and what stays. */
#include "far_side.h"

#define PEER(method, id, credential, key)                                                                            \
  {                                                                                                                  \
    GH_PEER_CSE, method, id, credential, key, false                                                                  \
  }
#define CERTIFIED(id) PEER(GH_METHOD_CERTIFICATE, id, "32-" id, "")
static const who sp2 = CERTIFIED("//sp2.example.net/in2"), sp3 = CERTIFIED("//sp3.example.org/in-cse");
static const who sp2_by_key =
    PEER(GH_METHOD_PSK, "//sp2.example.net/in2", "12-sp2@keys.example.com", "sp2@keys.example.com");
static const who sp2_by_public_key = PEER(GH_METHOD_PUBLIC_KEY, "//sp2.example.net/in2", "14-x", "ni:///sha-256;x");
static const who mn1 = CERTIFIED("//sp.example.com/mn1"), in_cse = CERTIFIED("//sp.example.com/in-cse");
static const who meter = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cmeter", "12-K1@maf.sp.example.com", "K1@maf.sp.example.com",
    false};
static const who admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};

static const gh_provider providers[] = {
    {.cse = {"//sp2.example.net/in2", 21}, .fqdn = {"in2.sp2.example.net", 19}, .certificate = true},
    {.cse = {"//sp3.example.org/in-cse", 24}, .fqdn = {"in-cse.sp3.example.org", 22}, .certificate = true},
};

#define AE "{\"m2m:ae\":{\"api\":\"N.demo\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"https://192.0.2.7:8443\"]}}"
#define NOTIFICATION "{\"m2m:sgn\":{\"sur\":\"x\"}}"
#define CSR(more) "{\"m2m:csr\":{\"cb\":\"/x/cse\",\"rr\":true,\"srv\":[\"3\"]" more "}}"

static int setup_in_cse(void **state)
{
  place *p = place_prepare(NULL);
  p->h.options.config.providers = providers;
  p->h.options.config.provider_count = 2;
  harness_open(&p->h);
  *state = p;
  return 0;
}

static void register_meter(harness *h)
{
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 2001);
}

/* A policy of its own each time: the linked ones are what counts. */
static void grant(harness *h, const char *acor, int acop)
{
  static int count;
  char policy[400], link[100];
  snprintf(policy, sizeof policy,
           "{\"m2m:acp\":{\"rn\":\"p%d\",\"pv\":{\"acr\":[{\"acor\":[\"%s\"],\"acop\":%d},{\"acor\":[\"Cmeter\"],"
           "\"acop\":63}]},\"pvs\":{\"acr\":[{\"acor\":[\"Cmeter\"],\"acop\":63}]}}}",
           ++count, acor, acop);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "cse-in/Cmeter", "Cmeter", 1, policy), 2001);
  snprintf(link, sizeof link, "{\"m2m:ae\":{\"acpi\":[\"cse-in/Cmeter/p%d\"]}}", count);
  assert_rsc(ask(h, &meter, GH_OP_UPDATE, "cse-in/Cmeter", "Cmeter", 0, link), 2004);
}

/*= TS-0003 8.2.1; 7.2.1; TS-0004 7.3.2.6 it speaks for its own provider, in absolute identifiers */
static void in_whose_name(void **state)
{
  harness *h = &((place *)*state)->h;
  register_meter(h);
  static const struct {
    const char *from;
    int rsc; /* 4103: believed, and then not permitted */
  } cases[] = {{"//sp2.example.net/in2", 4103},
               {"//sp2.example.net/in2/Cx", 4103},
               {"//SP2.example.NET/in2/Cx", 4103},
               {"//sp2.example.net/mn7", 4103},
               {"//sp2.example.net/mn7/Cx", 4103},
               {"//sp2.example.net/Sx", 4103},
               {"//sp.example.com/in-cse/Cmeter", 4106}, /* ours */
               {"//sp.example.com/in-cse", 4106},
               {"//sp.example.com/Sadmin", 4106},
               {"//sp.example.com/mn1/Cx", 4106},
               {"//sp3.example.org/in-cse", 4106}, /* known, and not this one */
               {"//sp3.example.org/in-cse/Cx", 4106},
               {"//sp4.example.org/in-cse/Cx", 4106}, /* unknown */
               {"//sub.sp2.example.net/in2/Cx", 4106},
               {"/in2", 4106}, /* would be a name of ours */
               {"/in2/Cx", 4106},
               {"/in-cse/Cmeter", 4106},
               {"/Sadmin", 4106},
               {"Cmeter", 4106},
               {"Sadmin", 4106},
               {"//sp2.example.net", 4106}, /* a provider is no originator */
               {"//sp2.example.net/in2/S", 4000},
               {"//", 4000},
               {"", 4000},
               {NULL, 4000}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    static const who *const flavours[] = {&sp2, &sp2_by_key, &sp2_by_public_key};
    for (size_t k = 0; k < sizeof flavours / sizeof *flavours; k++) {
      answer a = ask(h, flavours[k], GH_OP_RETRIEVE, "cse-in/Cmeter", cases[i].from, 0, NULL);
      if (a.rsc != cases[i].rsc) fail_msg("fr %s: %d", cases[i].from ? cases[i].from : "(absent)", a.rsc);
    }
  }
}

/* Whom no agreement names gets nowhere, whatever it has proven; nor does hearsay of a broker or of a lent key. */
static void providers_that_are_not_known(void **state)
{
  harness *h = &((place *)*state)->h;
  register_meter(h);
  grant(h, "all", 63);
  const who sp4 = CERTIFIED("//sp4.example.org/in-cse"), below_sp2 = CERTIFIED("//sp2.example.net/mn7");
  const who by_broker = PEER(GH_METHOD_BROKER, "//sp2.example.net/in2", "32-x", "");
  who lent = sp2_by_key;
  lent.provisional = true;
  assert_rsc(ask(h, &sp4, GH_OP_RETRIEVE, "cse-in/Cmeter", "//sp4.example.org/in-cse", 0, NULL), 4106);
  assert_rsc(ask(h, &below_sp2, GH_OP_RETRIEVE, "cse-in/Cmeter", "//sp2.example.net/mn7", 0, NULL), 4106);
  assert_rsc(ask(h, &by_broker, GH_OP_RETRIEVE, "cse-in/Cmeter", "//sp2.example.net/in2", 0, NULL), 4106);
  assert_rsc(ask(h, &lent, GH_OP_RETRIEVE, "cse-in/Cmeter", "//sp2.example.net/in2", 0, NULL), 4106);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "cse-in/Cmeter", "//sp2.example.net/in2", 0, NULL), 2000);
}

/*= TS-0003 7.1.3; 7.1.5 the hosting CSE decides about the absolute originator */
static void policies_decide(void **state)
{
  harness *h = &((place *)*state)->h;
  register_meter(h);
  static const struct {
    const char *acor;
    int of_ae, of_another_ae, of_s_type, of_sp3;
  } cases[] = {{"//sp2.example.net/in2/Cx", 2000, 4103, 4103, 4103},
               {"//sp2.example.net", 2000, 2000, 2000, 4103},
               {"//sp2.example.net/*/Cx", 2000, 4103, 4103, 4103},
               {"//*/in2/C*", 2000, 2000, 4103, 4103},
               {"//sp2.example.net/S*", 4103, 4103, 2000, 4103},
               {"/in2/Cx", 4103, 4103, 4103, 4103},
               {"Cx", 4103, 4103, 4103, 4103},
               {"all", 2000, 2000, 2000, 2000}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    grant(h, cases[i].acor, 2);
    assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "/in-cse/-/Cmeter", "//sp2.example.net/in2/Cx", 0, NULL), cases[i].of_ae);
    assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "//sp.example.com/in-cse/-/Cmeter", "//sp2.example.net/in2/Cy", 0, NULL),
               cases[i].of_another_ae);
    assert_rsc(ask(h, &sp2_by_key, GH_OP_RETRIEVE, "cse-in/Cmeter", "//sp2.example.net/Sx", 0, NULL),
               cases[i].of_s_type);
    assert_rsc(ask(h, &sp3, GH_OP_RETRIEVE, "cse-in/Cmeter", "//sp3.example.org/in-cse/Cx", 0, NULL),
               cases[i].of_sp3);
    assert_rsc(ask(h, &sp2, GH_OP_DELETE, "cse-in/Cmeter", "//sp2.example.net/in2/Cx", 0, NULL), 4103);
  }
}

/* A permitted write makes a resource whose creator is over there, and nobody of ours with a like name owns it. */
static void what_they_create_is_theirs(void **state)
{
  harness *h = &((place *)*state)->h;
  register_meter(h);
  grant(h, "//sp2.example.net/in2/Cmeter", 1);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, "cse-in/Cmeter", "//sp2.example.net/in2/Cmeter", 3,
                 "{\"m2m:cnt\":{\"rn\":\"box\"}}"),
             2001);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "cse-in/Cmeter/box", "//sp2.example.net/in2/Cmeter", 0, NULL), 2000);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "cse-in/Cmeter/box", "//sp2.example.net/in2/Cother", 0, NULL), 4103);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "cse-in/Cmeter/box", "Cmeter", 0, NULL), 4103);
}

/*= TS-0001 6.5.4 nobody registers over Mcc', whatever From says */
static void nobody_registers(void **state)
{
  place *p = *state;
  harness *h = &p->h;
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR("")), 2001);
  static const char *const froms[] = {"//sp2.example.net/in2", "//sp2.example.net/in2/Cx", "Cx", "S", NULL};
  static const char *const tos[] = {"cse-in", "/in-cse", "/mn1", "//sp3.example.org/in-cse"};
  for (size_t i = 0; i < sizeof froms / sizeof *froms; i++)
    for (size_t k = 0; k < sizeof tos / sizeof *tos; k++) {
      int rsc = froms[i] ? 4005 : 4000;
      assert_rsc(ask(h, &sp2, GH_OP_CREATE, tos[k], froms[i], 2, AE), 4005);
      assert_rsc(ask(h, &sp2, GH_OP_CREATE, tos[k], froms[i], 16, CSR("")), rsc);
      assert_rsc(ask(h, &sp2, GH_OP_CREATE, tos[k], froms[i], 10002, "{\"m2m:aeA\":{\"lnk\":\"/in2/Sx\"}}"), rsc);
    }
  assert_int_equal(p->far.count, 0);
  /* nor does a registree bring another provider with it */
  assert_rsc(ask(h, &mn1, GH_OP_UPDATE, "/in-cse/rcse-mn1", "/mn1", 0,
                 "{\"m2m:csr\":{\"dcse\":[\"//sp2.example.net/in2\"]}}"),
             4000);
}

/*= TS-0001 8.2.1.2; 6.5.2.2; TS-0004 7.3.2.6 what is of another provider leaves for its IN-CSE, From absolute */
static void requests_leave(void **state)
{
  place *p = *state;
  harness *h = &p->h;
  register_meter(h);
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR("")), 2001);
  static const struct {
    const who *peer;
    const char *from, *to, *entity, *leaves_as;
  } cases[] = {
      {&meter, "Cmeter", "//sp2.example.net/in2/-/box", "//sp2.example.net/in2", "//sp.example.com/in-cse/Cmeter"},
      {&meter, "Cmeter", "//SP2.example.NET/in2/-/box", "//sp2.example.net/in2", "//sp.example.com/in-cse/Cmeter"},
      {&meter, "Cmeter", "//sp2.example.net/mn7/-/box", "//sp2.example.net/in2", "//sp.example.com/in-cse/Cmeter"},
      {&meter, "Cmeter", "//sp3.example.org/in-cse", "//sp3.example.org/in-cse", "//sp.example.com/in-cse/Cmeter"},
      {&mn1, "/mn1/Cx", "//sp2.example.net/in2/-/box", "//sp2.example.net/in2", "//sp.example.com/mn1/Cx"},
      {&mn1, "/mn1", "//sp2.example.net/in2/-/box", "//sp2.example.net/in2", "//sp.example.com/mn1"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_rsc(ask(h, cases[i].peer, GH_OP_RETRIEVE, cases[i].to, cases[i].from, 0, NULL), 2000);
    assert_string_equal(p->far.entity, cases[i].entity);
    assert_string_equal(p->far.to, cases[i].to);
    assert_string_equal(p->far.from, cases[i].leaves_as);
  }
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "/mn1/-/box", "Cmeter", 0, NULL), 2000);
  assert_string_equal(p->far.from, "/in-cse/Cmeter"); /* inside the provider as before */
}

/*= TS-0001 8.2.1.2; TS-0004 7.3.2.6 no agreement, no route: NOT_FOUND */
static void requests_that_do_not_leave(void **state)
{
  place *p = *state;
  harness *h = &p->h;
  register_meter(h);
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR("")), 2001);
  int before = p->far.count;
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "//sp4.example.org/in2/-/box", "Cmeter", 0, NULL), 4004);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "//sub.sp2.example.net/in2/-/box", "Cmeter", 0, NULL), 4004);
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "//sp2.example.net/in2/-/box", "Cother", 0, NULL), 4106);
  assert_rsc(ask(h, &meter, GH_OP_CREATE, "//sp2.example.net/in2", "Cmeter", 2, AE), 4000);
  /* nobody passes through: neither to a third provider, nor back */
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "//sp3.example.org/in-cse/-/box", "//sp2.example.net/in2/Cx", 0, NULL),
             4004);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "//sp2.example.net/in2/-/box", "//sp2.example.net/in2/Cx", 0, NULL), 4004);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "//sp4.example.org/x/-/box", "//sp2.example.net/in2/Cx", 0, NULL), 4004);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "/nowhere/-/box", "//sp2.example.net/in2/Cx", 0, NULL), 4004);
  assert_int_equal(p->far.count, before);
  p->far = (far_side){.err = GH_ECONN};
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "//sp2.example.net/in2/-/box", "Cmeter", 0, NULL), 5103);
  p->far = (far_side){.err = GH_ETIMEOUT};
  assert_rsc(ask(h, &meter, GH_OP_RETRIEVE, "//sp2.example.net/in2/-/box", "Cmeter", 0, NULL), 4008);
}

/*= TS-0001 6.5.2.3 the IN-CSE is the entry: what is hosted below it goes on by the ways of the provider */
static void requests_come_in_and_go_on(void **state)
{
  place *p = *state;
  harness *h = &p->h;
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR("")), 2001);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "//sp.example.com/mn1/-/box", "//sp2.example.net/in2/Cx", 0, NULL), 2000);
  assert_string_equal(p->far.entity, "//sp.example.com/mn1");
  assert_string_equal(p->far.from, "//sp2.example.net/in2/Cx");
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "//sp.example.com/mn1/-/box", "//sp2.example.net/Sx", 0, NULL), 2000);
  assert_string_equal(p->far.from, "//sp2.example.net/Sx");
  int before = p->far.count;
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "//sp.example.com/mn1/-/box", "//sp.example.com/mn1/Cx", 0, NULL), 4106);
  assert_int_equal(p->far.count, before);
  /* a registree does not bring them in from below */
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in", "//sp2.example.net/in2/Cx", 0, NULL), 4106);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in", "//sp2.example.net/Sx", 0, NULL), 4106);
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in", "//sp2.example.net/in2", 0, NULL), 4106);
}

/*= TS-0001 10.2.5.23; 6.5.2.3 an AE of theirs notifies one of ours, where that lets it, and the other way round */
static void notifications(void **state)
{
  place *p = *state;
  harness *h = &p->h;
  const char *theirs = "//sp2.example.net/in2/Cx", *bell = "//sp.example.com/in-cse/cse-in/Cmeter";
  register_meter(h);
  grant(h, theirs, 2);
  assert_rsc(ask(h, &sp2, GH_OP_NOTIFY, bell, theirs, 0, NOTIFICATION), 4103);
  assert_int_equal(p->far.count, 0);
  grant(h, theirs, 16);
  assert_rsc(ask(h, &sp2, GH_OP_NOTIFY, bell, "/in2/Cx", 0, NOTIFICATION), 4106);
  assert_rsc(ask(h, &sp2, GH_OP_NOTIFY, bell, "//sp2.example.net/in2/Cy", 0, NOTIFICATION), 4103);
  assert_int_equal(p->far.count, 0);
  assert_rsc(ask(h, &sp2, GH_OP_NOTIFY, bell, theirs, 0, NOTIFICATION), 2000);
  assert_string_equal(p->far.entity, "//sp.example.com/in-cse/Cmeter");
  assert_string_equal(p->far.from, theirs);
  assert_rsc(ask(h, &meter, GH_OP_NOTIFY, "//sp2.example.net/in2/base/Cx", "Cmeter", 0, NOTIFICATION), 2000);
  assert_string_equal(p->far.entity, "//sp2.example.net/in2");
  assert_string_equal(p->far.from, "//sp.example.com/in-cse/Cmeter");
}

/* Who administers is of this provider, and has a certificate of its own. */
static void never_an_administrator(void **state)
{
  harness *h = &((place *)*state)->h;
  register_meter(h);
  static const char key[] = "{\"gh:ask\":{\"syki\":\"k@keys.example.com\",\"enid\":\"//sp2.example.net/"
                            "in2\",\"kv\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}}";
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, "cse-in", "//sp.example.com/Sadmin", GH_TY_ASSOCIATION_KEY, key), 4106);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, "cse-in", "//sp2.example.net/Sadmin", GH_TY_ASSOCIATION_KEY, key), 4103);
  assert_rsc(ask(h, &sp2, GH_OP_CREATE, "cse-in", "//sp2.example.net/in2", GH_TY_ASSOCIATION_KEY, key), 4103);
  assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "cse-in", "//sp2.example.net/in2", 0, NULL), 4103);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", GH_TY_ASSOCIATION_KEY, key), 2001);
}

/* Below the IN-CSE: other providers are up there, and nobody else speaks for them. */
static void below_a_registrar(void **state)
{
  place *p = *state;
  harness *h = &p->h;
  const who local = {GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/mn9/Cmeter", "12-K6@maf.sp.example.com",
                     "K6@m",     false};
  assert_rsc(ask(h, &local, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 2001);
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", 16, CSR("")), 2001);
  assert_rsc(ask(h, &local, GH_OP_RETRIEVE, "//sp2.example.net/in2/-/box", "Cmeter", 0, NULL), 2000);
  assert_string_equal(p->far.entity, "//sp.example.com/in-cse");
  assert_string_equal(p->far.from, "/mn9/Cmeter");
  static const char *const theirs[] = {"//sp2.example.net/in2/Cx", "//sp2.example.net/Sx", "//sp2.example.net/in2"};
  for (size_t i = 0; i < 3; i++) {
    assert_rsc(ask(h, &in_cse, GH_OP_RETRIEVE, "cse-in/Cmeter", theirs[i], 0, NULL), 4103);
    assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/Cmeter", theirs[i], 0, NULL), 4106);
    assert_rsc(ask(h, &sp2, GH_OP_RETRIEVE, "cse-in/Cmeter", theirs[i], 0, NULL), 4106); /* not the entry */
  }
}

/* ---- registrations as older versions stored them */

typedef struct old_registration {
  gh_store_job job;
  gh_host *host;
  const char *creator, *stem, *dcse;
  uv_sem_t done;
  gh_err err;
} old_registration;

static gh_err store_old(gh_store_job *job, gh_store_txn *txn)
{
  (void)txn;
  old_registration *o = (old_registration *)job;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str id = gh_arena_fmt(&arena, "rcse-%s", o->stem), now = GH_STR("20260101T000000");
  gh_val *attrs = gh_val_object(&arena), *below = gh_val_array(&arena);
  const char *const texts[][2] = {{"rn", id.ptr},  {"ri", id.ptr},      {"pi", "mn9"},     {"ct", now.ptr},
                                  {"lt", now.ptr}, {"csi", o->creator}, {"cb", o->creator}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    gh_val_set(&arena, attrs, gh_str_of(texts[i][0]), gh_val_str(&arena, gh_str_of(texts[i][1])));
  gh_val_set(&arena, attrs, GH_STR("ty"), gh_val_int(&arena, GH_TY_REMOTE_CSE));
  gh_val_push(below, gh_val_str(&arena, gh_str_of(o->dcse)));
  gh_val_set(&arena, attrs, GH_STR("dcse"), below);
  const gh_node_draft draft = {.type = gh_type_by_number(GH_TY_REMOTE_CSE),
                               .seq = gh_tree_next_seq(o->host->tree),
                               .ri = id,
                               .pi = GH_STR("mn9"),
                               .rn = id,
                               .creator = gh_str_of(o->creator),
                               .attrs = attrs};
  gh_node *node;
  gh_err err = gh_node_make(&draft, &o->host->config.self, &node, NULL);
  if (err == GH_OK) err = gh_tree_insert(o->host->tree, node);
  gh_arena_free(&arena);
  return err;
}

static void stored_old(gh_store_job *job, gh_err err)
{
  old_registration *o = (old_registration *)job;
  o->err = err;
  uv_sem_post(&o->done);
}

static void keep_old(harness *h, const char *creator, const char *stem, const char *dcse)
{
  old_registration o = {
      .job = {.run = store_old, .done = stored_old}, .host = h->host, .creator = creator, .stem = stem, .dcse = dcse};
  uv_sem_init(&o.done, 0);
  assert_int_equal(gh_store_submit(h->host->store, &o.job), GH_OK);
  uv_sem_wait(&o.done);
  uv_sem_destroy(&o.done);
  assert_int_equal(o.err, GH_OK);
}

/*= TS-0001 6.5.1.0 what a registration says of CSEs of another provider leads nowhere, however old it is */
static void old_registrations(void **state)
{
  place *p = *state;
  harness *h = &p->h;
  const who local = {GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/mn9/Cmeter", "12-K6@maf.sp.example.com",
                     "K6@m",     false};
  assert_rsc(ask(h, &local, GH_OP_CREATE, "cse-in", "Cmeter", 2, AE), 2001);
  keep_old(h, "//sp.example.com/mn1", "mn1", "//sp2.example.net/in2");
  keep_old(h, "//sp3.example.org/in-cse", "in-cse", "/mn5");
  harness_reopen(h);
  const struct {
    const char *to, *next;
  } cases[] = {{"/mn1/-/box", "//sp.example.com/mn1"}, /* it was read */
               {"/mn5/-/box", "//sp.example.com/in-cse"},
               {"//sp2.example.net/in2/-/box", "//sp.example.com/in-cse"},
               {"//sp3.example.org/in-cse/-/box", "//sp.example.com/in-cse"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_rsc(ask(h, &local, GH_OP_RETRIEVE, cases[i].to, "Cmeter", 0, NULL), 2000);
    assert_string_equal(p->far.entity, cases[i].next);
  }
  assert_rsc(ask(h, &mn1, GH_OP_RETRIEVE, "cse-in/Cmeter", "//sp2.example.net/in2/Cx", 0, NULL), 4106);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup_in_cse, teardown)
#define MN(test) cmocka_unit_test_setup_teardown(test, setup_mn_cse, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      IN(in_whose_name),
      IN(providers_that_are_not_known),
      IN(policies_decide),
      IN(what_they_create_is_theirs),
      IN(nobody_registers),
      IN(requests_leave),
      IN(requests_that_do_not_leave),
      IN(requests_come_in_and_go_on),
      IN(notifications),
      IN(never_an_administrator),
      MN(below_a_registrar),
      MN(old_registrations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
