/* Whom a credential stands for: one AE-ID, or, that of a node or device, each of those that registered with it; and
 * whose an AE-ID is after its AE has gone. */
#include "../host/harness.h"

#define CRED(name, method, id, key) static const who name = {GH_PEER_CREDENTIAL, method, "", id, key, false}
CRED(node, GH_METHOD_CERTIFICATE, "34-urn.node.1", "");
CRED(other_node, GH_METHOD_CERTIFICATE, "34-urn.node.2", "");
CRED(device, GH_METHOD_CERTIFICATE, "31-0.2.481.1.100.3030.10011", "");
CRED(key1, GH_METHOD_PSK, "12-K1@maf.sp.example.com", "K1@maf.sp.example.com");
CRED(key2, GH_METHOD_PSK, "12-K2@maf.sp.example.com", "K2@maf.sp.example.com");
static const who admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};
static const who proven = {
    GH_PEER_AE, GH_METHOD_PSK, "//sp.example.com/in-cse/Cone", "12-K9@maf.sp.example.com", "K9@maf.sp.example.com",
    false};

#define AE "{\"m2m:ae\":{\"api\":\"N.demo\",\"rr\":false,\"srv\":[\"3\"]}}"
#define REGISTER(peer, from) ask(h, &(peer), GH_OP_CREATE, "cse-in", from, 2, AE)
#define GET(peer, to, from) ask(h, &(peer), GH_OP_RETRIEVE, to, from, 0, NULL)
#define LEAVE(peer, from) ask(h, &(peer), GH_OP_DELETE, "cse-in/" from, from, 0, NULL)

static int setup(void **state)
{
  harness *h = calloc(1, sizeof *h);
  harness_start(h, &gh_cse_function);
  h->host->config.open_registration = true;
  *state = h;
  return 0;
}

static int teardown(void **state)
{
  harness_stop(*state);
  free(*state);
  return 0;
}

/*= TS-0003 8.2.1; TS-0003 7.2.1 From is one of the list, and nobody else */
static void a_node_stands_for_its_aes(void **state)
{
  harness *h = *state;
  assert_rsc(GET(node, "cse-in", "Cone"), 4106);
  assert_rsc(REGISTER(node, "Cone"), 2001);
  assert_string_equal(h->bound, ""); /* the association is not bound to one of them */
  assert_rsc(REGISTER(node, "Ctwo"), 2001);
  assert_rsc(REGISTER(other_node, "Cfar"), 2001);
  assert_rsc(REGISTER(device, "Cdev"), 2001);
  static const struct {
    const who *peer;
    const char *to, *from;
    int rsc;
  } cases[] = {{&node, "cse-in/Cone", "Cone", 2000},       {&node, "cse-in/Ctwo", "Ctwo", 2000},
               {&node, "cse-in/Ctwo", "Cone", 4103}, /* each is itself: the other's resources are the other's */
               {&node, "cse-in/Cfar", "Cfar", 4106},       {&node, "cse-in/Cone", "Cnobody", 4106},
               {&node, "cse-in/Cone", "Sadmin", 4106},     {&node, "cse-in/Cone", "/in-cse/Cone", 4000},
               {&node, "cse-in/Cone", "", 4000},           {&node, "cse-in/Cone", NULL, 4000},
               {&other_node, "cse-in/Cfar", "Cfar", 2000}, {&other_node, "cse-in/Cone", "Cone", 4106},
               {&device, "cse-in/Cdev", "Cdev", 2000},     {&device, "cse-in/Cone", "Cone", 4106},
               {&key1, "cse-in/Cone", "Cone", 4106}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    answer a = ask(h, cases[i].peer, GH_OP_RETRIEVE, cases[i].to, cases[i].from, 0, NULL);
    if (a.rsc != cases[i].rsc) fail_msg("case %zu: %d", i, a.rsc);
  }
  assert_rsc(ask(h, &node, GH_OP_CREATE, "cse-in/Ctwo", "Ctwo", 3, "{\"m2m:cnt\":{\"rn\":\"box\"}}"), 2001);
  assert_rsc(ask(h, &node, GH_OP_CREATE, "cse-in/Ctwo", "Cone", 3, "{\"m2m:cnt\":{\"rn\":\"no\"}}"), 4103);
  harness_reopen(h); /* the list is what is registered, also after a restart */
  assert_rsc(GET(node, "cse-in/Cone", "Cone"), 2000);
  assert_rsc(GET(other_node, "cse-in/Cone", "Cone"), 4106);
  assert_rsc(LEAVE(node, "Cone"), 2002); /* one leaves, the other stays */
  assert_rsc(GET(node, "cse-in/Ctwo", "Cone"), 4106);
  assert_rsc(GET(node, "cse-in/Ctwo", "Ctwo"), 2000);
}

