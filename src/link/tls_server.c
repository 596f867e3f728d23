/* Server side of the handshake: pre-shared keys from the key source (waiting for it in an OpenSSL job), or mutual
 * certificates. */
#include "link/tls_status.h"

#include <openssl/async.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>

#include "crypto/cert_names.h"
#include "crypto/kdf.h"
#include "crypto/public_key_id.h"
#include "link/raw_public_key.h"
#include "link/tls_guests.h"
#include "link/tls_resume.h"
#include "link/tls_sessions.h"

typedef struct virtual_host {
  gh_str fqdn;
  SSL_CTX *ctx;
} virtual_host;

typedef struct names { /* under which the server is known, each with a certificate */
  SSL_CTX *ctx;
  gh_str fqdn;
  virtual_host *hosts; /* besides */
  size_t host_count;
} names;

struct gh_tls_server {
  pthread_rwlock_t lock; /* of names, which may be renewed while handshakes begin */
  names names;
  const gh_key_source *source;
  bool require_ems;
  const char *alpn;
  gh_raw_key_judge raw_keys; /* of clients */
  gh_tls_cookie_calls cookies;
  gh_tls_resume *resume; /* NULL: every handshake is a full one */
  gh_secret decoy;       /* keys for identities nobody has: same work, same alert as a wrong key */
};

static void free_query(gh_psk_query *query)
{
  gh_secret_wipe(&query->key);
  gh_peer_clear(&query->peer);
  gh_str_release(&query->identity);
  gh_str_release(&query->server_name);
  free(query);
}

/* The answer to a question whose connection has gone. */
static void discard_answer(gh_psk_query *query)
{
  free_query(query);
}

static void take_answer(gh_psk_query *query)
{
  gh_handshake *handshake = (gh_handshake *)query->owner;
  handshake->waiting = false;
  handshake->on_answer(handshake);
}

void gh_handshake_clear(gh_handshake *handshake)
{
  bool key_asked = handshake->waiting && !handshake->status_asked;
  gh_str_release(&handshake->why);
  gh_str_release(&handshake->server_name);
  gh_str_release(&handshake->suites);
  gh_tls_session_release(handshake->session);
  SSL_SESSION_free(handshake->fresh);
  handshake->session = NULL;
  handshake->fresh = NULL;
  gh_tls_status_forget(handshake);
  handshake->waiting = false;
  if (!handshake->query) return;
  if (key_asked)
    handshake->query->done = discard_answer;
  else
    free_query(handshake->query);
  handshake->query = NULL;
}

static gh_str clone_lower(gh_str name)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str copy = gh_str_clone(gh_cert_lower_host(&arena, name));
  gh_arena_free(&arena);
  return copy;
}

static gh_psk_query *new_query(gh_handshake *handshake, gh_str identity)
{
  gh_psk_query *query = gh_calloc(1, sizeof *query);
  query->server_name = gh_str_clone(handshake->server_name);
  query->identity = gh_str_clone(identity);
  query->worker = handshake->worker;
  query->address = handshake->network;
  query->done = take_answer;
  query->owner = handshake;
  query->result = GH_EAUTH;
  return query;
}

/* Runs inside an OpenSSL job: while the key source is busy the job pauses and SSL_do_handshake returns
 * SSL_ERROR_WANT_ASYNC, so the loop serves everybody else meanwhile. */
static void ask(const gh_tls_server *server, gh_handshake *handshake, gh_str identity)
{
  if (handshake->gone) return;
  gh_psk_query *query = new_query(handshake, identity);
  handshake->query = query;
  gh_err err = server->source->find_psk(server->source->ctx, query);
  if (err != GH_EAGAIN) {
    query->result = err;
    return;
  }
  handshake->waiting = true;
  while (handshake->waiting && ASYNC_pause_job() == 1) continue;
}

static void ask_for_session(void *ctx, gh_handshake *handshake, gh_str identity)
{
  ask(ctx, handshake, identity);
}

/* Which was answered. */
static void drop_query(gh_handshake *handshake)
{
  if (handshake->query && !handshake->waiting) free_query(handshake->query);
  if (!handshake->waiting) handshake->query = NULL;
  handshake->query_of_session = false;
}

