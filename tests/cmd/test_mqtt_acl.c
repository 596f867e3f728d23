/* The broker's files, line by line. TP-07. */
#include "../host/harness.h"

#include "cmd/mqtt_acl.h"

static const who admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};

static int setup(void **state)
{
  harness *h = calloc(1, sizeof *h);
  harness_prepare(h, &gh_cse_function);
  h->options.config.open_registration = true;
  harness_open(h);
  *state = h;
  return 0;
}

static int teardown(void **state)
{
  harness_stop(*state);
  free(*state);
  return 0;
}

static void give_key(harness *h, const char *id, const char *owner)
{
  char body[300];
  snprintf(body, sizeof body,
           "{\"gh:ask\":{\"syki\":\"%s\",\"enid\":\"%s\",\"kv\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"}}",
           id, owner);
  assert_rsc(ask(h, &admin, GH_OP_CREATE, "cse-in", "Sadmin", GH_TY_ASSOCIATION_KEY, body), 2001);
}

static void enrol_ae(harness *h, const who *peer)
{
  assert_rsc(
      ask(h, peer, GH_OP_CREATE, "cse-in", "C", 2, "{\"m2m:ae\":{\"api\":\"N.x\",\"rr\":false,\"srv\":[\"3\"]}}"),
      2001);
}

static void assert_acl(harness *h, const char *registrar, const char *prefix, const char *wanted)
{
  gh_mqtt_acl acl = {.host = h->host,
                     .user = GH_STR("in-cse.sp.example.com"),
                     .registrar = gh_str_of(registrar),
                     .prefix = gh_str_of(prefix)};
  gh_buf out = GH_BUF_INIT;
  gh_diag diag = {""};
  assert_int_equal(gh_mqtt_acl_write(&acl, &out, &diag), GH_OK);
  gh_str text = gh_str_sub(gh_buf_str(&out), gh_str_find(gh_buf_str(&out), '\n') + 1, SIZE_MAX);
  if (!gh_str_eq(text, gh_str_of(wanted))) fail_msg("%.*s", GH_STR_ARG(text));
  gh_buf_free(&out);
}

/*= TS-0010 7.4 */
static void a_cse_alone(void **state)
{
  assert_acl(*state, NULL, NULL,
             "\nuser in-cse.sp.example.com\n"
             "topic read /oneM2M/reg_req/+/in-cse/+\n"
             "topic read /oneM2M/req/+/in-cse/+\n"
             "topic write /oneM2M/reg_resp/+/in-cse/+\n");
}

/*= TS-0010 7.4; TS-0010 6.6 */
static void a_cse_with_a_registrar(void **state)
{
  assert_acl(*state, "//sp.example.com/top", "a/b",
             "\nuser in-cse.sp.example.com\n"
             "topic read a/b/oneM2M/reg_req/+/in-cse/+\n"
             "topic read a/b/oneM2M/req/+/in-cse/+\n"
             "topic read a/b/oneM2M/resp/in-cse/top/+\n"
             "topic write a/b/oneM2M/reg_resp/+/in-cse/+\n"
             "topic write a/b/oneM2M/req/in-cse/top/+\n"
             "topic write a/b/oneM2M/resp/top/in-cse/+\n");
}

