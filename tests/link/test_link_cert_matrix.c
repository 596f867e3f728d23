/* Every flavour of certificate, under TLS 1.2 and 1.3, let in and refused; the refusal's alert and the reason that
 * stands in the audit trail. */
#include "client_side.h"
#include "link_pki.h"
#include "tls_peer.h"

#define CA_BASIC "critical,CA:TRUE"
#define CA_USAGE "critical,digitalSignature,keyCertSign"
#define SIGNS "critical,digitalSignature"
#define SP_NAMES "critical,permitted;DNS:sp.example.com,permitted;URI:sp.example.com"
#define SUITES "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256"

static pki p;
static holder foreign_root;

static int make_pki(void **state)
{
  (void)state;
  pki_make(&p);
  foreign_root = issued(GH_CERT_CA, "Other Root", NULL, NULL);
  return 0;
}

static int free_pki(void **state)
{
  (void)state;
  pki_free(&p);
  holder_free(&foreign_root);
  return 0;
}

/* ---- the server, with an ear for the audit trail */

static char audited[320];
static pthread_mutex_t audit_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_failed(void *ctx, gh_str psk_identity, const char *address, const char *reason)
{
  (void)ctx;
  (void)psk_identity;
  assert_string_not_equal(address, "");
  pthread_mutex_lock(&audit_lock);
  snprintf(audited, sizeof audited, "%s", reason);
  pthread_mutex_unlock(&audit_lock);
}

static gh_err name_by_flavour(void *ctx, gh_cert_flavour flavour, gh_str name, int64_t not_after_us, gh_peer *peer)
{
  (void)ctx;
  gh_peer found = {.kind = GH_PEER_CREDENTIAL, .id = name, .not_after_us = not_after_us};
  if (flavour == GH_CERT_AE_ID) found.kind = GH_PEER_AE;
  if (flavour == GH_CERT_CSE_ID || flavour == GH_CERT_FQDN)
    found.kind = gh_str_starts(name, GH_STR("maf.")) ? GH_PEER_FUNCTION : GH_PEER_CSE;
  if (gh_str_eq(name, GH_STR("0.2.481.1.100.666"))) return GH_EAUTH;
  gh_peer_copy(peer, &found);
  return GH_OK;
}

static int setup(void **state)
{
  link_test *t = link_new(NULL, 0);
  t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  t->name_peer = name_by_flavour;
  t->source.handshake_failed = on_failed;
  link_open(t);
  *state = t;
  return 0;
}

static int teardown(void **state)
{
  link_end(*state);
  return 0;
}

/* ---- the matrix */

typedef enum device_or_text { TEXT, DEVICE } device_or_text;

typedef struct flavour_row {
  const char *what;
  const char *constraints; /* of the intermediate; NULL: none, or for a device its subtree */
  device_or_text form;
  const char *name, *outside; /* a name within the constraints, and one that is not; NULL: none can be */
  const char *identity;
} flavour_row;

static const flavour_row flavours[] = {
    {"CSE-ID", SP_NAMES, TEXT, "DNS:mn-cse1.in-cse.sp.example.com", "DNS:mn-cse1.in-cse.sp.example.org",
     "CSE mn-cse1.in-cse.sp.example.com"},
    {"AE-ID", SP_NAMES, TEXT, "URI:m2m://sp.example.com/in-cse/Cmeter", "URI:m2m://sp.example.org/in-cse/Cmeter",
     "AE //sp.example.com/in-cse/Cmeter"},
    {"AE-ID of type S", SP_NAMES, TEXT, "URI:m2m://sp.example.com/S98821", "URI:m2m://x.sp.example.com/S98821",
     "AE //sp.example.com/S98821"},
    {"Node-ID", NULL, TEXT, "URI:urn:gsma:imei:90420156-025763-0", NULL,
     "credential urn:gsma:imei:90420156-025763-0"},
    {"Node-ID below DNS constraints", "critical,permitted;DNS:sp.example.com", TEXT,
     "URI:urn:gsma:imei:90420156-025763-0", NULL, "credential urn:gsma:imei:90420156-025763-0"},
    {"device", NULL, DEVICE, "100.3030.10011", "101.3030.10011", "credential 0.2.481.1.100.3030.10011"},
    {"FQDN", SP_NAMES, TEXT, "DNS:maf.sp.example.com", "DNS:maf.example.com", "function maf.sp.example.com"},
};