static unsigned decoy_key(const gh_tls_server *server, gh_str identity, unsigned char *out, unsigned cap)
{
  uint8_t mac[32];
  if (cap < sizeof mac) return 0;
  if (gh_hmac_sha256(server->decoy.bytes, server->decoy.len, identity, mac) != GH_OK) return 0;
  memcpy(out, mac, sizeof mac);
  gh_wipe(mac, sizeof mac);
  return sizeof mac;
}

/*= TS-0003 8.2.2.1 psk_identity names the key; TS-0003 8.2.2.3 a Kc is fetched from the MAF */
static unsigned on_psk(SSL *ssl, const char *identity, unsigned char *out, unsigned cap)
{
  gh_tls_server *server = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0);
  gh_handshake *handshake = gh_tls_handshake(ssl);
  gh_str name = gh_str_of(identity);
  if (!handshake || name.len == 0 || name.len > GH_PSK_IDENTITY_MAX) return 0;
  /*= RFC 8446 4.2.11 a session, not a key: one that we do not have any more is passed over */
  if (SSL_version(ssl) == TLS1_3_VERSION && gh_tls_resume_is_ticket(name)) return 0;
  if (handshake->query_of_session) drop_query(handshake); /* it was not resumed */
  if (!handshake->query)
    ask(server, handshake, name);
  else if (!gh_str_eq(handshake->query->identity,
                      name)) /* asked again after a HelloRetryRequest: the same identity or none */
    return 0;
  gh_psk_query *query = handshake->query;
  if (!query || handshake->waiting || query->result != GH_OK || query->key.len > cap)
    return decoy_key(server, name, out, cap);
  memcpy(out, query->key.bytes, query->key.len);
  unsigned len = (unsigned)query->key.len; /* the query is wiped when the handshake ends */
  return len;
}