/*= TS-0010 7.4 who is not registered may register; who is, may exchange with its registrar */
static void registered_and_not(void **state)
{
  harness *h = *state;
  const who meter = {GH_PEER_AE,
                     GH_METHOD_PSK,
                     "//sp.example.com/in-cse/Cmeter",
                     "12-meter@keys.example.com",
                     "meter@keys.example.com",
                     false};
  const who cert = {GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Scert", "33-//sp.example.com/Scert", "",
                    false};
  give_key(h, "pump@keys.example.com", "//sp.example.com/in-cse/Cpump");
  give_key(h, "meter@keys.example.com", "//sp.example.com/in-cse/Cmeter");
  give_key(h, "second@keys.example.com", "//sp.example.com/in-cse/Cmeter");
  give_key(h, "mn@keys.example.com", "//sp.example.com/mn1");
  enrol_ae(h, &meter);
  enrol_ae(h, &cert);
  assert_acl(h, NULL, NULL,
             "\nuser //sp.example.com/Scert\n"
             "topic read /oneM2M/req/in-cse/Scert/+\n"
             "topic read /oneM2M/resp/Scert/in-cse/+\n"
             "topic write /oneM2M/req/Scert/in-cse/+\n"
             "topic write /oneM2M/resp/in-cse/Scert/+\n"
             "\nuser in-cse.sp.example.com\n"
             "topic read /oneM2M/reg_req/+/in-cse/+\n"
             "topic read /oneM2M/req/+/in-cse/+\n"
             "topic read /oneM2M/resp/in-cse/Cmeter/+\n"
             "topic read /oneM2M/resp/in-cse/Scert/+\n"
             "topic write /oneM2M/reg_resp/+/in-cse/+\n"
             "topic write /oneM2M/req/in-cse/Cmeter/+\n"
             "topic write /oneM2M/req/in-cse/Scert/+\n"
             "topic write /oneM2M/resp/Cmeter/in-cse/+\n"
             "topic write /oneM2M/resp/Scert/in-cse/+\n"
             "topic write /oneM2M/resp/mn1/in-cse/+\n"
             "\nuser meter@keys.example.com\n"
             "topic read /oneM2M/req/in-cse/Cmeter/+\n"
             "topic read /oneM2M/resp/Cmeter/in-cse/+\n"
             "topic write /oneM2M/req/Cmeter/in-cse/+\n"
             "topic write /oneM2M/resp/in-cse/Cmeter/+\n"
             "\nuser mn@keys.example.com\n"
             "topic read /oneM2M/reg_req/+/mn1/+\n"
             "topic read /oneM2M/req/+/mn1/+\n"
             "topic read /oneM2M/resp/mn1/in-cse/+\n"
             "topic write /oneM2M/reg_resp/+/mn1/+\n"
             "topic write /oneM2M/req/mn1/in-cse/+\n"
             "topic write /oneM2M/resp/in-cse/mn1/+\n"
             "\nuser pump@keys.example.com\n"
             "topic read /oneM2M/reg_resp/12-pump@keys.example.com/+/+\n"
             "topic write /oneM2M/reg_req/12-pump@keys.example.com/+/+\n"
             "\nuser second@keys.example.com\n"
             "topic read /oneM2M/req/in-cse/Cmeter/+\n"
             "topic read /oneM2M/resp/Cmeter/in-cse/+\n"
             "topic write /oneM2M/req/Cmeter/in-cse/+\n"
             "topic write /oneM2M/resp/in-cse/Cmeter/+\n");
}

/*= TS-0010 7.4 a CSE that registered with its certificate is known by the name in it; one whose credential the broker
 * makes no user of has no rights */
static void a_registered_cse(void **state)
{
  harness *h = *state;
  static const char body[] = "{\"m2m:csr\":{\"cb\":\"/x/base\",\"rr\":true,\"srv\":[\"3\"]}}";
  const who mn1 = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/mn1", "32-//sp.example.com/mn1", "", false};
  const who mn2 = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/mn2", "34-urn:example:node2", "", false};
  const who mn3 = {GH_PEER_CSE,
                   GH_METHOD_CERTIFICATE,
                   "//sp.example.com/mn-with-a-name-that-no-common-name-can-hold",
                   "32-//sp.example.com/mn-with-a-name-that-no-common-name-can-hold",
                   "",
                   false};
  assert_rsc(ask(h, &mn1, GH_OP_CREATE, "cse-in", "/mn1", GH_TY_REMOTE_CSE, body), 2001);
  assert_rsc(ask(h, &mn2, GH_OP_CREATE, "cse-in", "/mn2", GH_TY_REMOTE_CSE, body), 2001);
  assert_rsc(
      ask(h, &mn3, GH_OP_CREATE, "cse-in", "/mn-with-a-name-that-no-common-name-can-hold", GH_TY_REMOTE_CSE, body),
      2001);
  assert_acl(h, NULL, NULL,
             "\nuser in-cse.sp.example.com\n"
             "topic read /oneM2M/reg_req/+/in-cse/+\n"
             "topic read /oneM2M/req/+/in-cse/+\n"
             "topic read /oneM2M/resp/in-cse/mn-with-a-name-that-no-common-name-can-hold/+\n"
             "topic read /oneM2M/resp/in-cse/mn1/+\n"
             "topic read /oneM2M/resp/in-cse/mn2/+\n"
             "topic write /oneM2M/reg_resp/+/in-cse/+\n"
             "topic write /oneM2M/req/in-cse/mn-with-a-name-that-no-common-name-can-hold/+\n"
             "topic write /oneM2M/req/in-cse/mn1/+\n"
             "topic write /oneM2M/req/in-cse/mn2/+\n"
             "topic write /oneM2M/resp/mn-with-a-name-that-no-common-name-can-hold/in-cse/+\n"
             "topic write /oneM2M/resp/mn1/in-cse/+\n"
             "topic write /oneM2M/resp/mn2/in-cse/+\n"
             "\nuser mn1.in-cse.sp.example.com\n"
             "topic read /oneM2M/reg_req/+/mn1/+\n"
             "topic read /oneM2M/req/+/mn1/+\n"
             "topic read /oneM2M/resp/mn1/in-cse/+\n"
             "topic write /oneM2M/reg_resp/+/mn1/+\n"
             "topic write /oneM2M/req/mn1/in-cse/+\n"
             "topic write /oneM2M/resp/in-cse/mn1/+\n");
}