typedef struct made {
  holder middle, leaf;
} made;

static made make(const flavour_row *row, const holder *root, const char *name, const char *ext_usage)
{
  made m = {.middle.key = new_key(), .leaf.key = new_key()};
  odd_cert middle = {.key = m.middle.key,
                     .issuer = root->cert,
                     .signer = root->key,
                     .basic = CA_BASIC,
                     .usage = CA_USAGE,
                     .constraints = row->constraints};
  odd_cert leaf = {.key = m.leaf.key, .signer = m.middle.key, .usage = SIGNS, .ext_usage = ext_usage};
  if (row->form == DEVICE) {
    middle.raw_constraints = constrain(NULL, false, device_name_of("0.2.481.1", "100"));
    middle.constraints_critical = true;
    leaf.raw_name = device_name_of("0.2.481.1", name);
  } else {
    leaf.names = name;
  }
  m.middle.cert = odd_make(&middle);
  leaf.issuer = m.middle.cert;
  m.leaf.cert = odd_make(&leaf);
  return m;
}

static void unmake(made *m)
{
  holder_free(&m->middle);
  holder_free(&m->leaf);
}

static tls_peer_options with(const made *m, bool send_chain, int version)
{
  return (tls_peer_options){.suites = SUITES,
                            .min_version = version,
                            .max_version = version,
                            .groups = "P-256",
                            .cert = m->leaf.cert,
                            .key = m->leaf.key,
                            .issuer = send_chain ? m->middle.cert : NULL};
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/*= TS-0003 8.1.2.1; 8.2.2.2; 10.1.3 */
static void every_flavour_is_let_in(void **state)
{
  for (size_t i = 0; i < sizeof flavours / sizeof *flavours; i++)
    for (size_t v = 0; v < 2; v++) {
      made m = make(&flavours[i], &p.root, flavours[i].name, v ? "clientAuth" : NULL);
      tls_peer_options options = with(&m, true, versions[v]);
      tls_peer peer;
      if (!peer_connect(&peer, ((link_test *)*state)->port, &options))
        fail_msg("%s: alert %d, %s", flavours[i].what, peer.alert, audited);
      assert_true(peer_ask(&peer, ASK_LAST));
      if (!strstr(peer.answer, flavours[i].identity)) fail_msg("%s: %s", flavours[i].what, peer.answer);
      assert_non_null(strstr(peer.answer, v ? "TLSv1.3" : "TLSv1.2"));
      peer_end(&peer);
      unmake(&m);
    }
}

static void refused(link_test *t, const char *what, const tls_peer_options *options, int alert, const char *reason)
{
  tls_peer peer;
  int ready = counts_now(t).ready, closed = counts_now(t).closed;
  pthread_mutex_lock(&audit_lock);
  audited[0] = '\0';
  pthread_mutex_unlock(&audit_lock);
  if (peer_connect(&peer, t->port, options) && peer_ask(&peer, ASK)) fail_msg("%s is served: %s", what, peer.answer);
  int got = peer.alert;
  peer_end(&peer);
  wait_closed(t, closed + 1);
  if (counts_now(t).ready != ready) fail_msg("%s was let in", what);
  if (alert != NO_ALERT && got != alert) fail_msg("%s: alert %d, not %d", what, got, alert);
  pthread_mutex_lock(&audit_lock);
  bool fits = strstr(audited, reason) != NULL;
  pthread_mutex_unlock(&audit_lock);
  if (!fits) fail_msg("%s: audited is \"%s\", not \"%s\"", what, audited, reason);
}

/*= TS-0003 8.1.2.2; whatever the flavour, a path that does not stand is a refusal with its reason */
static void every_flavour_is_refused(void **state)
{
  link_test *t = *state;
  for (size_t i = 0; i < sizeof flavours / sizeof *flavours; i++)
    for (size_t v = 0; v < 2; v++) {
      const flavour_row *row = &flavours[i];
      made m = make(row, &p.root, row->name, NULL);
      tls_peer_options options = with(&m, false, versions[v]);
      refused(t, row->what, &options, SSL_AD_UNKNOWN_CA, "unable to get local issuer");
      unmake(&m);
      m = make(row, &foreign_root, row->name, NULL);
      options = with(&m, true, versions[v]);
      refused(t, row->what, &options, SSL_AD_UNKNOWN_CA, "unable to get local issuer");
      unmake(&m);
      m = make(row, &p.root, row->name, "serverAuth");
      options = with(&m, true, versions[v]);
      refused(t, row->what, &options, SSL_AD_UNSUPPORTED_CERTIFICATE, "unsuitable certificate purpose");
      unmake(&m);
      if (!row->outside) continue;
      m = make(row, &p.root, row->outside, NULL);
      options = with(&m, true, versions[v]);
      refused(t, row->what, &options, NO_ALERT, row->form == DEVICE ? "outside the permitted" : "permitted subtree");
      unmake(&m);
    }
}

/* The profile of the intermediate, not the leaf's alone. */
static void a_chain_outside_the_profile(void **state)
{
  for (size_t v = 0; v < 2; v++) {
    made m = {.middle.key = new_key(), .leaf.key = new_key()};
    m.middle.cert = odd_make(&(odd_cert){.key = m.middle.key,
                                         .issuer = p.root.cert,
                                         .signer = p.root.key,
                                         .basic = CA_BASIC,
                                         .usage = "critical,keyCertSign"});
    m.leaf.cert = odd_make(&(odd_cert){.key = m.leaf.key,
                                       .issuer = m.middle.cert,
                                       .signer = m.middle.key,
                                       .usage = SIGNS,
                                       .names = "DNS:in-cse.sp.example.com"});
    tls_peer_options options = with(&m, true, versions[v]);
    refused(*state, "an intermediate without digitalSignature", &options, SSL_AD_UNSUPPORTED_CERTIFICATE,
            "keyUsage is absent or lacks what its role needs (depth 1)");
    unmake(&m);
  }
}

/* The path stands, but nobody is known by the name: that is audited too. */
static void a_good_path_of_a_stranger(void **state)
{
  for (size_t v = 0; v < 2; v++) {
    made m = make(&flavours[5], &p.root, "100.666", NULL);
    tls_peer_options options = with(&m, true, versions[v]);
    refused(*state, "a stranger", &options, NO_ALERT, "stands for nobody known here");
    unmake(&m);
  }
}

/* ---- anchors that vouch for one flavour alone */

static const struct {
  gh_cert_flavour flavour; /* of `flavours`, by row */
  const char *refusal;
} in_lists[] = {
    {GH_CERT_CSE_ID, "does not vouch for CSE-ID or FQDN"}, {GH_CERT_AE_ID, "does not vouch for AE-ID"},
    {GH_CERT_AE_ID, "does not vouch for AE-ID"},           {GH_CERT_NODE_ID, "does not vouch for Node-ID"},
    {GH_CERT_NODE_ID, "does not vouch for Node-ID"},       {GH_CERT_DEVICE, "does not vouch for device"},
    {GH_CERT_CSE_ID, "does not vouch for CSE-ID or FQDN"}};

/* The other root is an anchor for these flavours only. */
static void trust_foreign(gh_tls_options *tls, gh_buf *pem, unsigned in)
{
  if (!pem->len) assert_int_equal(gh_cert_to_pem(foreign_root.cert, pem), GH_OK);
  for (unsigned i = 0; i < GH_CERT_FLAVOURS; i++) tls->anchors_for[i] = in & 1u << i ? gh_buf_str(pem) : GH_STR_NONE;
}

static void let_in(link_test *t, const char *what, const tls_peer_options *options)
{
  tls_peer peer;
  int closed = counts_now(t).closed;
  if (!peer_connect(&peer, t->port, options) || !peer_ask(&peer, ASK_LAST))
    fail_msg("%s: alert %d, %s", what, peer.alert, audited);
  peer_end(&peer);
  wait_closed(t, closed + 1);
}

/*= TS-0003 8.1.2.4; the flavour of the client's certificate that was configured with the anchor */
static void an_anchor_for_one_flavour(void **state)
{
  static const gh_cert_flavour lists[] = {GH_CERT_DEVICE, GH_CERT_NODE_ID, GH_CERT_AE_ID, GH_CERT_CSE_ID};
  link_test *t = *state;
  gh_buf pem = GH_BUF_INIT;
  gh_diag diag;
  for (size_t list = 0; list < 4; list++) {
    trust_foreign(&t->tls, &pem, 1u << lists[list]);
    assert_int_equal(gh_tls_server_renew(t->server, &t->tls, &diag), GH_OK);
    for (size_t i = 0; i < sizeof flavours / sizeof *flavours; i++) {
      made m = make(&flavours[i], &foreign_root, flavours[i].name, NULL),
           ours = make(&flavours[i], &p.root, flavours[i].name, NULL);
      for (size_t v = 0; v < 2; v++) {
        tls_peer_options options = with(&m, true, versions[v]);
        if (in_lists[i].flavour == lists[list])
          let_in(t, flavours[i].what, &options);
        else
          refused(t, flavours[i].what, &options, SSL_AD_BAD_CERTIFICATE, in_lists[i].refusal);
        options = with(&ours, true, versions[v]); /* whom the general anchors vouch for comes in as before */
        let_in(t, flavours[i].what, &options);
      }
      unmake(&m);
      unmake(&ours);
    }
  }
  gh_buf_free(&pem);
}

/* In two lists it vouches for both; in the general one as well, for all. */
static void an_anchor_in_several_lists(void **state)
{
  link_test *t = *state;
  gh_buf pem = GH_BUF_INIT, both = GH_BUF_INIT;
  gh_diag diag;
  made device = make(&flavours[5], &foreign_root, flavours[5].name, NULL),
       ae = make(&flavours[1], &foreign_root, flavours[1].name, NULL),
       node = make(&flavours[3], &foreign_root, flavours[3].name, NULL);
  tls_peer_options as_device = with(&device, true, TLS1_3_VERSION), as_ae = with(&ae, true, TLS1_3_VERSION),
                   as_node = with(&node, true, TLS1_3_VERSION);
  trust_foreign(&t->tls, &pem, 1u << GH_CERT_DEVICE | 1u << GH_CERT_NODE_ID);
  assert_int_equal(gh_tls_server_renew(t->server, &t->tls, &diag), GH_OK);
  let_in(t, "device", &as_device);
  let_in(t, "node", &as_node);
  refused(t, "AE", &as_ae, SSL_AD_BAD_CERTIFICATE, "does not vouch for AE-ID");
  gh_buf_add(&both, gh_buf_str(&p.root_pem));
  gh_buf_add(&both, gh_buf_str(&pem));
  t->tls.anchors_pem = gh_buf_str(&both);
  assert_int_equal(gh_tls_server_renew(t->server, &t->tls, &diag), GH_OK);
  let_in(t, "AE", &as_ae);
  t->tls.anchors_for[GH_CERT_DEVICE] = GH_STR("no certificate");
  assert_int_equal(gh_tls_server_renew(t->server, &t->tls, &diag), GH_ESYNTAX); /* and everything stays */
  let_in(t, "AE", &as_ae);
  gh_buf_free(&pem);
  gh_buf_free(&both);
  unmake(&device);
  unmake(&ae);
  unmake(&node);
}

/* The other root, once more: the same name and key, for other days, perhaps with constraints. */
static void renewed_root(gh_buf *pem, long end_s, const char *constraints)
{
  X509 *cert = X509_dup(foreign_root.cert);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 4711 + end_s);
  X509_gmtime_adj(X509_getm_notBefore(cert), -2 * 86400L);
  X509_gmtime_adj(X509_getm_notAfter(cert), end_s);
  odd_ext(cert, cert, NID_name_constraints, constraints);
  assert_true(X509_sign(cert, foreign_root.key, EVP_sha256()) > 0);
  assert_int_equal(gh_cert_to_pem(cert, pem), GH_OK);
  X509_free(cert);
}

