/* Session resumption at a server. A client that names a session and holds nothing else (a wrong key, no certificate)
 * shows whether it was resumed: a full handshake would refuse it. One that holds its credential must be served either
 * way. */
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

static int make_pki(void **state)
{
  (void)state;
  pki_make(&p);
  other = issued(GH_CERT_AE_ID, "//sp.example.com/in-cse/Cother", NULL, &p.middle);
  return 0;
}

static int free_pki(void **state)
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

static void answer_status(gh_status_query *query)
{
  bool is_meter = X509_cmp(query->cert, p.meter.cert) == 0;
  query->revoked = is_meter && atomic_load(&script.revoked);
  query->result = query->revoked ? GH_EAUTH : GH_OK;
  query->why = "scripted";
}

static gh_err find_status(void *ctx, gh_status_query *query)
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

static void answer_status_on_worker(void *arg)
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

static void reset(void)
{
  script.kept_count = 0;
  atomic_store(&script.revoked, false);
  atomic_store(&script.later, false);
  keys[0] = (link_key){.identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = METER};
  keys[1] = (link_key){.identity = "other@maf.sp.example.com",
                       .key_hex = "00112233445566778899aabbccddeeff",
                       .peer_id = "//sp.example.com/in-cse/Cother"};
}

static served prepare(const link_way *way)
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

static void start(served *s)
{
  if (s->way->datagram)
    dtls_open(&s->d, s->t);
  else
    link_open(s->t);
  s->port = s->way->datagram ? s->d.port : s->t->port;
}

static served begin(const link_way *way)
{
  reset();
  served s = prepare(way);
  start(&s);
  return s;
}

static void end(served *s)
{
  gh_loop_call(s->t->loop, answer_status_on_worker, NULL);
  if (s->way->datagram)
    dtls_end(&s->d);
  else
    link_end(s->t);
}

static int resumed(const served *s)
{
  return (int)atomic_load(&s->t->worker.counters.handshakes_resumed);
}

/* ---- clients */

static tls_peer_options holding(const link_way *way)
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
static tls_peer_options bare(const link_way *way)
{
  tls_peer_options o = holding(way);
  o.cert = o.issuer = NULL;
  o.key = NULL;
  if (!way->certificate) o.key_hex = OTHER_KEY;
  return o;
}

static void enter(tls_peer *peer, const served *s, const tls_peer_options *o, SSL_SESSION *session)
{
  if (s->way->datagram)
    dtls_prepare_on(peer, udp_connect(s->port, 0), o);
  else
    peer_prepare(peer, s->port, o);
  if (session) assert_int_equal(SSL_set_session(peer->ssl, session), 1);
}

static bool join(tls_peer *peer, const served *s, const tls_peer_options *o, SSL_SESSION *session)
{
  enter(peer, s, o, session);
  return peer_handshake(peer);
}

static bool say(tls_peer *peer, const served *s, bool last)
{
  if (s->way->datagram) return dtls_say(peer, last ? "bye" : "hello") > 0;
  return peer_ask(peer, last ? ASK_LAST : ASK);
}

/* Orderly. The session that the client has then. */
static SSL_SESSION *leave(tls_peer *peer, const served *s)
{
  int closed = counts_now(s->t).closed;
  if (!say(peer, s, true)) fail_msg("%s: not served", s->way->name);
  SSL_SESSION *session = SSL_get1_session(peer->ssl);
  SSL_shutdown(peer->ssl);
  peer_end(peer);
  wait_closed(s->t, closed + 1);
  return session;
}