/*= RFC 7301 3.2 the first of ours that the client offers */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered,
                   unsigned offered_len, void *arg)
{
  (void)ssl;
  const gh_tls_server *server = arg;
  gh_str rest = gh_str_of(server->alpn), name;
  while (gh_str_split(&rest, ',', &name))
    for (unsigned at = 0; at < offered_len && at + 1 + offered[at] <= offered_len; at += 1u + offered[at])
      if (gh_str_eq(name, (gh_str){(const char *)offered + at + 1, offered[at]})) {
        *out = offered + at + 1;
        *out_len = offered[at];
        return SSL_TLSEXT_ERR_OK;
      }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* RFC 6066 section 3: a list of one host_name. False: it is none. */
static bool read_server_name(gh_str ext, gh_str *name)
{
  const unsigned char *o = (const unsigned char *)ext.ptr;
  if (ext.len < 5 || (size_t)(o[0] << 8 | o[1]) != ext.len - 2 || o[2] != TLSEXT_NAMETYPE_host_name) return false;
  size_t len = (size_t)(o[3] << 8 | o[4]);
  *name = gh_str_sub(ext, 5, len);
  return len == ext.len - 5 && gh_cert_dns_valid(*name);
}

/* The context for that name, or NULL. */
static SSL_CTX *ctx_named(const names *n, gh_str name)
{
  if (!n->host_count || !name.len || gh_str_eq_nocase(name, n->fqdn)) return n->ctx;
  for (size_t i = 0; i < n->host_count; i++)
    if (gh_str_eq_nocase(name, n->hosts[i].fqdn)) return n->hosts[i].ctx;
  return NULL;
}

static bool use_ctx_named(gh_tls_server *server, SSL *ssl, gh_str name)
{
  pthread_rwlock_rdlock(&server->lock);
  SSL_CTX *ctx = ctx_named(&server->names, name);
  bool ok = ctx && (ctx == SSL_get_SSL_CTX(ssl) || SSL_set_SSL_CTX(ssl, ctx));
  pthread_rwlock_unlock(&server->lock);
  return ok;
}

/*= TS-0003 10.2.1 a host of several authorities learns from SNI which keys to use; who hosts one ignores it. Before
 * anything else is read: under TLS 1.3 OpenSSL asks for the key first */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
  gh_tls_server *server = arg;
  gh_handshake *handshake = gh_tls_handshake(ssl);
  const unsigned char *octets;
  size_t len;
  gh_str name = GH_STR_NONE;
  bool sent = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &octets, &len) == 1;
  if (sent && !read_server_name((gh_str){(const char *)octets, len}, &name)) name = GH_STR("?"); /* nobody's name */
  if (!use_ctx_named(server, ssl, name)) {
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_CLIENT_HELLO_ERROR;
  }
  if (handshake) {
    gh_str_release(&handshake->server_name);
    handshake->server_name = clone_lower(name);
  }
  gh_tls_resume_hello(server->resume, ssl, handshake);
  if (server->source->name_public_key && gh_raw_public_key_server(ssl) != GH_OK) {
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

/*= TS-0003 8.1.2.5; 10.1.2; a raw public key is taken only when its identifier was configured */
static bool knows_key(void *ctx, gh_str spki, gh_diag *diag)
{
  const gh_tls_server *server = ctx;
  gh_public_key_id id;
  gh_arena arena;
  gh_peer peer = {.kind = GH_PEER_NONE};
  gh_err err = gh_public_key_id_of(spki, GH_SHA_256, &id);
  if (err == GH_OK) err = server->source->name_public_key(server->source->ctx, spki, &peer);
  gh_peer_clear(&peer);
  if (err == GH_OK) return true;
  gh_arena_init(&arena);
  const char *why = err == GH_EEXPIRED ? "is past its end" : "is not known here";
  gh_fail(diag, err, "raw public key %.*s %s", GH_STR_ARG(gh_public_key_id_uri(&arena, &id)), why);
  gh_arena_free(&arena);
  return false;
}

static gh_err name_certificate(void *ctx, X509 *cert, gh_peer *peer, gh_diag *diag)
{
  const gh_tls_server *server = ctx;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_cert_flavour flavour;
  gh_str name;
  gh_err err = gh_cert_check_profile(cert, diag);
  if (err == GH_OK) err = gh_cert_identity(&arena, cert, &flavour, &name, diag);
  if (err == GH_OK) {
    err = server->source->name_peer(server->source->ctx, flavour, name, gh_cert_not_after_us(cert), peer);
    if (err != GH_OK) gh_fail(diag, err, "certificate of %.*s stands for nobody known here", GH_STR_ARG(name));
  }
  gh_arena_free(&arena);
  return err;
}

static void set_cookies(SSL_CTX *ctx, const gh_tls_cookie_calls *calls)
{
  SSL_CTX_set_cookie_generate_cb(ctx, calls->make);
  SSL_CTX_set_cookie_verify_cb(ctx, calls->check);
}

static gh_err new_ctx(gh_tls_server *server, const gh_tls_options *options, SSL_CTX **out, gh_diag *diag)
{
  bool certificate = !gh_str_empty(options->chain_pem) || !gh_str_empty(options->key_pem); /* or a raw public key */
  const SSL_METHOD *method = options->datagram ? DTLS_server_method() : TLS_server_method();
  GH_TRY(gh_tls_ctx_new(method, options, certificate ? GH_TLS_PSK | GH_TLS_CERTIFICATE : GH_TLS_PSK, out, diag));
  SSL_CTX *ctx = *out;
  SSL_CTX_set_ex_data(ctx, 0, server);
  GH_TRY(gh_tls_guests_set(ctx, options, diag));
  if (server->source->name_public_key) gh_raw_public_key_judge(ctx, &server->raw_keys);
  if (options->alpn) SSL_CTX_set_alpn_select_cb(ctx, on_alpn, server);
  SSL_CTX_set_psk_server_callback(ctx, on_psk);
  set_cookies(ctx, &server->cookies);
  /* OpenSSL wants one where peers are verified, also for external keys under TLS 1.3 */
  SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"gatehouse", 9);
  if (gh_tls_resume_prepare(server->resume, ctx) != GH_OK)
    return gh_fail(diag, GH_ECRYPTO, "resumption cannot be set up");
  /*= TS-0003 8.2.2.2 mutual authentication; TS-0003 8.1.2.2 the peer sends its chain */
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  return GH_OK;
}