/* The same CA, certified by the other root, too. */
static X509 *cross_signed(const holder *middle)
{
  X509 *cert = X509_dup(middle->cert);
  int at = X509_get_ext_by_NID(cert, NID_authority_key_identifier, -1);
  if (at >= 0) X509_EXTENSION_free(X509_delete_ext(cert, at));
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 4712);
  assert_int_equal(X509_set_issuer_name(cert, X509_get_subject_name(foreign_root.cert)), 1);
  assert_true(X509_sign(cert, foreign_root.key, EVP_sha256()) > 0);
  return cert;
}

/*= TS-0003 8.1.2.4 a path to an anchor that vouches for the flavour is found, whatever else was sent: a CA may have
 * been certified by two roots, of which one is for other flavours */
static void a_cross_signed_authority(void **state)
{
  link_test *t = *state;
  gh_buf pem = GH_BUF_INIT;
  gh_diag diag;
  made ae = make(&flavours[1], &p.root, flavours[1].name, NULL),
       device = make(&flavours[5], &p.root, flavours[5].name, NULL);
  X509 *ae_cross = cross_signed(&ae.middle), *device_cross = cross_signed(&device.middle);
  trust_foreign(&t->tls, &pem, 1u << GH_CERT_DEVICE);
  assert_int_equal(gh_tls_server_renew(t->server, &t->tls, &diag), GH_OK);
  for (size_t v = 0; v < 2; v++) {
    tls_peer_options as_ae = with(&ae, true, versions[v]), as_device = with(&device, true, versions[v]);
    as_ae.further = ae_cross;
    let_in(t, "AE, the good one first", &as_ae);
    as_ae.issuer = ae_cross;
    as_ae.further = ae.middle.cert;
    let_in(t, "AE, the other one first", &as_ae);
    as_ae.further = NULL;
    refused(t, "AE, the other one alone", &as_ae, SSL_AD_BAD_CERTIFICATE, "does not vouch for AE-ID");
    as_ae.issuer = NULL;
    refused(t, "AE, nothing", &as_ae, SSL_AD_UNKNOWN_CA, "unable to get local issuer");
    as_device.issuer = device_cross;
    let_in(t, "device", &as_device);
    as_device.further = device.middle.cert;
    let_in(t, "device, both", &as_device);
  }
  X509_free(ae_cross);
  X509_free(device_cross);
  gh_buf_free(&pem);
  unmake(&ae);
  unmake(&device);
}