static SSL_SESSION *first(const served *s)
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
static SSL_SESSION *resume_with(const served *s, const tls_peer_options *o, SSL_SESSION *session, const char *who)
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
static void expect_silence(const served *s, const tls_peer *peer)
{
  struct timeval soon = {.tv_usec = 300000};
  if (s->way->datagram && !s->way->certificate)
    BIO_ctrl(SSL_get_rbio(peer->ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &soon);
}

static void assert_refused(const served *s, SSL_SESSION *session)
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

static SSL_SESSION *resume(const served *s, SSL_SESSION *session)
{
  tls_peer_options o = bare(s->way);
  return resume_with(s, &o, session, "AE " METER);
}

/* A client that holds its credential is served, and not by resumption. */
static void assert_full(const served *s, const tls_peer_options *o, SSL_SESSION *session, const char *who)
{
  tls_peer peer;
  int before = resumed(s);
  if (!join(&peer, s, o, session)) fail_msg("%s: no full handshake: alert %d", s->way->name, peer.alert);
  if (!say(&peer, s, false)) fail_msg("%s: not served after a full handshake: alert %d", s->way->name, peer.alert);
  if (!strstr(peer.answer, who)) fail_msg("%s: %s is not in %s", s->way->name, who, peer.answer);
  SSL_SESSION_free(leave(&peer, s));
  assert_int_equal(resumed(s), before);
}

static void assert_full_as_meter(const served *s, SSL_SESSION *session)
{
  tls_peer_options o = holding(s->way);
  assert_full(s, &o, session, "AE " METER);
}

/* Neither by itself, nor does naming it hinder whoever holds the credential. */
static void assert_not_resumed(const served *s, SSL_SESSION *session)
{
  SSL_SESSION_up_ref(session);
  assert_refused(s, session);
  assert_full_as_meter(s, session);
  SSL_SESSION_free(session);
}

#define EACH_WAY(s)                                                                                                  \
  for (size_t way_at = 0; way_at < WAYS; way_at++)                                                                   \
    for (served s = begin(&ways[way_at]), *once = &s; once; end(&s), once = NULL)

/* ---- it works */

/*= TS-0003 10.2.1; RFC 5246 7.3; RFC 8446 2.2 */
static void a_session_is_resumed(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    SSL_SESSION *session = first(&s);
    int asked = counts_now(s.t).asked, status_asked = atomic_load(&script.asked);
    assert_int_equal(gh_tls_server_sessions(s.t->server), 1);
    for (int i = 0; i < 3; i++) {
      session = resume(&s, session);
      if (!session) fail_msg("%s: not resumed", s.way->name);
      assert_int_equal(gh_tls_server_sessions(s.t->server), 1);
    }
    if (s.way->certificate)
      assert_true(atomic_load(&script.asked) >= status_asked + 3);
    else
      assert_int_equal(counts_now(s.t).asked, asked + 3);
    SSL_SESSION_free(session);
  }
}

/*= RFC 8446 C.4 a ticket serves once; what TLS 1.2 calls a session, as often as it stands */
static void a_ticket_serves_once(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    SSL_SESSION *session = first(&s), *same = session;
    SSL_SESSION_up_ref(same);
    SSL_SESSION *next = resume(&s, session);
    assert_non_null(next);
    SSL_SESSION_free(next);
    if (s.way->version == TLS1_3_VERSION) {
      assert_not_resumed(&s, same);
    } else {
      next = resume(&s, same);
      assert_non_null(next);
      SSL_SESSION_free(next);
    }
  }
}

static void off_by_default(void **state)
{
  (void)state;
  for (size_t i = 0; i < WAYS; i++) {
    reset();
    served on = prepare(&ways[i]), off = prepare(&ways[i]);
    off.t->tls.resumption_s = 0;
    start(&on);
    start(&off);
    SSL_SESSION *session = first(&off);
    assert_int_equal(gh_tls_server_sessions(off.t->server), 0);
    assert_full_as_meter(&off, session);
    SSL_SESSION_free(session);
    assert_not_resumed(&off, first(&on)); /* also one that we know nothing of */
    end(&on);
    end(&off);
  }
}

static void of_another_server(void **state)
{
  (void)state;
  for (size_t i = 0; i < WAYS; i++) {
    reset();
    served one = prepare(&ways[i]), two = prepare(&ways[i]);
    start(&one);
    start(&two);
    SSL_SESSION *session = first(&one);
    assert_not_resumed(&two, session);
    end(&one);
    end(&two);
  }
}

/* ---- the credential is asked about again */

/*= TS-0003 8.2.1 no association outlives its credential */
static void the_key_was_withdrawn(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    if (s.way->certificate) continue;
    SSL_SESSION *session = first(&s);
    keys[0].result = GH_ENOTFOUND;
    SSL_SESSION_up_ref(session);
    assert_refused(&s, session);
    assert_int_equal(gh_tls_server_sessions(s.t->server), 0);
    tls_peer_options o = holding(s.way); /* another key is none the worse for it */
    o.identity = keys[1].identity;
    o.key_hex = keys[1].key_hex;
    assert_full(&s, &o, session, "AE //sp.example.com/in-cse/Cother");
    keys[0].result = GH_OK;
    assert_not_resumed(&s, session);
  }
}

static void the_key_was_replaced(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    if (s.way->certificate) continue;
    SSL_SESSION *session = first(&s);
    keys[0].key_hex = "8899aabbccddeeff8899aabbccddeeff";
    assert_not_resumed(&s, session);
  }
}

