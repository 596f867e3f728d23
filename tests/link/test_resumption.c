/* Session resumption at a server: it works, and each time the credential is asked about again. */
#include "resumption_side.h"

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
    pass_time(s.t, RESUMPTION_S - 600); /* a slow machine needs some of it */
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
  };
  return cmocka_run_group_tests(tests, make_pki, free_pki);
}
