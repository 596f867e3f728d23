/* A server that resumes, and clients: one that names a session and holds nothing else (a wrong key, no certificate)
 * shows whether it was resumed, as a full handshake would refuse it. One that holds its credential must be served
 * either way. */
#ifndef GH_TEST_RESUMPTION_SIDE_H
#define GH_TEST_RESUMPTION_SIDE_H

#include "dtls_peer.h"
#include "link_pki.h"

#include "link/raw_public_key.h"

#define METER "//sp.example.com/in-cse/Cmeter"
#define OTHER_KEY "ffffffffffffffffffffffffffffffff"
#define PSK_SUITES "PSK-AES128-GCM-SHA256"
#define CERT_SUITES "ECDHE-ECDSA-AES128-GCM-SHA256"

enum { RESUMPTION_S = 7200, KEPT_STATUS = 16, GH_SESSION_ID = 32 };

typedef struct link_way {
  const char *name;
  int version;
  bool datagram, certificate;
} link_way;

static const link_way ways[] = {
    {"TLS 1.2 with a key", TLS1_2_VERSION, false, false},
    {"TLS 1.3 with a key", TLS1_3_VERSION, false, false},
    {"DTLS 1.2 with a key", DTLS1_2_VERSION, true, false},
    {"TLS 1.2 with a certificate", TLS1_2_VERSION, false, true},
    {"TLS 1.3 with a certificate", TLS1_3_VERSION, false, true},
    {"DTLS 1.2 with a certificate", DTLS1_2_VERSION, true, true},
};
enum { WAYS = sizeof ways / sizeof *ways };

static pki p;
static holder other; /* another AE, of the same CA */
static link_key keys[2];

static inline int make_pki(void **state)
{
  (void)state;
  pki_make(&p);
  other = issued(GH_CERT_AE_ID, "//sp.example.com/in-cse/Cother", NULL, &p.middle);
  return 0;
}

static inline int free_pki(void **state)
{
  (void)state;
  pki_free(&p);
  holder_free(&other);
  return 0;
}

/* ---- the status of certificates, as the test says */

static struct status_script {
  atomic_bool revoked, later;
  atomic_int asked;
  gh_status_query *kept[KEPT_STATUS]; /* on the worker only */
  size_t kept_count;
} script;

static inline void answer_status(gh_status_query *query)
{
  bool is_meter = X509_cmp(query->cert, p.meter.cert) == 0;
  query->revoked = is_meter && atomic_load(&script.revoked);
  query->result = query->revoked ? GH_EAUTH : GH_OK;
  query->why = "scripted";
}

static inline gh_err find_status(void *ctx, gh_status_query *query)
{
  link_test *t = ctx;
  atomic_fetch_add(&script.asked, 1);
  if (query->worker && atomic_load(&script.later)) {
    MUST(script.kept_count < KEPT_STATUS);
    script.kept[script.kept_count++] = query;
    count_up(t, &t->counts.asked);
    return GH_EAGAIN;
  }
  answer_status(query);
  return query->result;
}

static inline void answer_status_on_worker(void *arg)
{
  (void)arg;
  size_t count = script.kept_count;
  script.kept_count = 0;
  for (size_t i = 0; i < count; i++) {
    answer_status(script.kept[i]);
    script.kept[i]->done(script.kept[i]);
  }
}

static gh_status_source status = {.find_status = find_status};

/* ---- servers */

typedef struct served {
  const link_way *way;
  link_test *t;
  dtls_test d;
  uint16_t port;
} served;

static inline void reset(void)
{
  script.kept_count = 0;
  atomic_store(&script.revoked, false);
  atomic_store(&script.later, false);
  keys[0] = (link_key){.identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = METER};
  keys[1] = (link_key){.identity = "other@maf.sp.example.com",
                       .key_hex = "00112233445566778899aabbccddeeff",
                       .peer_id = "//sp.example.com/in-cse/Cother"};
}

static inline served prepare(const link_way *way)
{
  served s = {.way = way, .t = link_new(keys, 2)};
  s.t->limits.idle_ms = 0;
  s.t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  s.t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  s.t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  s.t->tls.resumption_s = RESUMPTION_S;
  s.t->tls.status = &status;
  status.ctx = s.t;
  return s;
}

static inline void start(served *s)
{
  if (s->way->datagram)
    dtls_open(&s->d, s->t);
  else
    link_open(s->t);
  s->port = s->way->datagram ? s->d.port : s->t->port;
}

static inline served begin(const link_way *way)
{
  reset();
  served s = prepare(way);
  start(&s);
  return s;
}

static inline void end(served *s)
{
  gh_loop_call(s->t->loop, answer_status_on_worker, NULL);
  if (s->way->datagram)
    dtls_end(&s->d);
  else
    link_end(s->t);
}

static inline int resumed(const served *s)
{
  return (int)atomic_load(&s->t->worker.counters.handshakes_resumed);
}

/* ---- clients */

static inline tls_peer_options holding(const link_way *way)
{
  tls_peer_options o = {.min_version = way->version, .max_version = way->version, .groups = "P-256"};
  o.suites = way->certificate ? CERT_SUITES : PSK_SUITES;
  if (way->certificate) {
    o.cert = p.meter.cert;
    o.key = p.meter.key;
    o.issuer = p.middle.cert;
  } else {
    o.identity = keys[0].identity;
    o.key_hex = keys[0].key_hex;
  }
  return o;
}