/* Whom it stands for is not remembered. */
static void the_identity_was_changed(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    if (s.way->certificate) continue;
    SSL_SESSION *session = first(&s);
    keys[0].peer_id = "//sp.example.com/in-cse/Cnew";
    tls_peer_options o = bare(s.way);
    session = resume_with(&s, &o, session, "AE //sp.example.com/in-cse/Cnew");
    assert_non_null(session);
    SSL_SESSION_free(session);
  }
}

static bool name_is_known = true;

static gh_err name_peer(void *ctx, gh_cert_flavour flavour, gh_str name, int64_t not_after_us, gh_peer *peer)
{
  (void)ctx;
  if (flavour != GH_CERT_AE_ID || (!name_is_known && gh_str_eq(name, GH_STR(METER)))) return GH_EAUTH;
  gh_peer found = {.kind = GH_PEER_AE, .method = GH_METHOD_CERTIFICATE, .id = name, .not_after_us = not_after_us};
  gh_peer_copy(peer, &found);
  return GH_OK;
}

/*= TS-0003 8.1.2.5; 8.2.2.2; a session leads nowhere that its certificate would not */
static void the_certificate_was_revoked(void **state)
{
  (void)state;
  for (int named = 0; named < 2; named++) EACH_WAY(s)
    {
      if (!s.way->certificate) continue;
      s.t->name_peer = name_peer;
      SSL_SESSION *session = first(&s), *same = session;
      SSL_SESSION_up_ref(same);
      name_is_known = named == 0;
      atomic_store(&script.revoked, named == 0);
      assert_refused(&s, session);
      assert_int_equal(gh_tls_server_sessions(s.t->server), 0);
      tls_peer_options o = holding(s.way); /* it has another one by now */
      o.cert = other.cert;
      o.key = other.key;
      assert_full(&s, &o, same, "AE //sp.example.com/in-cse/Cother");
      name_is_known = true;
      atomic_store(&script.revoked, false);
      assert_not_resumed(&s, same);
    }
}

/* ---- a client that waits in its handshake while the test goes on */

typedef struct late_client {
  const served *s;
  SSL_SESSION *session;
  tls_peer_options options;
  tls_peer peer;
  pthread_t thread;
  bool in;
} late_client;

static void *late_run(void *arg)
{
  late_client *c = arg;
  c->in = peer_handshake(&c->peer) && say(&c->peer, c->s, false);
  return NULL;
}

static void late_begin(late_client *c)
{
  enter(&c->peer, c->s, &c->options, c->session);
  MUST(pthread_create(&c->thread, NULL, late_run, c) == 0);
}

static bool late_end(late_client *c)
{
  pthread_join(c->thread, NULL);
  peer_end(&c->peer);
  return c->in;
}

/* Nobody answers it any more. */
static void late_cut(late_client *c)
{
  if (c->s->way->datagram) shutdown(c->peer.fd, SHUT_RDWR);
  late_end(c);
}

/* The connections break off, as when a client leaves. */
static void fail_all(void *arg)
{
  link_test *t = arg;
  while (t->worker.first) gh_conn_close(t->worker.first, GH_ECONN, "broken off");
}

static void revoke_meter(void *arg);

/* The answer lets the handshake go on; before the client's next octets are read it is revoked. */
static void answer_and_revoke(void *arg)
{
  served *s = arg;
  answer_kept_on_worker(s->t);
  answer_status_on_worker(NULL);
  keys[0].result = GH_EAUTH;
  atomic_store(&script.revoked, true);
  revoke_meter(s->t);
}

/* A key that is fetched, a status that is asked for: the resumption waits as a full handshake does. */
static void answers_that_come_later(void **state)
{
  (void)state;
  for (int good = 0; good < 2; good++) EACH_WAY(s)
    {
      SSL_SESSION *session = first(&s);
      late_client c = {.s = &s, .session = session};
      int asked = counts_now(s.t).asked;
      keys[0].later = true;
      atomic_store(&script.later, true);
      c.options = bare(s.way);
      late_begin(&c);
      wait_asked(s.t, asked + 1);
      keys[0].later = false; /* what is asked next is answered at once */
      atomic_store(&script.later, false);
      if (!good) keys[0].key_hex = OTHER_KEY; /* that of the client: then it is let in by a full handshake */
      if (!good) atomic_store(&script.revoked, true);
      answer_kept(s.t);
      gh_loop_call(s.t->loop, answer_status_on_worker, NULL);
      bool in = late_end(&c);
      assert_int_equal(in, good || !s.way->certificate);
      assert_int_equal(resumed(&s), good);
      SSL_SESSION_free(session);
    }
}

