/* One CSE host behind all bindings but MQTT on real sockets, with every credential there is: keys that the operator
 * gave to the CSE, keys that a MAF and a MEF hand out (a fake outbound port answers for them), and a realm's
 * certificates.
 */
#ifndef GH_TEST_ASSOCIATION_HALL_H
#define GH_TEST_ASSOCIATION_HALL_H

#include "coap_server_fixture.h"

#include "../link/dtls_peer.h"
#include "../link/link_pki.h"

#include "crypto/public_key_id.h"
#include "link/raw_public_key.h"
#include "m2m/m2m_time.h"

#define GOOD_KEY_BASE64 "ASNFZ4mrze8BI0VniavN7w=="
#define KEY_AE "00000000000000000000000000000001"
#define KEY_CSE "00000000000000000000000000000002"
#define KEY_NOBODY "00000000000000000000000000000003"

typedef struct hall {
  harness h;
  pki realm;
  holder cse, new_cse, new_ae, node, device, maf;
  holder node_cse, device_cse;        /* of a node and of a device that are mn1, as the operator has said */
  holder raw_ae, raw_cse, raw_nobody; /* keys without certificates, known where this OpenSSL has raw public keys */
  gh_http_server http;
  gh_ws_server ws; /* at the same port */
  gh_coap_server coap;
  gh_tls_server *http_tls, *coap_tls, *coap_dtls;
  gh_listener *http_listener, *coap_tcp;
  gh_dtls_listener *coap_udp;
  uint16_t http_port, coap_tcp_port, coap_udp_port;
  gh_key_source source;                                                                    /* the host's */
  void (*failed)(void *ctx, gh_str psk_identity, const char *address, const char *reason); /* NULL: the host's */
} hall;

/* The MAF and the MEF: whose key it is stands in the last digit of its name; 4 has expired, 5 is for another use, and
 * others they do not hand out. Answered inside the call. */
static inline void hall_issuer(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  static const char *const owners[] = {"//sp.example.com/in-cse/Cmeter", "//sp.example.com/mn1",
                                       "21-KM@mef.sp.example.com", "//sp.example.com/in-cse/Cmeter",
                                       "//sp.example.com/in-cse/Cmeter"};
  (void)worker;
  const hall *l = ctx;
  gh_str to = call->request.to;
  bool mef = gh_str_starts(call->entity, GH_STR("mef."));
  size_t digit = (size_t)(to.ptr[to.len - 1] - '1');
  call->err = GH_OK;
  call->response = (gh_response){.rsc = GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE};
  if (digit < 5) {
    int64_t life_us = (digit == 3 ? -1 : 3600) * GH_US_PER_S;
    gh_str until = gh_timestamp(&call->arena, gh_host_now_us(l->h.host) + life_us);
    gh_str text = gh_arena_fmt(
        &call->arena, "{\"sec:skr\":{\"suid\":%d,\"kv\":\"" GOOD_KEY_BASE64 "\",\"cr\":\"%s\",\"et\":\"%.*s\"}}",
        (mef ? 22 : 32) + (digit == 4), owners[digit], GH_STR_ARG(until));
    call->response.rsc = GH_RSC_OK;
    MUST(gh_json_parse(&call->arena, text, &gh_json_default_limits, &call->response.pc, NULL) == GH_OK);
  }
  call->done(call);
}

/* ---- what is there before the first association */

static const who hall_admin = {
    GH_PEER_AE, GH_METHOD_CERTIFICATE, "//sp.example.com/Sadmin", "33-//sp.example.com/Sadmin", "", false};
static const who hall_mn1 = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/mn1", "32-x", "", false};
static const who hall_mn2 = {GH_PEER_CSE, GH_METHOD_CERTIFICATE, "//sp.example.com/mn2", "32-y", "", false};

#define HALL_AE(name) "{\"m2m:ae\":{\"rn\":\"" name "\",\"api\":\"N.d\",\"rr\":false,\"srv\":[\"3\"]}}"
#define HALL_CSR(name) "{\"m2m:csr\":{\"rn\":\"" name "\",\"cb\":\"/" name "/cse\",\"rr\":true,\"srv\":[\"3\"]}}"
#define HALL_KPSA(id, owner)                                                                                         \
  "{\"gh:ask\":{\"syki\":\"" id "@sp.example.com\"" owner ",\"kv\":\"" GOOD_KEY_BASE64 "\"}}"