/* Holds nothing that a full handshake takes. Without any key OpenSSL would not offer the suite of the session. */
static inline tls_peer_options bare(const link_way *way)
{
  tls_peer_options o = holding(way);
  o.cert = o.issuer = NULL;
  o.key = NULL;
  if (!way->certificate) o.key_hex = OTHER_KEY;
  return o;
}

static inline void enter(tls_peer *peer, const served *s, const tls_peer_options *o, SSL_SESSION *session)
{
  if (s->way->datagram)
    dtls_prepare_on(peer, udp_connect(s->port, 0), o);
  else
    peer_prepare(peer, s->port, o);
  if (session) assert_int_equal(SSL_set_session(peer->ssl, session), 1);
}

static inline bool join(tls_peer *peer, const served *s, const tls_peer_options *o, SSL_SESSION *session)
{
  enter(peer, s, o, session);
  return peer_handshake(peer);
}

static inline bool say(tls_peer *peer, const served *s, bool last)
{
  if (s->way->datagram) return dtls_say(peer, last ? "bye" : "hello") > 0;
  return peer_ask(peer, last ? ASK_LAST : ASK);
}

/* Orderly. The session that the client has then. */
static inline SSL_SESSION *leave(tls_peer *peer, const served *s)
{
  int closed = counts_now(s->t).closed;
  if (!say(peer, s, true)) fail_msg("%s: not served", s->way->name);
  SSL_SESSION *session = SSL_get1_session(peer->ssl);
  SSL_shutdown(peer->ssl);
  peer_end(peer);
  wait_closed(s->t, closed + 1);
  return session;
}

static inline SSL_SESSION *first(const served *s)
{
  tls_peer peer;
  tls_peer_options o = holding(s->way);
  int before = resumed(s);
  if (!join(&peer, s, &o, NULL)) fail_msg("%s: alert %d", s->way->name, peer.alert);
  SSL_SESSION *session = leave(&peer, s);
  assert_int_equal(resumed(s), before);
  return session;
}

/* Takes over the session; the one that follows it, or NULL: it was not resumed, and the client not served. */
static inline SSL_SESSION *resume_with(const served *s, const tls_peer_options *o, SSL_SESSION *session,
                                       const char *who)
{
  tls_peer peer;
  SSL_SESSION *next = NULL;
  int before = resumed(s);
  bool in = join(&peer, s, o, session) && say(&peer, s, false);
  SSL_SESSION_free(session);
  if (in && resumed(s) != before + 1) fail_msg("%s: served, and not resumed", s->way->name);
  if (!in && resumed(s) != before) fail_msg("%s: resumed, and not served", s->way->name);
  if (in && !strstr(peer.answer, who)) fail_msg("%s: %s is not in %s", s->way->name, who, peer.answer);
  if (in)
    next = leave(&peer, s);
  else
    peer_end(&peer);
  return next;
}

/* Over datagrams a wrong key is silence: the client gives up soon, where nothing else is expected. */
static inline void expect_silence(const served *s, const tls_peer *peer)
{
  struct timeval soon = {.tv_usec = 300000};
  if (s->way->datagram && !s->way->certificate)
    BIO_ctrl(SSL_get_rbio(peer->ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &soon);
}

static inline void assert_refused(const served *s, SSL_SESSION *session)
{
  tls_peer peer;
  tls_peer_options o = bare(s->way);
  int before = resumed(s);
  enter(&peer, s, &o, session);
  expect_silence(s, &peer);
  if (peer_handshake(&peer) && say(&peer, s, false)) fail_msg("%s: served", s->way->name);
  peer_end(&peer);
  SSL_SESSION_free(session);
  assert_int_equal(resumed(s), before);
}

static inline SSL_SESSION *resume(const served *s, SSL_SESSION *session)
{
  tls_peer_options o = bare(s->way);
  return resume_with(s, &o, session, "AE " METER);
}

/* A client that holds its credential is served, and not by resumption. */
static inline void assert_full(const served *s, const tls_peer_options *o, SSL_SESSION *session, const char *who)
{
  tls_peer peer;
  int before = resumed(s);
  if (!join(&peer, s, o, session)) fail_msg("%s: no full handshake: alert %d", s->way->name, peer.alert);
  if (!say(&peer, s, false)) fail_msg("%s: not served after a full handshake: alert %d", s->way->name, peer.alert);
  if (!strstr(peer.answer, who)) fail_msg("%s: %s is not in %s", s->way->name, who, peer.answer);
  SSL_SESSION_free(leave(&peer, s));
  assert_int_equal(resumed(s), before);
}

static inline void assert_full_as_meter(const served *s, SSL_SESSION *session)
{
  tls_peer_options o = holding(s->way);
  assert_full(s, &o, session, "AE " METER);
}

/* Neither by itself, nor does naming it hinder whoever holds the credential. */
static inline void assert_not_resumed(const served *s, SSL_SESSION *session)
{
  SSL_SESSION_up_ref(session);
  assert_refused(s, session);
  assert_full_as_meter(s, session);
  SSL_SESSION_free(session);
}

#define EACH_WAY(s)                                                                                                  \
  for (size_t way_at = 0; way_at < WAYS; way_at++)                                                                   \
    for (served s = begin(&ways[way_at]), *once = &s; once; end(&s), once = NULL)

#endif