/* Whoever waits may leave; its question is answered into the void. */
static void clients_that_leave_meanwhile(void **state)
{
  (void)state;
  for (int answered = 0; answered < 2; answered++) EACH_WAY(s)
    {
      SSL_SESSION *session = first(&s);
      late_client c = {.s = &s, .session = session};
      int asked = counts_now(s.t).asked, closed = counts_now(s.t).closed;
      keys[0].later = true;
      atomic_store(&script.later, true);
      c.options = holding(s.way);
      late_begin(&c);
      wait_asked(s.t, asked + 1);
      gh_loop_call(s.t->loop, fail_all, s.t);
      wait_closed(s.t, closed + 1);
      late_cut(&c);
      if (answered) {
        answer_kept(s.t);
        gh_loop_call(s.t->loop, answer_status_on_worker, NULL);
      } /* or when all ends */
      keys[0].later = false;
      atomic_store(&script.later, false);
      assert_full_as_meter(&s, NULL);
      SSL_SESSION_free(session);
    }
}

static bool is_of_meter(void *ctx, gh_conn *conn)
{
  (void)ctx;
  return gh_str_eq(gh_conn_peer(conn)->key_id, gh_str_of(keys[0].identity)) || gh_conn_is_revoked(conn, &status);
}

static void revoke_meter(void *arg)
{
  gh_worker_revoke(&((link_test *)arg)->worker, is_of_meter, NULL);
}

/*= TS-0003 8.2.1 a resumed association ends with its credential, and so do the sessions */
static void revoked_while_it_stands(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    tls_peer peer;
    tls_peer_options o = bare(s.way);
    SSL_SESSION *session = first(&s);
    assert_true(join(&peer, &s, &o, session) && say(&peer, &s, false));
    assert_int_equal(resumed(&s), 1);
    int closed = counts_now(s.t).closed;
    keys[0].result = GH_EAUTH;
    atomic_store(&script.revoked, true);
    gh_loop_call(s.t->loop, revoke_meter, s.t);
    wait_closed(s.t, closed + 1);
    assert_int_equal(counts_now(s.t).last_why, GH_EEXPIRED);
    if (!s.way->certificate) assert_int_equal(gh_tls_server_sessions(s.t->server), 0);
    peer_end(&peer);
    assert_refused(&s, session);
  }
}

/* Between the answer about its credential and the end of the handshake. */
static void revoked_in_the_handshake(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    if (s.way->datagram) continue; /* who tells of a revocation there is the same */
    SSL_SESSION *session = first(&s);
    late_client c = {.s = &s, .session = session, .options = bare(s.way)};
    int asked = counts_now(s.t).asked, before = counts_now(s.t).ready;
    keys[0].later = true;
    atomic_store(&script.later, true);
    late_begin(&c);
    wait_asked(s.t, asked + 1);
    keys[0].later = false;
    atomic_store(&script.later, false);
    gh_loop_call(s.t->loop, answer_and_revoke, &s);
    bool in = late_end(&c);
    if (in) fail_msg("%s: served", s.way->name);
    /* its last octets may have been there before */
    assert_int_equal(resumed(&s), counts_now(s.t).ready - before);
    SSL_SESSION_free(session);
  }
}

/* ---- its time */

/*= TS-0001 11.3.2 a resumed association ends when that would have in which the credential was proven */
static void the_end_is_that_of_the_first(void **state)
{
  (void)state;
  enum { LIFE_S = 3600 };
  for (size_t i = 0; i < WAYS; i++) {
    reset();
    served s = prepare(&ways[i]);
    s.t->limits.max_association_us = LIFE_S * GH_US_PER_S;
    start(&s);
    tls_peer peer;
    tls_peer_options o = bare(s.way);
    SSL_SESSION *session = first(&s);
    pass_time(s.t, LIFE_S / 2);
    session = resume(&s, session);
    assert_non_null(session);
    assert_true(join(&peer, &s, &o, session) && say(&peer, &s, false));
    SSL_SESSION *next = SSL_get1_session(peer.ssl);
    int closed = counts_now(s.t).closed;
    pass_time(s.t, LIFE_S / 2 + 1);
    wait_closed(s.t, closed + 1);
    assert_string_equal(counts_now(s.t).last_reason, "association expired");
    peer_end(&peer);
    SSL_SESSION_free(session);
    assert_not_resumed(&s, next); /* the sweep is not at fault: nothing begins any more */
    end(&s);
  }
}

static void the_credential_ends(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    if (s.way->certificate) continue;
    keys[0].not_after_us = gh_clock_wall_us(&s.t->clock) + 600 * GH_US_PER_S;
    SSL_SESSION *session = resume(&s, first(&s));
    assert_non_null(session);
    pass_time(s.t, 601);
    keys[0].not_after_us = 0; /* it lives longer now: that is for a full handshake to say */
    assert_not_resumed(&s, session);
  }
}

