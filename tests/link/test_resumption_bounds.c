/* Session resumption at a server: what else must be as it was (name, suite, version, listener, extended master
 * secret), how an association ended, and what a resumed one may not. */
#include "resumption_side.h"

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