static void free_names(names *n)
{
  SSL_CTX_free(n->ctx); /* what lives on it holds a reference */
  for (size_t i = 0; i < n->host_count; i++) {
    SSL_CTX_free(n->hosts[i].ctx);
    gh_str_release(&n->hosts[i].fqdn);
  }
  free(n->hosts);
  gh_str_release(&n->fqdn);
  *n = (names){0};
}

static gh_err add_hosts(gh_tls_server *server, const gh_tls_options *options, names *out, gh_diag *diag)
{
  if (!options->host_count) return GH_OK;
  if (gh_str_empty(options->fqdn)) return gh_fail(diag, GH_EINVAL, "a server of several names needs a first one");
  out->fqdn = gh_str_clone(options->fqdn);
  out->hosts = gh_calloc(options->host_count, sizeof *out->hosts);
  for (size_t i = 0; i < options->host_count; i++) {
    gh_tls_options own = *options;
    virtual_host *host = &out->hosts[out->host_count++];
    host->fqdn = gh_str_clone(options->hosts[i].fqdn);
    own.chain_pem = options->hosts[i].chain_pem;
    own.key_pem = options->hosts[i].key_pem;
    own.other_certificate = true;
    GH_TRY(new_ctx(server, &own, &host->ctx, diag));
  }
  return GH_OK;
}

static gh_err make_names(gh_tls_server *server, const gh_tls_options *options, names *out, gh_diag *diag)
{
  *out = (names){0};
  gh_err err = new_ctx(server, options, &out->ctx, diag);
  if (err == GH_OK) err = add_hosts(server, options, out, diag);
  if (err == GH_OK)
    SSL_CTX_set_client_hello_cb(out->ctx, on_client_hello, server);
  else
    free_names(out);
  return err;
}

static gh_err make_decoy(gh_tls_server *server, const gh_random *random)
{
  uint8_t decoy[32];
  gh_err err = gh_random_fill(random, decoy, sizeof decoy);
  if (err == GH_OK) err = gh_secret_set(&server->decoy, decoy, sizeof decoy);
  gh_wipe(decoy, sizeof decoy);
  return err;
}

gh_err gh_tls_server_new(const gh_tls_options *options, const gh_key_source *source, const gh_random *random,
                         gh_tls_server **out, gh_diag *diag)
{
  gh_tls_server *server = gh_calloc(1, sizeof *server);
  pthread_rwlock_init(&server->lock, NULL);
  server->source = source;
  server->require_ems = options->require_ems;
  server->alpn = options->alpn;
  bool bare = gh_str_empty(options->chain_pem) && !gh_str_empty(options->key_pem);
  server->raw_keys = (gh_raw_key_judge){.knows = knows_key, .ctx = server, .only = bare};
  gh_tls_resume_calls calls = {server, ask_for_session, drop_query, name_certificate, knows_key};
  gh_err err = make_decoy(server, random);
  if (err == GH_OK) err = gh_tls_resume_new(options, random, &calls, &server->resume);
  if (err == GH_OK) err = make_names(server, options, &server->names, diag);
  if (err != GH_OK) {
    gh_tls_server_free(server);
    return err;
  }
  *out = server;
  return GH_OK;
}

gh_err gh_tls_server_renew(gh_tls_server *server, const gh_tls_options *options, gh_diag *diag)
{
  names fresh;
  GH_TRY(make_names(server, options, &fresh, diag));
  pthread_rwlock_wrlock(&server->lock);
  names old = server->names;
  server->names = fresh;
  pthread_rwlock_unlock(&server->lock);
  free_names(&old);
  gh_tls_resume_clear(server->resume);
  return GH_OK;
}

void gh_tls_server_use_cookies(gh_tls_server *server, const gh_tls_cookie_calls *calls)
{
  server->cookies = *calls;
  set_cookies(server->names.ctx, calls);
  for (size_t i = 0; i < server->names.host_count; i++) set_cookies(server->names.hosts[i].ctx, calls);
}

void gh_tls_server_free(gh_tls_server *server)
{
  if (!server) return;
  free_names(&server->names);
  gh_tls_resume_free(server->resume);
  pthread_rwlock_destroy(&server->lock);
  gh_secret_wipe(&server->decoy);
  free(server);
}