static void a_session_ends(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    SSL_SESSION *session = first(&s);
    pass_time(s.t, RESUMPTION_S - 1);
    session = resume(&s, session);
    assert_non_null(session);
    pass_time(s.t, RESUMPTION_S + 1);
    assert_not_resumed(&s, session);
  }
}

static void the_oldest_makes_room(void **state)
{
  (void)state;
  for (size_t i = 0; i < WAYS; i++) {
    reset();
    served s = prepare(&ways[i]);
    s.t->tls.max_sessions = 2;
    start(&s);
    SSL_SESSION *one = first(&s), *two = first(&s), *three = first(&s);
    assert_int_equal(gh_tls_server_sessions(s.t->server), 2);
    assert_refused(&s, one);
    two = resume(&s, two);
    three = resume(&s, three);
    assert_true(two && three);
    SSL_SESSION_free(two);
    SSL_SESSION_free(three);
    end(&s);
  }
}

/* ---- raw public keys, where OpenSSL has them */

static const unsigned char raw_type[] = {RAW_TYPE, NO_TYPE};
static bool key_is_known;

static gh_err name_key(void *ctx, gh_str spki, gh_peer *peer)
{
  (void)ctx, (void)spki;
  if (!key_is_known) return GH_ENOTFOUND;
  gh_peer found = {.kind = GH_PEER_AE, .method = GH_METHOD_PUBLIC_KEY, .id = GH_STR(METER), .key_id = GH_STR("30-x")};
  gh_peer_copy(peer, &found);
  return GH_OK;
}

/*= TS-0003 8.2.2.2 the key must still be one that was configured */
static void raw_public_keys(void **state)
{
  (void)state;
  if (!gh_raw_public_key_available()) skip();
  for (size_t i = 0; i < WAYS; i++) {
    if (!ways[i].certificate) continue;
    reset();
    served s = prepare(&ways[i]);
    s.t->source.name_public_key = name_key;
    key_is_known = true;
    start(&s);
    tls_peer peer;
    tls_peer_options o = holding(s.way), nothing = bare(s.way);
    o.cert_types = raw_type;
    assert_true(join(&peer, &s, &o, NULL));
    SSL_SESSION *session = leave(&peer, &s);
    for (int again = 0; again < 2; again++) {
      session = resume_with(&s, &nothing, session, "AE " METER);
      if (!session) fail_msg("%s: not resumed with a raw public key", s.way->name);
    }
    key_is_known = false;
    assert_refused(&s, session);
    end(&s);
  }
}

/* ---- what else must be as it was */

static void another_name(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    if (s.way->datagram) continue;
    SSL_SESSION *session = first(&s);
    tls_peer_options o = holding(s.way);
    o.server_name = "another.sp.example.com";
    assert_full(&s, &o, session, "AE " METER);
    SSL_SESSION_free(session);
    session = first(&s);
    o.server_name = "";
    assert_full(&s, &o, session, "AE " METER);
    SSL_SESSION_free(session);
    session = first(&s);
    o.server_name = "IN-CSE.sp.example.com"; /* the same */
    tls_peer_options same = bare(s.way);
    same.server_name = o.server_name;
    SSL_SESSION_set1_hostname(session, o.server_name);
    session = resume_with(&s, &same, session, "AE " METER);
    assert_non_null(session);
    SSL_SESSION_free(session);
  }
}

/*= TS-0003 10.2.1 a host of several authorities: under each name its own sessions */
static void names_of_one_server(void **state)
{
  (void)state;
  holder maf = issued(GH_CERT_FQDN, "maf.sp.example.com", NULL, &p.middle);
  gh_buf chain = GH_BUF_INIT, key = GH_BUF_INIT;
  pem_of(&maf, &chain, &key);
  gh_buf_add(&chain, gh_buf_str(&p.middle_pem));
  const gh_tls_host host = {GH_STR("maf.sp.example.com"), gh_buf_str(&chain), gh_buf_str(&key)};
  for (size_t i = 0; i < WAYS; i++) {
    if (ways[i].datagram) continue;
    reset();
    served s = prepare(&ways[i]);
    s.t->tls.fqdn = GH_STR(CSE_FQDN);
    s.t->tls.hosts = &host;
    s.t->tls.host_count = 1;
    start(&s);
    tls_peer peer;
    tls_peer_options o = holding(s.way), nothing = bare(s.way);
    o.server_name = nothing.server_name = "maf.sp.example.com";
    assert_true(join(&peer, &s, &o, NULL));
    SSL_SESSION *session = leave(&peer, &s);
    session = resume_with(&s, &nothing, session, "AE " METER);
    assert_non_null(session);
    SSL_SESSION_set1_hostname(session, NULL);
    assert_full_as_meter(&s, session); /* under the first name */
    SSL_SESSION_free(session);
    end(&s);
  }
  holder_free(&maf);
  gh_buf_free(&chain);
  gh_buf_wipe_free(&key);
}