/* A CA renews its certificate, and the operator has the new one in one list and the old one in another: the key
 * vouches for both flavours, whichever of the two OpenSSL takes. It vouches for no third one, not by a certificate
 * that has ended, and not by one that is bound to other names. */
static void a_renewed_anchor(void **state)
{
  link_test *t = *state;
  gh_buf first = GH_BUF_INIT, later = GH_BUF_INIT, over = GH_BUF_INIT, bound = GH_BUF_INIT;
  gh_diag diag;
  made device = make(&flavours[5], &foreign_root, flavours[5].name, NULL),
       ae = make(&flavours[1], &foreign_root, flavours[1].name, NULL),
       node = make(&flavours[3], &foreign_root, flavours[3].name, NULL);
  tls_peer_options as_device = with(&device, true, TLS1_3_VERSION), as_ae = with(&ae, true, TLS1_3_VERSION),
                   as_node = with(&node, true, TLS1_3_VERSION);
  renewed_root(&first, 10 * 86400L, NULL);
  renewed_root(&later, 20 * 86400L, NULL);
  renewed_root(&over, -3600, NULL);
  renewed_root(&bound, 5 * 86400L, "critical,permitted;URI:sp.example.org");
  const gh_str pairs[][2] = {{gh_buf_str(&first), gh_buf_str(&later)}, {gh_buf_str(&later), gh_buf_str(&first)}};
  for (size_t i = 0; i < 2; i++) {
    t->tls.anchors_for[GH_CERT_AE_ID] = pairs[i][0];
    t->tls.anchors_for[GH_CERT_DEVICE] = pairs[i][1];
    assert_int_equal(gh_tls_server_renew(t->server, &t->tls, &diag), GH_OK);
    let_in(t, "AE", &as_ae);
    let_in(t, "device", &as_device);
    refused(t, "node", &as_node, SSL_AD_BAD_CERTIFICATE, "does not vouch for Node-ID");
  }
  const struct {
    const gh_buf *pem;
    int alert;
    const char *why;
  } none[] = {{&over, SSL_AD_CERTIFICATE_EXPIRED, "expired"},
              {&bound, SSL_AD_CERTIFICATE_UNKNOWN, "permitted subtree violation"}};
  for (size_t i = 0; i < 2; i++) {
    t->tls.anchors_for[GH_CERT_AE_ID] = gh_buf_str(none[i].pem);
    assert_int_equal(gh_tls_server_renew(t->server, &t->tls, &diag), GH_OK);
    refused(t, "AE", &as_ae, none[i].alert, none[i].why);
    let_in(t, "device", &as_device);
  }
  gh_buf_free(&first);
  gh_buf_free(&later);
  gh_buf_free(&over);
  gh_buf_free(&bound);
  unmake(&device);
  unmake(&ae);
  unmake(&node);
}