/*= TS-0010 7.3 */
static void keys_of_the_broker(void **state)
{
  harness *h = *state;
  gh_buf out = GH_BUF_INIT;
  gh_diag diag = {""};
  size_t count = 0;
  give_key(h, "pump@keys.example.com", "//sp.example.com/in-cse/Cpump");
  give_key(h, "meter@keys.example.com", "//sp.example.com/in-cse/Cmeter");
  assert_int_equal(gh_mqtt_psk_write(h->host, &out, &count, &diag), GH_OK);
  assert_int_equal(count, 2);
#define KEY "3031323334353637383961626364656630313233343536373839616263646566"
  if (!gh_str_eq(gh_buf_str(&out), GH_STR("meter@keys.example.com:" KEY "\npump@keys.example.com:" KEY "\n")))
    fail_msg("%.*s", GH_STR_ARG(gh_buf_str(&out)));
  gh_buf_wipe_free(&out);
}

/* What the IN-CSEs of two providers prove to each other is no broker's business: whoever runs it could be either. */
static void the_key_of_another_provider(void **state)
{
  harness *h = *state;
  gh_buf out = GH_BUF_INIT;
  size_t count = 0;
  gh_diag diag = {""};
  give_key(h, "K2@in-cse.sp.example.com", "//sp2.example.net/in-cse");
  assert_int_equal(gh_mqtt_psk_write(h->host, &out, &count, &diag), GH_OK);
  assert_int_equal(count, 0);
  assert_int_equal(out.len, 0);
  gh_buf_wipe_free(&out);
  a_cse_alone(state);
}

static void registers_us(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  (void)ctx;
  (void)worker;
  call->err = GH_OK;
  call->response = (gh_response){.rsc = 2001};
  call->done(call);
}

static bool is_there(harness *h, const char *id)
{
  gh_node *node = gh_tree_by_id(h->host->tree, GH_VIEW_COMMITTED, gh_str_of(id));
  gh_node_unref(node);
  return node;
}

/*= TS-0001 6.5.4 nor does its registration here, or ours there, bring it to the broker */
static void the_registration_of_another_provider(void **state)
{
  harness *h = *state;
  static const gh_provider other = {.cse = {"//sp2.example.net/in-cse", 24},
                                    .fqdn = {"in-cse.sp2.example.net", 22},
                                    .certificate = true,
                                    .called = true,
                                    .registers = true,
                                    .may_register = true};
  const who peer = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp2.example.net/in-cse", "32-//sp2.example.net/in-cse", "",
                    false};
  h->options.config.providers = &other;
  h->options.config.provider_count = 1;
  h->options.outbound.send = registers_us;
  harness_reopen(h);
  assert_rsc(ask(h, &peer, GH_OP_CREATE, "cse-in", peer.id, GH_TY_REMOTE_CSE,
                 "{\"m2m:csr\":{\"cb\":\"//sp2.example.net/in-cse/base\",\"rr\":true,\"srv\":[\"3\"],\"poa\":["
                 "\"mqtts://192.0.2.1:8883\"]}}"),
             2001);
  gh_host_serving(h->host, GH_STR("https://127.0.0.1:1"));
  for (int left = 1000; !is_there(h, "preg-sp2.example.net_in-cse"); left--) {
    if (!left) fail_msg("it has not registered");
    usleep(10000);
  }
  a_cse_alone(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {TEST(a_cse_alone),
                                     TEST(a_cse_with_a_registrar),
                                     TEST(registered_and_not),
                                     TEST(a_registered_cse),
                                     TEST(keys_of_the_broker),
                                     TEST(the_key_of_another_provider),
                                     TEST(the_registration_of_another_provider)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