static void after_a_renewal(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    gh_diag diag = {""};
    SSL_SESSION *session = first(&s);
    assert_int_equal(gh_tls_server_renew(s.t->server, &s.t->tls, &diag), GH_OK);
    assert_int_equal(gh_tls_server_sessions(s.t->server), 0);
    assert_not_resumed(&s, session);
    session = resume(&s, first(&s)); /* what begins after it is resumed as before */
    assert_non_null(session);
    SSL_SESSION_free(session);
  }
}

enum { COMERS = 3, VISITS = 15 };

typedef struct comer {
  const served *s;
  int served_times;
  pthread_t thread;
} comer;

/* Holds its credential, and names the session that it had last. */
static void *come_again(void *arg)
{
  comer *c = arg;
  SSL_SESSION *session = NULL;
  tls_peer_options o = holding(c->s->way);
  for (int i = 0; i < VISITS; i++) {
    tls_peer peer;
    peer_prepare(&peer, c->s->port, &o);
    if (session) SSL_set_session(peer.ssl, session);
    c->served_times += peer_handshake(&peer) && say(&peer, c->s, true);
    SSL_SESSION_free(session);
    session = SSL_get1_session(peer.ssl);
    SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN);
    peer_end(&peer);
  }
  SSL_SESSION_free(session);
  return NULL;
}

static bool is_nobody(void *ctx, gh_conn *conn)
{
  (void)ctx;
  return gh_conn_is_revoked(conn, &status);
}

static void revoke_nobody(void *arg)
{
  gh_worker_revoke(&((link_test *)arg)->worker, is_nobody, NULL);
}

/* Sessions come, go on and are cleared, all at a time: whoever holds its credential is served whatever becomes of its
 * session. */
static void renewed_meanwhile(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    if (s.way->datagram) continue;
    gh_diag diag = {""};
    comer comers[COMERS];
    for (int i = 0; i < COMERS; i++) {
      comers[i] = (comer){.s = &s};
      assert_int_equal(pthread_create(&comers[i].thread, NULL, come_again, &comers[i]), 0);
    }
    int ready = 0;
    while ((ready = counts_now(s.t).ready) < COMERS * VISITS / 2) { /* then they go on undisturbed */
      assert_int_equal(gh_tls_server_renew(s.t->server, &s.t->tls, &diag), GH_OK);
      gh_loop_call(s.t->loop, revoke_nobody, s.t);
      wait_ready(s.t, ready + 1);
    }
    for (int i = 0; i < COMERS; i++) pthread_join(comers[i].thread, NULL);
    for (int i = 0; i < COMERS; i++) {
      if (comers[i].served_times != VISITS) fail_msg("%s: served %d times", s.way->name, comers[i].served_times);
    }
    assert_true(resumed(&s) > 0);
  }
}

static void another_suite(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    if (s.way->version == TLS1_3_VERSION) continue;
    SSL_SESSION *session = first(&s);
    tls_peer_options o = holding(s.way);
    o.suites = s.way->certificate ? "ECDHE-ECDSA-AES128-CCM8" : "PSK-AES128-CCM8";
    assert_full(&s, &o, session, "AE " METER);
    SSL_SESSION_free(session);
  }
}

/* A session of TLS 1.2 in TLS 1.3, and the other way round. */
static void another_version(void **state)
{
  (void)state;
  for (size_t i = 0; i < WAYS; i++) {
    bool offers_key = ways[i].certificate || ways[i].version == TLS1_3_VERSION; /* this client, with such a session */
    if (ways[i].datagram || !offers_key) continue;
    served s = begin(&ways[i]);
    SSL_SESSION *session = first(&s);
    tls_peer_options o = holding(s.way);
    o.min_version = TLS1_2_VERSION;
    o.max_version = s.way->version == TLS1_3_VERSION ? TLS1_2_VERSION : TLS1_3_VERSION;
    assert_full(&s, &o, session, "AE " METER);
    SSL_SESSION_free(session);
    end(&s);
  }
}