static gh_peer settled(harness *h, const who *w)
{
  const gh_peer given = {.kind = w->kind,
                         .method = w->method,
                         .id = gh_str_of(w->id),
                         .credential_id = gh_str_of(w->credential_id),
                         .key_id = gh_str_of(w->key_id)};
  gh_peer peer;
  gh_peer_copy(&peer, &given);
  h->host->key_source.settle_peer(h->host->key_source.ctx, &peer);
  return peer;
}

/*= TS-0003 8.2.1; 8.2.2.2 the provider says which CSE has the certificate of this node or device, and no other does
 */
static void a_node_stands_for_a_cse(void **state)
{
  static gh_str rows[] = {{"34-urn.node.1 //sp.example.com/mn7", 34},
                          {"31-0.2.481.1.100.3030.10011 //sp.example.com/mn8", 48}};
  static const struct {
    const who *peer;
    gh_peer_kind kind;
    const char *id;
  } cases[] = {{&node, GH_PEER_CSE, "//sp.example.com/mn7"},
               {&device, GH_PEER_CSE, "//sp.example.com/mn8"},
               {&other_node, GH_PEER_CREDENTIAL, ""},
               {&key1, GH_PEER_CREDENTIAL, ""}};
  harness *h = *state;
  h->host->config.node_cses = rows;
  h->host->config.node_cse_count = 2;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_peer peer = settled(h, cases[i].peer);
    if (peer.kind != cases[i].kind || !gh_str_eq(peer.id, gh_str_of(cases[i].id))) fail_msg("case %zu", i);
    gh_peer_clear(&peer);
  }
  static const who mn7 = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/mn7", "34-urn.node.1", "", false};
  static const char csr[] = "{\"m2m:csr\":{\"cb\":\"/mn7/cse\",\"rr\":true,\"srv\":[\"3\"]}}";
  assert_rsc(ask(h, &mn7, GH_OP_CREATE, "cse-in", "/mn8", 16, csr), 4106);
  assert_rsc(ask(h, &mn7, GH_OP_CREATE, "cse-in", "/mn7", 16, csr), 2001);
  assert_rsc(REGISTER(mn7, "Cone"), 4106);
}

/*= TS-0004 7.4.5.2.1 once each */
static void registrations_of_a_node(void **state)
{
  harness *h = *state;
  assert_rsc(REGISTER(node, "Cone"), 2001);
  assert_rsc(REGISTER(node, "Cone"), 4117);
  assert_rsc(REGISTER(other_node, "Cone"), 4117);
  assert_rsc(ask(h, &node, GH_OP_CREATE, "cse-in", "Cnew", 2,
                 "{\"m2m:ae\":{\"rn\":\"Cone\",\"api\":\"N.demo\",\"rr\":false,\"srv\":[\"3\"]}}"),
             4105);
  assert_rsc(REGISTER(other_node, "Cnew"), 2001); /* what was refused has left nothing behind */
  assert_rsc(REGISTER(node, "Sone"), 4126);
  answer a = REGISTER(node, "C"), b = REGISTER(node, NULL);
  assert_rsc(a, 2001);
  assert_rsc(b, 2001);
  assert_string_not_equal(member(&a, "aei"), member(&b, "aei"));
  assert_rsc(ask(h, &node, GH_OP_CREATE, "cse-in", "/mn1", 16,
                 "{\"m2m:csr\":{\"cb\":\"/x/cse\",\"rr\":true,\"srv\":[\"3\"]}}"),
             4000);
}

/*= TS-0003 8.2.1 only certificates of nodes and devices have a list. Here both associations were there before the
 * first registration, so that neither knew whom it stands for. */
static void a_key_stands_for_one_ae(void **state)
{
  harness *h = *state;
  assert_rsc(REGISTER(key1, "Cone"), 2001);
  assert_string_equal(h->bound, "//sp.example.com/in-cse/Cone");
  assert_rsc(REGISTER(key1, "Ctwo"), 4106);
  assert_rsc(REGISTER(key1, "C"), 4117);
  assert_rsc(REGISTER(key1, "Cone"), 4117);
  assert_rsc(REGISTER(key2, "Cone"), 4117);
  assert_rsc(GET(key1, "cse-in/Cone", "Cone"), 4106); /* the old association learns nothing; a new one is settled */
}