/* ---- the other direction: the FQDN of a server */

static const struct {
  const char *what, *name, *ext_usage;
  const char *refusal; /* NULL: taken */
} servers[] = {
    {"as it should be", "DNS:in-cse.sp.example.com", NULL, NULL},
    {"for servers", "DNS:in-cse.sp.example.com", "serverAuth", NULL},
    {"for clients", "DNS:in-cse.sp.example.com", "clientAuth", "unsuitable certificate purpose"},
    {"of another", "DNS:mef.sp.example.com", NULL, "hostname mismatch"},
    {"with an AE-ID", "URI:m2m://sp.example.com/in-cse/Cmeter", NULL, "hostname mismatch"},
};

/*= TS-0003 8.1.2.5; the FQDN that the client was configured with */
static void certificates_of_servers(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
    for (size_t v = 0; v < 2; v++) {
      gh_buf chain = GH_BUF_INIT, key = GH_BUF_INIT, own = GH_BUF_INIT, own_key = GH_BUF_INIT;
      made m = make(&flavours[0], &p.root, servers[i].name, servers[i].ext_usage);
      pem_of(&m.leaf, &chain, &key);
      pem_of(&m.middle, &chain, NULL);
      pem_of(&p.meter, &own, &own_key);
      gh_buf_add(&own, gh_buf_str(&p.middle_pem));
      link_test *t = link_new(NULL, 0);
      t->tls.chain_pem = gh_buf_str(&chain);
      t->tls.key_pem = gh_buf_str(&key);
      t->tls.anchors_pem = gh_buf_str(&p.root_pem);
      link_open(t);
      gh_tls_client_options options = {.tls = {.chain_pem = gh_buf_str(&own),
                                               .key_pem = gh_buf_str(&own_key),
                                               .anchors_pem = gh_buf_str(&p.root_pem),
                                               .tls13 = versions[v] == TLS1_3_VERSION,
                                               .require_ems = true},
                                       .server_name = GH_STR(CSE_FQDN)};
      client_side c;
      client_begin(&c, t, &options);
      client_connect(&c, 1);
      const char *refusal = servers[i].refusal;
      wait_count(t, refusal ? &c.closed : &c.ready, 1);
      pthread_mutex_lock(&t->lock);
      if ((c.ready == 1) != !refusal) fail_msg("a server's certificate %s", servers[i].what);
      if (refusal && !strstr(c.last_refusal, refusal)) fail_msg("%s: %s", servers[i].what, c.last_refusal);
      pthread_mutex_unlock(&t->lock);
      client_end(&c);
      link_end(t);
      unmake(&m);
      gh_buf_free(&chain);
      gh_buf_wipe_free(&key);
      gh_buf_free(&own);
      gh_buf_wipe_free(&own_key);
    }
}