/*= RFC 7627 5.4 */
static void without_extended_master_secret(void **state)
{
  (void)state;
  for (size_t i = 0; i < WAYS; i++) {
    if (ways[i].version == TLS1_3_VERSION) continue;
    reset();
    served s = prepare(&ways[i]);
    s.t->tls.require_ems = false;
    start(&s);
    tls_peer peer;
    tls_peer_options o = holding(s.way);
    o.ssl_options = SSL_OP_NO_EXTENDED_MASTER_SECRET;
    assert_true(join(&peer, &s, &o, NULL));
    SSL_SESSION *session = leave(&peer, &s);
    assert_int_equal(gh_tls_server_sessions(s.t->server), 0);
    assert_full(&s, &o, session, "AE " METER);
    SSL_SESSION_free(session);
    end(&s);
  }
}

/* The client's first group is not ours: HelloRetryRequest, and the session is named twice. */
static void a_retried_hello(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    if (s.way->version != TLS1_3_VERSION) continue;
    SSL_SESSION *session = first(&s);
    tls_peer_options o = bare(s.way);
    int asked = counts_now(s.t).asked;
    o.groups = "P-521:P-256";
    session = resume_with(&s, &o, session, "AE " METER);
    assert_non_null(session);
    if (!s.way->certificate) assert_int_equal(counts_now(s.t).asked, asked + 1);
    SSL_SESSION_free(session);
  }
}

static int on_alpn_names(SSL *ssl, const char *expected)
{
  const unsigned char *name = NULL;
  unsigned len = 0;
  SSL_get0_alpn_selected(ssl, &name, &len);
  return len == strlen(expected) && memcmp(name, expected, len) == 0;
}

static void alpn_is_agreed_anew(void **state)
{
  (void)state;
  for (size_t i = 0; i < WAYS; i++) {
    if (ways[i].datagram) continue;
    reset();
    served s = prepare(&ways[i]);
    s.t->tls.alpn = "h2,http/1.1";
    start(&s);
    tls_peer peer;
    tls_peer_options o = holding(s.way);
    o.alpn = "\x02h2";
    assert_true(join(&peer, &s, &o, NULL) && on_alpn_names(peer.ssl, "h2"));
    SSL_SESSION *session = leave(&peer, &s);
    o = bare(s.way);
    o.alpn = "\x08http/1.1";
    assert_true(join(&peer, &s, &o, session));
    SSL_SESSION_free(session);
    session = leave(&peer, &s);
    assert_int_equal(resumed(&s), 1);
    SSL_SESSION_free(session);
    end(&s);
  }
}

/* A client that just vanishes may come back. RFC 5246 7.2.2: who is told of a fatal alert may not. */
static void how_it_ended(void **state)
{
  (void)state;
  for (int fatal = 0; fatal < 2; fatal++) EACH_WAY(s)
    {
      if (s.way->datagram) continue;
      tls_peer peer;
      tls_peer_options o = holding(s.way);
      int closed = counts_now(s.t).closed;
      assert_true(join(&peer, &s, &o, NULL) && say(&peer, &s, false));
      SSL_SESSION *session = SSL_get1_session(peer.ssl);
      if (fatal) assert_int_equal(send(peer.fd, "\x17\x03\x03\0\x20nonsense nonsense nonsense nonse", 37, 0), 37);
      if (!fatal) shutdown(peer.fd, SHUT_RDWR);
      SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN); /* or else the client would not name it any more */
      wait_closed(s.t, closed + 1);
      peer_end(&peer);
      if (gh_tls_server_sessions(s.t->server) != !fatal)
        fail_msg("%s: fatal %d, %s", s.way->name, fatal, counts_now(s.t).last_reason);
      session = fatal ? (assert_refused(&s, session), NULL) : resume(&s, session);
      assert_int_equal(session != NULL, !fatal);
      SSL_SESSION_free(session);
    }
}

static void export_of_first(void *arg)
{
  link_test *t = arg;
  uint8_t octets[48];
  MUST(gh_conn_is_resumed(t->worker.first));
  MUST(gh_conn_export(t->worker.first, "EXPORTER-oneM2M-test", octets) == GH_EPROTO);
}

/*= TS-0003 10.3.1 no key comes from an association in which nothing was proven */
static void no_key_is_exported(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    tls_peer peer;
    tls_peer_options o = bare(s.way);
    SSL_SESSION *session = first(&s);
    assert_true(join(&peer, &s, &o, session) && say(&peer, &s, false));
    SSL_SESSION_free(session);
    gh_loop_call(s.t->loop, export_of_first, s.t);
    SSL_SESSION_free(leave(&peer, &s));
  }
}