const gh_key_source *gh_tls_server_source(const gh_tls_server *server)
{
  return server->source;
}

SSL *gh_tls_server_ssl(gh_tls_server *server, gh_handshake *handshake)
{
  pthread_rwlock_rdlock(&server->lock);
  SSL *ssl = SSL_new(server->names.ctx);
  pthread_rwlock_unlock(&server->lock);
  if (!ssl) return NULL;
  gh_tls_set_handshake(ssl, handshake);
  SSL_set_accept_state(ssl);
  gh_tls_read_ahead(ssl);
  SSL_set_mode(ssl, SSL_MODE_ASYNC);
  return ssl;
}

bool gh_tls_server_is_present(gh_tls_server *server, const SSL *ssl)
{
  pthread_rwlock_rdlock(&server->lock);
  bool present = SSL_get_SSL_CTX(ssl) == server->names.ctx;
  pthread_rwlock_unlock(&server->lock);
  return present;
}

/*= TS-0003 8.2.2.2; asked once more: the key may have been taken away while the handshake went on */
static gh_err peer_from_public_key(gh_tls_server *server, gh_str spki, gh_peer *peer, gh_diag *diag)
{
  GH_REQUIRE(server->source->name_public_key, GH_EAUTH);
  gh_err err = server->source->name_public_key(server->source->ctx, spki, peer);
  if (err != GH_OK) return gh_fail(diag, err, "raw public key stands for nobody known here");
  peer->method = GH_METHOD_PUBLIC_KEY;
  return GH_OK;
}

/* A client may have named a pre-shared key and then proven something else: what it has proven comes first. */
static gh_err peer_without_certificate(gh_tls_server *server, SSL *ssl, const gh_psk_query *query, gh_peer *peer,
                                       gh_diag *diag)
{
  gh_arena arena;
  gh_err err = GH_OK;
  gh_arena_init(&arena);
  gh_str spki = gh_raw_public_key_of_peer(&arena, ssl);
  if (spki.len) {
    err = peer_from_public_key(server, spki, peer, diag);
  } else if (query && query->result == GH_OK) {
    gh_peer_copy(peer, &query->peer);
    peer->method = GH_METHOD_PSK;
  } else {
    err = gh_fail(diag, GH_EAUTH, "neither key nor certificate");
  }
  gh_arena_free(&arena);
  return err;
}

static void settle(gh_tls_server *server, gh_peer *peer)
{
  if (server->source->settle_peer) server->source->settle_peer(server->source->ctx, peer);
}

gh_err gh_tls_server_peer(gh_tls_server *server, SSL *ssl, gh_handshake *handshake, gh_peer *peer, gh_diag *diag)
{
  /*= TS-0003 10.3.1 keys are exported here, so RFC 7627 is demanded */
  if (server->require_ems && gh_tls_lacks_ems(ssl)) return gh_fail(diag, GH_EPROTO, "no extended master secret");
  GH_TRY(gh_tls_resume_end(ssl, handshake, diag));
  X509 *cert = SSL_get0_peer_certificate(ssl);
  if (cert) {
    if (SSL_get_verify_result(ssl) != X509_V_OK) return gh_fail(diag, GH_EAUTH, "certificate does not verify");
    GH_TRY(name_certificate(server, cert, peer, diag));
  } else {
    bool proven = handshake->query_of_session == handshake->resumed; /* and not named only */
    GH_TRY(peer_without_certificate(server, ssl, proven ? handshake->query : NULL, peer, diag));
  }
  settle(server, peer);
  return GH_OK;
}

void gh_tls_server_keep(gh_tls_server *server, SSL *ssl, gh_handshake *handshake, const gh_peer *peer,
                        int64_t ends_us)
{
  gh_tls_resume_keep(server->resume, ssl, handshake, peer, ends_us);
}

void gh_tls_server_forget(gh_tls_server *server, const gh_peer *peer)
{
  gh_tls_resume_forget(server->resume, peer);
}

size_t gh_tls_server_sessions(gh_tls_server *server)
{
  return gh_tls_resume_count(server->resume);
}