/*= TS-0001 10.2.2.2 step 002 i */
static void who_comes_back_is_the_same(void **state)
{
  harness *h = *state;
  const who bound = {GH_PEER_AE,         GH_METHOD_PSK, "//sp.example.com/in-cse/Cone",
                     key1.credential_id, key1.key_id,   false};
  assert_rsc(REGISTER(key1, "Cone"), 2001);
  assert_rsc(LEAVE(bound, "Cone"), 2002);
  assert_rsc(REGISTER(key2, "Cone"), 4126); /* policies may name Cone still */
  assert_rsc(ask(h, NULL, GH_OP_CREATE, "cse-in", "Cone", 2, AE), 4128);
  harness_reopen(h);
  h->host->config.open_registration = true;
  assert_rsc(REGISTER(node, "Cone"), 4126);
  answer a = REGISTER(key1, "C"); /* asks for none, and gets its own */
  assert_rsc(a, 2001);
  assert_has(a, "\"aei\":\"Cone\"");
  assert_rsc(LEAVE(bound, "Cone"), 2002);
  assert_rsc(REGISTER(key1, "Cother"), 2001); /* it may choose another name, and keeps both */
  assert_rsc(REGISTER(key2, "Cone"), 4126);
  assert_rsc(REGISTER(proven, "C"), 2001); /* an identity that the credential itself proves is stronger */
}

/* The provider moves an AE-ID to another credential by a rule that names both. */
static void the_provider_gives_an_ae_id_to_another(void **state)
{
  harness *h = *state;
  const who bound = {GH_PEER_AE,         GH_METHOD_PSK, "//sp.example.com/in-cse/Cone",
                     key1.credential_id, key1.key_id,   false};
#define RULE(name, cred, ae)                                                                                         \
  "{\"m2m:asar\":{\"rn\":\"" name "\",\"apci\":[\"" cred "\"],\"aai\":[\"*\"],\"aae\":[\"" ae "\"]}}"
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", 19, RULE("any", "*", "C*")), 2001);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", 11, "{\"m2m:mssp\":{\"rn\":\"s\"}}"), 2001);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in/s", "Sadmin", 20,
                 "{\"m2m:svsn\":{\"rn\":\"n\",\"ni\":\"urn:x:1\",\"csi\":\"/in-cse\",\"rlk\":[\"cse-in/any\"]}}"),
             2001);
  assert_rsc(REGISTER(key1, "Cone"), 2001);
  assert_rsc(LEAVE(bound, "Cone"), 2002);
  assert_rsc(REGISTER(key2, "Cone"), 4126);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", 19, RULE("moved", "12-K2@maf.sp.example.com", "Cone")),
             2001);
  assert_rsc(ask(h, &admin, GH_OP_UPDATE, "cse-in/s/n", "Sadmin", 0, "{\"m2m:svsn\":{\"rlk\":[\"cse-in/moved\"]}}"),
             2004);
  assert_rsc(REGISTER(key2, "Cone"), 2001);
  assert_rsc(REGISTER(key1, "C"), 4126);
}

/*= TS-0003 8.2.1 a rule lists the AE-IDs of a node */
static void a_rule_lists_the_aes_of_a_node(void **state)
{
  harness *h = *state;
  h->host->config.open_registration = false;
  assert_rsc(REGISTER(node, "Cone"), 4128);
  assert_rsc(
      ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", 19,
          "{\"m2m:asar\":{\"rn\":\"r\",\"apci\":[\"34-urn.node.1\"],\"aai\":[\"*\"],\"aae\":[\"Cone\",\"Ctwo\"]}}"),
      2001);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", 11, "{\"m2m:mssp\":{\"rn\":\"s\"}}"), 2001);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in/s", "Sadmin", 20,
                 "{\"m2m:svsn\":{\"rn\":\"n\",\"ni\":\"urn:x:1\",\"csi\":\"/in-cse\",\"rlk\":[\"cse-in/r\"]}}"),
             2001);
  assert_rsc(REGISTER(node, "Cone"), 2001);
  assert_rsc(REGISTER(node, "Ctwo"), 2001);
  assert_rsc(REGISTER(node, "Cthree"), 4126);
  assert_rsc(REGISTER(other_node, "Cone"), 4126);
  assert_rsc(GET(node, "cse-in/Ctwo", "Ctwo"), 2000);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      WITH(a_node_stands_for_its_aes),      WITH(a_node_stands_for_a_cse),
      WITH(registrations_of_a_node),        WITH(a_key_stands_for_one_ae),
      WITH(who_comes_back_is_the_same),     WITH(the_provider_gives_an_ae_id_to_another),
      WITH(a_rule_lists_the_aes_of_a_node),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