/* As an application does whose messages are lost: it says it again. Until then also the handshake's last flight may
 * be sent once more. */
static bool say_until_answered(tls_peer *peer)
{
  struct timeval soon = {.tv_sec = 1};
  BIO_ctrl(SSL_get_rbio(peer->ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &soon);
  for (int tries = 0; tries < LINK_WAIT_S; tries++)
    if (dtls_say(peer, "hello")) return true;
  return false;
}

/* Of the abbreviated handshake the client's flight is the last: it is lost, doubled and swapped like any other. */
static void over_a_faulty_path(void **state)
{
  (void)state;
  enum { CLIENTS = 3 };
  for (size_t i = 0; i < WAYS; i++) {
    if (!ways[i].datagram) continue;
    served s = begin(&ways[i]);
    relay r;
    SSL_SESSION *session = first(&s);
    tls_peer_options o = bare(s.way);
    uint16_t port = relay_begin(&r, s.port, 4, 6, 6);
    for (int c = 0; c < CLIENTS; c++) {
      tls_peer peer;
      dtls_prepare_on(&peer, udp_connect(port, 0), &o);
      assert_int_equal(SSL_set_session(peer.ssl, session), 1);
      for (int tries = 0; tries < 20 && !SSL_is_init_finished(peer.ssl); tries++) SSL_connect(peer.ssl);
      if (!say_until_answered(&peer)) fail_msg("%s: nothing comes through", s.way->name);
      SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN); /* or else the client would not name it any more */
      peer_end(&peer);
    }
    assert_true(resumed(&s) >= CLIENTS);
    SSL_SESSION_free(session);
    relay_end(&r);
    end(&s);
  }
}

/*= RFC 8446 4.2.10 no early data */
static void no_early_data(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    SSL_SESSION *session = first(&s);
    assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
    assert_false(SSL_SESSION_has_ticket(session) && s.way->version != TLS1_3_VERSION);
    if (s.way->version == TLS1_3_VERSION)
      assert_in_range(SSL_SESSION_get_ticket_lifetime_hint(session), RESUMPTION_S, RESUMPTION_S);
    SSL_SESSION_free(session);
  }
}

/* Names of sessions that nobody gave out. */
static void made_up_sessions(void **state)
{
  (void)state;
  EACH_WAY(s)
  {
    SSL_SESSION *session = first(&s);
    unsigned char id[GH_SESSION_ID];
    for (int i = 0; i < 3 && s.way->version != TLS1_3_VERSION; i++) {
      memset(id, i == 1 ? 0 : 0xff, sizeof id);
      SSL_SESSION *forged = SSL_SESSION_dup(session);
      assert_int_equal(SSL_SESSION_set1_id(forged, id, i == 2 ? 5 : sizeof id), 1);
      assert_full_as_meter(&s, forged);
      SSL_SESSION_free(forged);
    }
    SSL_SESSION_free(session);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_session_is_resumed),
      cmocka_unit_test(a_ticket_serves_once),
      cmocka_unit_test(off_by_default),
      cmocka_unit_test(of_another_server),
      cmocka_unit_test(the_key_was_withdrawn),
      cmocka_unit_test(the_key_was_replaced),
      cmocka_unit_test(the_identity_was_changed),
      cmocka_unit_test(the_certificate_was_revoked),
      cmocka_unit_test(answers_that_come_later),
      cmocka_unit_test(clients_that_leave_meanwhile),
      cmocka_unit_test(revoked_while_it_stands),
      cmocka_unit_test(revoked_in_the_handshake),
      cmocka_unit_test(the_end_is_that_of_the_first),
      cmocka_unit_test(the_credential_ends),
      cmocka_unit_test(a_session_ends),
      cmocka_unit_test(the_oldest_makes_room),
      cmocka_unit_test(raw_public_keys),
      cmocka_unit_test(another_name),
      cmocka_unit_test(names_of_one_server),
      cmocka_unit_test(after_a_renewal),
      cmocka_unit_test(renewed_meanwhile),
      cmocka_unit_test(another_suite),
      cmocka_unit_test(another_version),
      cmocka_unit_test(without_extended_master_secret),
      cmocka_unit_test(a_retried_hello),
      cmocka_unit_test(alpn_is_agreed_anew),
      cmocka_unit_test(how_it_ended),
      cmocka_unit_test(no_key_is_exported),
      cmocka_unit_test(over_a_faulty_path),
      cmocka_unit_test(no_early_data),
      cmocka_unit_test(made_up_sessions),
  };
  return cmocka_run_group_tests(tests, make_pki, free_pki);
}