static inline void hall_furnish(harness *h)
{
  static const struct {
    const who *by;
    const char *to, *from;
    uint32_t ty;
    const char *content;
  } rows[] = {
      {&meter_ae, "cse-in", "Cmeter", GH_TY_AE, HALL_AE("meter")},
      {&other_ae, "cse-in", "Cother", GH_TY_AE, HALL_AE("other")},
      {&meter_ae, "cse-in/meter", "Cmeter", GH_TY_CONTAINER, "{\"m2m:cnt\":{\"rn\":\"box\",\"mni\":4}}"},
      {&hall_mn1, "cse-in", "/mn1", GH_TY_REMOTE_CSE, HALL_CSR("mn1")},
      {&hall_mn2, "cse-in", "/mn2", GH_TY_REMOTE_CSE, HALL_CSR("mn2")},
      {&hall_admin, "cse-in", "Sadmin", GH_TY_ASSOCIATION_KEY,
       HALL_KPSA(KEY_AE, ",\"enid\":\"//sp.example.com/in-cse/Cmeter\"")},
      {&hall_admin, "cse-in", "Sadmin", GH_TY_ASSOCIATION_KEY,
       HALL_KPSA(KEY_CSE, ",\"enid\":\"//sp.example.com/mn1\"")},
      {&hall_admin, "cse-in", "Sadmin", GH_TY_ASSOCIATION_KEY, HALL_KPSA(KEY_NOBODY, "")},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    assert_rsc(ask(h, rows[i].by, GH_OP_CREATE, rows[i].to, rows[i].from, rows[i].ty, rows[i].content), 2001);
}

static inline holder hall_raw_key(harness *h, const char *owner)
{
  char content[300];
  gh_arena arena;
  gh_public_key_id id;
  holder made = {.key = new_key()};
  if (!gh_raw_public_key_available()) return made;
  gh_arena_init(&arena);
  assert_int_equal(gh_public_key_id_of_key(made.key, GH_SHA_256, &id), GH_OK);
  snprintf(content, sizeof content, "{\"gh:ask\":{\"rpki\":\"%s\"%s}}", gh_public_key_id_uri(&arena, &id).ptr, owner);
  assert_rsc(ask(h, &hall_admin, GH_OP_CREATE, "cse-in", "Sadmin", GH_TY_ASSOCIATION_KEY, content), 2001);
  gh_arena_free(&arena);
  return made;
}

/* ---- begin and end */

static inline void hall_issue(hall *l)
{
  pki_make(&l->realm);
  l->cse = issued(GH_CERT_CSE_ID, "mn1.in-cse.sp.example.com", NULL, &l->realm.middle);
  l->new_cse = issued(GH_CERT_CSE_ID, "mn7.in-cse.sp.example.com", NULL, &l->realm.middle);
  l->new_ae = issued(GH_CERT_AE_ID, "//sp.example.com/in-cse/Cfresh", NULL, &l->realm.middle);
  l->maf = issued(GH_CERT_FQDN, "maf.sp.example.com", NULL, &l->realm.middle);
  l->node = issued(GH_CERT_NODE_ID, "urn:gsma:imei:90420156-025763-0", NULL, &l->realm.root);
  l->node_cse = issued(GH_CERT_NODE_ID, "urn:gsma:imei:90420156-025763-1", NULL, &l->realm.root);
  l->device_cse = issued(GH_CERT_DEVICE, "0.2.481.1.100.3030.10012", NULL, &l->realm.root);
  l->device = issued(GH_CERT_DEVICE, "0.2.481.1.100.3030.10011", NULL, &l->realm.root);
}

static inline gh_tls_server *hall_tls(hall *l, const char *alpn, bool datagram)
{
  gh_random random = gh_random_system();
  gh_diag diag = {""};
  gh_tls_server *server = NULL;
  gh_tls_options options = {.tls13 = true,
                            .require_ems = true,
                            .alpn = alpn,
                            .datagram = datagram,
                            .chain_pem = gh_buf_str(&l->realm.server_chain_pem),
                            .key_pem = gh_buf_str(&l->realm.server_key_pem),
                            .anchors_pem = gh_buf_str(&l->realm.root_pem)};
  if (gh_tls_server_new(&options, &l->source, &random, &server, &diag) != GH_OK) fail_msg("%s", diag.text);
  return server;
}

static inline void hall_listen(hall *l)
{
  gh_random random = gh_random_system();
  gh_diag diag = {""};
  l->source = l->h.host->key_source;
  if (l->failed) l->source.handshake_failed = l->failed;
  l->http = (gh_http_server){.host = l->h.host, .limits = gh_http_default_limits};
  l->ws = (gh_ws_server){.host = l->h.host, .max_message_bytes = 256 * 1024};
  l->http.websocket = &l->ws;
  l->coap = (gh_coap_server){.host = l->h.host, .max_body_bytes = 256 * 1024};
  l->http_tls = hall_tls(l, GH_HTTP_ALPN, false);
  l->coap_tls = hall_tls(l, "coap", false);
  l->coap_dtls = hall_tls(l, NULL, true);
  gh_listener_options http = {.host = "127.0.0.1", .tls = l->http_tls};
  gh_listener_options tcp = {.host = "127.0.0.1", .tls = l->coap_tls};
  gh_listener_options udp = {.host = "127.0.0.1", .tls = l->coap_dtls};
  gh_http_server_listen_options(&l->http, &http);
  gh_coap_tcp_listen_options(&l->coap, &tcp);
  gh_coap_udp_listen_options(&l->coap, &udp);
  if (gh_listener_open(&http, l->h.workers, 1, &l->http_port, &l->http_listener, &diag) != GH_OK ||
      gh_listener_open(&tcp, l->h.workers, 1, &l->coap_tcp_port, &l->coap_tcp, &diag) != GH_OK ||
      gh_dtls_listener_open(&udp, l->h.workers, 1, &random, &l->coap_udp_port, &l->coap_udp, &diag) != GH_OK)
    fail_msg("%s", diag.text);
}

static gh_str hall_node_cses[] = {GH_STR("34-urn:gsma:imei:90420156-025763-1 //sp.example.com/mn1"),
                                  GH_STR("31-0.2.481.1.100.3030.10012 //sp.example.com/mn1")};

static inline void hall_open(hall *l)
{
  signal(SIGPIPE, SIG_IGN);
  harness_prepare(&l->h, &gh_cse_function);
  l->h.options.outbound = (gh_outbound){l, hall_issuer};
  l->h.options.config.recheck_us = 3600 * GH_US_PER_S;
  l->h.options.config.open_registration = true;
  l->h.options.config.node_cses = hall_node_cses;
  l->h.options.config.node_cse_count = 2;
  harness_open(&l->h);
  hall_issue(l);
  hall_furnish(&l->h);
  l->raw_ae = hall_raw_key(&l->h, ",\"enid\":\"//sp.example.com/in-cse/Cmeter\"");
  l->raw_cse = hall_raw_key(&l->h, ",\"enid\":\"//sp.example.com/mn1\"");
  l->raw_nobody = hall_raw_key(&l->h, "");
  hall_listen(l);
}

static inline void hall_close(hall *l)
{
  gh_listener_close(l->http_listener);
  gh_listener_close(l->coap_tcp);
  gh_dtls_listener_close(l->coap_udp);
  harness_stop(&l->h);
  gh_listener_free(l->http_listener);
  gh_listener_free(l->coap_tcp);
  gh_dtls_listener_free(l->coap_udp);
  gh_tls_server_free(l->http_tls);
  gh_tls_server_free(l->coap_tls);
  gh_tls_server_free(l->coap_dtls);
  holder_free(&l->cse);
  holder_free(&l->new_cse);
  holder_free(&l->new_ae);
  holder_free(&l->maf);
  holder_free(&l->node_cse);
  holder_free(&l->device_cse);
  holder_free(&l->node);
  holder_free(&l->device);
  holder_free(&l->raw_ae);
  holder_free(&l->raw_cse);
  holder_free(&l->raw_nobody);
  pki_free(&l->realm);
}

#endif