/* Connects once to a server with that certificate. */
static bool our_client_takes(const made *m, const gh_tls_client_options *wanted, bool tls13)
{
  gh_buf chain = GH_BUF_INIT, key = GH_BUF_INIT, own = GH_BUF_INIT, own_key = GH_BUF_INIT;
  pem_of(&m->leaf, &chain, &key);
  pem_of(&m->middle, &chain, NULL);
  pem_of(&p.meter, &own, &own_key);
  gh_buf_add(&own, gh_buf_str(&p.middle_pem));
  link_test *t = link_new(NULL, 0);
  t->tls.chain_pem = gh_buf_str(&chain);
  t->tls.key_pem = gh_buf_str(&key);
  t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  link_open(t);
  gh_tls_client_options options = *wanted;
  options.tls = (gh_tls_options){.chain_pem = gh_buf_str(&own),
                                 .key_pem = gh_buf_str(&own_key),
                                 .anchors_pem = gh_buf_str(&p.root_pem),
                                 .tls13 = tls13,
                                 .require_ems = true};
  memcpy(options.tls.anchors_for, wanted->tls.anchors_for, sizeof options.tls.anchors_for);
  client_side c;
  client_begin(&c, t, &options);
  client_connect(&c, 1);
  pthread_mutex_lock(&t->lock);
  while (!c.ready && !c.closed) pthread_cond_wait(&t->changed, &t->lock);
  bool ready = c.ready;
  pthread_mutex_unlock(&t->lock);
  client_end(&c);
  link_end(t);
  gh_buf_free(&chain);
  gh_buf_wipe_free(&key);
  gh_buf_free(&own);
  gh_buf_wipe_free(&own_key);
  return ready;
}

static const struct {
  int flavour; /* row of `flavours` */
  gh_tls_client_options wanted;
  bool taken;
} wishes[] = {
    {0, {.server_name = {"mn-cse1.in-cse.sp.example.com", 29}}, true},
    {0, {.server_name = {"mn-cse2.in-cse.sp.example.com", 29}}, false},
    {1, {.peer_flavour = GH_CERT_AE_ID, .peer_name = {"//sp.example.com/in-cse/Cmeter", 30}}, true},
    {1, {.peer_flavour = GH_CERT_AE_ID, .peer_name = {"//SP.example.com/in-cse/Cmeter", 30}}, true},
    {1, {.peer_flavour = GH_CERT_AE_ID, .peer_name = {"//sp.example.com/in-cse/cmeter", 30}}, false},
    {1, {.server_name = {"sp.example.com", 14}}, false},
    {3, {.peer_flavour = GH_CERT_NODE_ID, .peer_name = {"urn:gsma:imei:90420156-025763-0", 31}}, true},
    {3, {.peer_flavour = GH_CERT_NODE_ID, .peer_name = {"urn:gsma:imei:90420156-025763-1", 31}}, false},
    {3, {.peer_flavour = GH_CERT_AE_ID, .peer_name = {"urn:gsma:imei:90420156-025763-0", 31}}, false},
    {5, {.peer_flavour = GH_CERT_DEVICE, .peer_name = {"0.2.481.1.100.3030.10011", 24}}, true},
    {5, {.peer_flavour = GH_CERT_DEVICE, .peer_name = {"0.2.481.1.100.3030.1001", 23}}, false},
    {5, {.peer_flavour = GH_CERT_NODE_ID, .peer_name = {"0.2.481.1.100.3030.10011", 24}}, false},
    {6, {.server_name = {"maf.sp.example.com", 18}}, true},
};

/*= TS-0003 8.1.2.4; 8.1.2.5; the flavour and the globally unique identifier that were configured for the server */
static void servers_of_every_flavour(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++)
    for (int tls13 = 0; tls13 < 2; tls13++) {
      const flavour_row *row = &flavours[wishes[i].flavour];
      made m = make(row, &p.root, row->name, NULL);
      if (our_client_takes(&m, &wishes[i].wanted, tls13) != wishes[i].taken) fail_msg("row %zu", i);
      unmake(&m);
    }
}

/*= TS-0003 8.1.2.4; an anchor for devices is none for servers that bear a domain name */
static void servers_below_an_anchor_for_one_flavour(void **state)
{
  (void)state;
  gh_buf pem = GH_BUF_INIT;
  made m = make(&flavours[0], &foreign_root, flavours[0].name, NULL);
  for (int tls13 = 0; tls13 < 2; tls13++) {
    gh_tls_client_options wanted = {.server_name = GH_STR("mn-cse1.in-cse.sp.example.com")};
    assert_false(our_client_takes(&m, &wanted, tls13));
    trust_foreign(&wanted.tls, &pem, 1u << GH_CERT_DEVICE | 1u << GH_CERT_AE_ID | 1u << GH_CERT_NODE_ID);
    assert_false(our_client_takes(&m, &wanted, tls13));
    trust_foreign(&wanted.tls, &pem, 1u << GH_CERT_CSE_ID);
    assert_true(our_client_takes(&m, &wanted, tls13));
  }
  gh_buf_free(&pem);
  unmake(&m);
}

/* Nobody is taken for want of a name. */
static void a_client_must_know_whom_it_wants(void **state)
{
  (void)state;
  gh_tls_client *client;
  gh_diag diag = {""};
  gh_tls_client_options options = {.tls = {.chain_pem = gh_buf_str(&p.server_chain_pem),
                                           .key_pem = gh_buf_str(&p.server_key_pem),
                                           .anchors_pem = gh_buf_str(&p.root_pem)}};
  assert_int_equal(gh_tls_client_new(&options, &client, &diag), GH_EINVAL);
  options.peer_name = GH_STR("in-cse.sp.example.com");
  options.peer_flavour = GH_CERT_CSE_ID; /* that is a server name */
  assert_int_equal(gh_tls_client_new(&options, &client, &diag), GH_EINVAL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_flavour_is_let_in, setup, teardown),
      cmocka_unit_test_setup_teardown(every_flavour_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(a_chain_outside_the_profile, setup, teardown),
      cmocka_unit_test_setup_teardown(a_good_path_of_a_stranger, setup, teardown),
      cmocka_unit_test_setup_teardown(an_anchor_for_one_flavour, setup, teardown),
      cmocka_unit_test_setup_teardown(an_anchor_in_several_lists, setup, teardown),
      cmocka_unit_test_setup_teardown(a_cross_signed_authority, setup, teardown),
      cmocka_unit_test_setup_teardown(a_renewed_anchor, setup, teardown),
      cmocka_unit_test(servers_below_an_anchor_for_one_flavour),
      cmocka_unit_test(certificates_of_servers),
      cmocka_unit_test(servers_of_every_flavour),
      cmocka_unit_test(a_client_must_know_whom_it_wants),
  };
  return cmocka_run_group_tests(tests, make_pki, free_pki);
}
