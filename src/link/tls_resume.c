/* OpenSSL's calls about sessions: making identifiers, keeping what is new, and answering whoever names one. Must
 * never give out a session whose credential would not pass a full handshake now. Clients never resume. */
#include "link/tls_resume.h"

#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "crypto/kdf.h"
#include "link/raw_public_key.h"
#include "link/tls_sessions.h"
#include "link/tls_status.h"
#include "link/worker.h"

/* No UTF-8 begins so, hence no name of a key (TS-0003 10.5). A client that shows us a ticket which we have forgotten
 * gets a full handshake, not the answer to a wrong key. */
enum { TICKET_MARK = 0xff, SECRET_BYTES = 32, CONTEXT_BYTES = 16 };

/* What one session may take in memory, certificates and all; a larger one is not kept. */
enum { SESSION_BYTES_MAX = 16 * 1024 };

struct gh_tls_resume {
  gh_tls_sessions *sessions;
  gh_tls_resume_calls calls;
  gh_random random;
  uint32_t seconds;
  atomic_uintptr_t contexts;    /* that were prepared */
  uint8_t secret[SECRET_BYTES]; /* for the MACs of keys */
};

static int slot = -1, number_slot = -1, tag_slot = -1;
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void make_slots(void)
{
  slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
  number_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
  tag_slot = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* SSL_set_SSL_CTX leaves the context of the sessions as it was; each context of a server has the same. */
static gh_tls_resume *of(const SSL *ssl)
{
  return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot);
}

static uintptr_t context_of(const SSL *ssl)
{
  return (uintptr_t)SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), number_slot);
}

bool gh_tls_resume_is_ticket(gh_str identity)
{
  return identity.len && (uint8_t)identity.ptr[0] == TICKET_MARK;
}

/* ---- who names a session: its credential is asked about again */

static bool refuse(gh_diag *diag, const char *why)
{
  return gh_fail(diag, GH_EAUTH, "%s", why) == GH_OK;
}

static bool key_mac(const gh_tls_resume *resume, const gh_secret *key, uint8_t out[static GH_TLS_KEY_MAC_BYTES])
{
  return gh_hmac_sha256(resume->secret, sizeof resume->secret, (gh_str){(const char *)key->bytes, key->len}, out) ==
         GH_OK;
}

/*= TS-0003 8.2.2.1 the key is still held, has the same octets, and whoever it stands for is asked for now */
static bool key_stands(const gh_tls_resume *resume, gh_handshake *handshake, const gh_tls_session *session,
                       gh_diag *diag)
{
  uint8_t mac[GH_TLS_KEY_MAC_BYTES];
  resume->calls.drop_query(handshake);
  handshake->query_of_session = true;
  resume->calls.ask_key(resume->calls.ctx, handshake, session->psk_identity);
  const gh_psk_query *query = handshake->query;
  if (handshake->gone || !query || handshake->waiting) return refuse(diag, "the connection has gone");
  if (query->result != GH_OK) return refuse(diag, query->why ? query->why : gh_err_name(query->result));
  bool same = key_mac(resume, &query->key, mac) && gh_bytes_equal_ct(mac, session->key_mac, sizeof mac);
  gh_wipe(mac, sizeof mac);
  return same || refuse(diag, "another key has its identity now");
}

static STACK_OF(X509) * read_certs(gh_str der)
{
  STACK_OF(X509) *certs = sk_X509_new_null();
  const unsigned char *at = (const unsigned char *)der.ptr, *end = at + der.len;
  while (certs && at < end) {
    X509 *cert = d2i_X509(NULL, &at, end - at);
    if (cert && sk_X509_push(certs, cert) > 0) continue;
    X509_free(cert);
    sk_X509_pop_free(certs, X509_free);
    return NULL;
  }
  return certs;
}

/* As OpenSSL sets it up for the certificates of a handshake. */
static bool prepare_path(SSL *ssl, X509_STORE_CTX *path, STACK_OF(X509) * certs)
{
  X509_STORE *anchors = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
  if (X509_STORE_CTX_init(path, anchors, sk_X509_value(certs, 0), certs) != 1) return false;
  X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(path);
  X509_VERIFY_PARAM_set_auth_level(param, SSL_get_security_level(ssl));
  return X509_STORE_CTX_set_ex_data(path, SSL_get_ex_data_X509_STORE_CTX_idx(), ssl) == 1 &&
         X509_STORE_CTX_set_default(path, "ssl_client") == 1 &&
         X509_VERIFY_PARAM_set1(param, SSL_get0_param(ssl)) == 1;
}

static bool path_stands(SSL *ssl, STACK_OF(X509) * certs, gh_diag *diag)
{
  X509_STORE_CTX *path = X509_STORE_CTX_new();
  bool stands = path && prepare_path(ssl, path, certs) && gh_tls_path_stands(ssl, path, diag);
  if (stands) stands = gh_tls_status_keep_chain(ssl, X509_STORE_CTX_get0_chain(path));
  X509_STORE_CTX_free(path);
  return stands;
}

/*= TS-0003 8.1.2.2; 8.1.2.5; 8.2.2.2 path, status and name, now */
static bool certificate_stands(const gh_tls_resume *resume, SSL *ssl, const gh_handshake *handshake,
                               const gh_tls_session *session, gh_diag *diag)
{
  gh_peer peer = {.kind = GH_PEER_NONE};
  STACK_OF(X509) *certs = read_certs(session->certs);
  refuse(diag, "its certificates cannot be judged");
  bool stands = certs && sk_X509_num(certs) > 0 && path_stands(ssl, certs, diag) && !handshake->gone;
  if (stands)
    stands = resume->calls.name_certificate(resume->calls.ctx, sk_X509_value(certs, 0), &peer, diag) == GH_OK;
  gh_peer_clear(&peer);
  sk_X509_pop_free(certs, X509_free);
  return stands;
}

static bool credential_stands(const gh_tls_resume *resume, SSL *ssl, gh_handshake *handshake,
                              const gh_tls_session *session, gh_diag *diag)
{
  if (session->psk_identity.len) return key_stands(resume, handshake, session, diag);
  if (session->certs.len) return certificate_stands(resume, ssl, handshake, session, diag);
  if (session->public_key.len) return resume->calls.knows_key(resume->calls.ctx, session->public_key, diag);
  return refuse(diag, "nothing was proven in it");
}

/*= RFC 5246 7.4.1.2 the suites of a client that resumes hold that of the session */
static bool is_offered(gh_str suites, uint16_t suite)
{
  for (size_t i = 0; i + 1 < suites.len; i += 2)
    if ((uint16_t)((uint8_t)suites.ptr[i] << 8 | (uint8_t)suites.ptr[i + 1]) == suite) return true;
  return false;
}

/* What needs no question. */
static bool fits(SSL *ssl, const gh_handshake *handshake, const gh_tls_session *session, gh_diag *diag)
{
  if (session->version != SSL_version(ssl)) return refuse(diag, "it is of another version");
  /* OpenSSL would look, too, but under TLS 1.3 then passes over the keys that are named behind it */
  if (session->context != context_of(ssl)) return refuse(diag, "it began under another name or before a renewal");
  if (!session->once && !is_offered(handshake->suites, session->suite))
    return refuse(diag, "its suite is not offered");
  /*= RFC 8446 4.6.1; RFC 6066 3 the same name as at first */
  if (!gh_str_eq(session->server_name, handshake->server_name))
    return refuse(diag, "another server name is asked for");
  /*= TS-0001 11.3.2 no longer than the association in which the credential was proven */
  if (session->ends_us <= gh_clock_wall_us(&handshake->worker->clock))
    return refuse(diag, "its association has ended");
  return true;
}

/* A copy for this handshake alone; it bears its mark. */
static SSL_SESSION *copy_for(const gh_handshake *handshake, const gh_tls_session *session)
{
  union {
    const gh_handshake *borrowed;
    void *kept;
  } tag = {.borrowed = handshake};
  const unsigned char *at = (const unsigned char *)session->state.ptr;
  SSL_SESSION *copy = d2i_SSL_SESSION(NULL, &at, (long)session->state.len);
  bool ok = copy && SSL_SESSION_set_ex_data(copy, tag_slot, tag.kept) == 1;
  if (ok && !session->once && session->server_name.len)
    ok = SSL_SESSION_set1_hostname(copy, session->server_name.ptr) == 1;
  if (ok) SSL_SESSION_set_timeout(copy, INT32_MAX); /* its age was judged by a clock that nobody sets */
  if (ok && session->public_key.len) ok = gh_raw_public_key_is_in(copy); /* or else it would be missed at the end */
  if (ok) return copy;
  SSL_SESSION_free(copy);
  return NULL;
}

static SSL_SESSION *judge(gh_tls_resume *resume, SSL *ssl, gh_handshake *handshake, const gh_tls_session *session)
{
  gh_diag diag = {""};
  if (fits(ssl, handshake, session, &diag) && credential_stands(resume, ssl, handshake, session, &diag))
    return copy_for(handshake, session);
  gh_tls_forget_errors();
  handshake->session_refused = true;
  if (handshake->gone) return NULL;
  resume->calls.drop_query(handshake);
  gh_tls_sessions_drop(resume->sessions, session->id);
  GH_LOG(handshake->worker->log, GH_LOG_INFO, "resumption-refused", GH_F("association", handshake->association),
         GH_F("reason", (const char *)diag.text));
  return NULL;
}

/* A ClientHello that was asked for again names it again. */
static SSL_SESSION *find_again(const gh_handshake *handshake, const uint8_t *id)
{
  bool same = !handshake->session_refused && memcmp(handshake->session->id, id, GH_TLS_SESSION_ID_BYTES) == 0;
  return same ? copy_for(handshake, handshake->session) : NULL;
}

static SSL_SESSION *on_find(SSL *ssl, const unsigned char *id, int len, int *copy)
{
  gh_tls_resume *resume = of(ssl);
  gh_handshake *handshake = gh_tls_handshake(ssl);
  *copy = 0;
  if (!resume || !handshake || handshake->gone || len != GH_TLS_SESSION_ID_BYTES || id[0] != TICKET_MARK) return NULL;
  if (handshake->session) return find_again(handshake, id);
  gh_tls_session *session = gh_tls_sessions_take(resume->sessions, id, gh_clock_mono_us(&handshake->worker->clock));
  if (!session) return NULL;
  handshake->session = gh_tls_session_ref(session); /* it may lose it while we wait */
  SSL_SESSION *found = judge(resume, ssl, handshake, session);
  gh_tls_session_release(session);
  return found;
}

void gh_tls_resume_hello(const gh_tls_resume *resume, SSL *ssl, gh_handshake *handshake)
{
  const unsigned char *octets;
  if (!resume || !handshake) return;
  gh_str_release(&handshake->suites);
  if (SSL_client_hello_get0_session_id(ssl, &octets) != GH_TLS_SESSION_ID_BYTES || octets[0] != TICKET_MARK) return;
  size_t len = SSL_client_hello_get0_ciphers(ssl, &octets);
  handshake->suites = gh_str_clone((gh_str){(const char *)octets, len});
}

/* ---- the handshake is done */

gh_err gh_tls_resume_end(SSL *ssl, gh_handshake *handshake, gh_diag *diag)
{
  const SSL_SESSION *session = SSL_get_session(ssl);
  bool named = handshake->session && !handshake->session_refused;
  handshake->resumed =
      named && SSL_session_reused(ssl) && session && SSL_SESSION_get_ex_data(session, tag_slot) == handshake;
  handshake->ends_us = handshake->resumed ? handshake->session->ends_us : 0;
  if (!handshake->resumed && handshake->session) gh_tls_status_keep_chain(ssl, NULL);
  /* a list may have come since it was asked about */
  if (handshake->resumed && gh_tls_status_is_revoked_now(ssl)) return gh_fail(diag, GH_EAUTH, "certificate revoked");
  return GH_OK;
}

static bool write_state(SSL_SESSION *session, gh_str *out)
{
  int len = i2d_SSL_SESSION(session, NULL);
  if (len <= 0) return false;
  unsigned char *octets = gh_malloc((size_t)len), *at = octets;
  i2d_SSL_SESSION(session, &at);
  *out = gh_str_clone((gh_str){(const char *)octets, (size_t)len});
  gh_wipe(octets, (size_t)len);
  free(octets);
  return true;
}

static bool add_cert(gh_buf *out, X509 *cert)
{
  int len = i2d_X509(cert, NULL);
  if (len <= 0) return false;
  unsigned char *at = (unsigned char *)gh_buf_reserve(out, (size_t)len);
  i2d_X509(cert, &at);
  gh_buf_added(out, (size_t)len);
  return true;
}

static bool write_certs(SSL *ssl, X509 *cert, gh_str *out)
{
  gh_buf der = GH_BUF_INIT;
  STACK_OF(X509) *sent = SSL_get_peer_cert_chain(ssl); /* at a server without the peer's own */
  bool ok = add_cert(&der, cert);
  for (int i = 0; ok && i < sk_X509_num(sent); i++)
    ok = der.len <= SESSION_BYTES_MAX && add_cert(&der, sk_X509_value(sent, i));
  if (ok) *out = gh_str_clone(gh_buf_str(&der));
  gh_buf_free(&der);
  return ok;
}

/* What a session that went on has proven is what the first one had. */
static bool copy_proof(const gh_tls_session *from, gh_tls_session *to)
{
  to->psk_identity = gh_str_clone(from->psk_identity);
  memcpy(to->key_mac, from->key_mac, sizeof to->key_mac);
  to->certs = gh_str_clone(from->certs);
  to->public_key = gh_str_clone(from->public_key);
  return true;
}

static bool note_proof(const gh_tls_resume *resume, SSL *ssl, const gh_handshake *handshake, gh_tls_session *to)
{
  gh_arena arena;
  X509 *cert = SSL_get0_peer_certificate(ssl);
  const gh_psk_query *query = handshake->query;
  if (handshake->resumed) return copy_proof(handshake->session, to);
  if (cert) return write_certs(ssl, cert, &to->certs);
  gh_arena_init(&arena);
  to->public_key = gh_str_clone(gh_raw_public_key_of_peer(&arena, ssl));
  gh_arena_free(&arena);
  if (to->public_key.len) return true;
  if (!query || handshake->query_of_session || query->result != GH_OK) return false;
  to->psk_identity = gh_str_clone(query->identity);
  return key_mac(resume, &query->key, to->key_mac);
}

static gh_str credential_of(const gh_peer *peer)
{
  return peer->key_id.len ? peer->key_id : peer->credential_id;
}

static bool describe(const gh_tls_resume *resume, SSL *ssl, const gh_handshake *handshake, const gh_peer *peer,
                     gh_tls_session *to)
{
  unsigned len = 0;
  const unsigned char *id = SSL_SESSION_get_id(handshake->fresh, &len);
  const SSL_CIPHER *suite = SSL_SESSION_get0_cipher(handshake->fresh);
  if (len != GH_TLS_SESSION_ID_BYTES || id[0] != TICKET_MARK || !suite) return false;
  memcpy(to->id, id, sizeof to->id);
  to->version = SSL_version(ssl);
  to->context = context_of(ssl);
  to->suite = SSL_CIPHER_get_protocol_id(suite);
  to->once = to->version == TLS1_3_VERSION; /*= RFC 8446 C.4 a ticket is used once */
  to->server_name = gh_str_clone(handshake->server_name);
  to->credential = gh_str_clone(credential_of(peer));
  return note_proof(resume, ssl, handshake, to) && write_state(handshake->fresh, &to->state) &&
         to->state.len + to->certs.len <= SESSION_BYTES_MAX;
}

void gh_tls_resume_keep(gh_tls_resume *resume, SSL *ssl, gh_handshake *handshake, const gh_peer *peer,
                        int64_t ends_us)
{
  /*= RFC 7627 5.4 without extended master secret nothing is resumed */
  if (!resume || !handshake->fresh || gh_tls_lacks_ems(ssl)) return;
  gh_tls_session *session = gh_tls_session_new();
  int64_t now_us = gh_clock_mono_us(&handshake->worker->clock);
  session->until_us = now_us + (int64_t)resume->seconds * GH_US_PER_S;
  session->ends_us = ends_us;
  if (describe(resume, ssl, handshake, peer, session))
    gh_tls_sessions_put(resume->sessions, session, now_us);
  else
    gh_tls_session_release(session);
  gh_tls_forget_errors();
}

void gh_tls_resume_forget(gh_tls_resume *resume, const gh_peer *peer)
{
  gh_str credential = credential_of(peer);
  if (resume && credential.len) gh_tls_sessions_forget(resume->sessions, credential);
}

void gh_tls_resume_clear(gh_tls_resume *resume)
{
  if (resume) gh_tls_sessions_clear(resume->sessions);
}

size_t gh_tls_resume_count(gh_tls_resume *resume)
{
  return resume ? gh_tls_sessions_count(resume->sessions) : 0;
}

/* ---- a session begins, or is spoilt */

/* It is kept once it is known whom the association stands for. */
static int on_new(SSL *ssl, SSL_SESSION *session)
{
  gh_handshake *handshake = gh_tls_handshake(ssl);
  if (!handshake || !of(ssl)) return 0;
  SSL_SESSION_free(handshake->fresh);
  handshake->fresh = session;
  return 1;
}

/*= RFC 5246 7.2.2 an association that ended with a fatal alert is not resumed */
static void on_spoilt(SSL_CTX *ctx, SSL_SESSION *session)
{
  const gh_tls_resume *resume = SSL_CTX_get_ex_data(ctx, slot);
  unsigned len = 0;
  const unsigned char *id = SSL_SESSION_get_id(session, &len);
  if (resume && len == GH_TLS_SESSION_ID_BYTES) gh_tls_sessions_drop(resume->sessions, id);
}

static int on_id(SSL *ssl, unsigned char *id, unsigned *len)
{
  const gh_tls_resume *resume = of(ssl);
  if (!resume || *len != GH_TLS_SESSION_ID_BYTES) return 0;
  id[0] = TICKET_MARK;
  if (gh_random_fill(&resume->random, id + 1, *len - 1) != GH_OK) return 0;
  /* what begins with a pre-shared key under TLS 1.3 does not have the time of its context */
  SSL_SESSION *session = SSL_version(ssl) == TLS1_3_VERSION ? SSL_get_session(ssl) : NULL;
  if (session) SSL_SESSION_set_timeout(session, (long)resume->seconds);
  return 1;
}

/* ---- begin and end */

gh_err gh_tls_resume_new(const gh_tls_options *options, const gh_random *random, const gh_tls_resume_calls *calls,
                         gh_tls_resume **out)
{
  enum { DEFAULT_SESSIONS = 10000 };
  *out = NULL;
  if (!options->resumption_s) return GH_OK;
  gh_tls_resume *resume = gh_calloc(1, sizeof *resume);
  resume->calls = *calls;
  resume->random = *random;
  resume->seconds = options->resumption_s;
  resume->sessions = gh_tls_sessions_new(options->max_sessions ? options->max_sessions : DEFAULT_SESSIONS);
  *out = resume;
  return gh_random_fill(random, resume->secret, sizeof resume->secret);
}

void gh_tls_resume_free(gh_tls_resume *resume)
{
  if (!resume) return;
  gh_tls_sessions_free(resume->sessions);
  gh_wipe(resume, sizeof *resume);
  free(resume);
}

/*= TS-0003 10.2.1; RFC 5246 7.4.1.3; RFC 8446 2.2; identifiers and nothing else: no tickets that hold the state */
gh_err gh_tls_resume_prepare(gh_tls_resume *resume, SSL_CTX *ctx)
{
  uint8_t context[CONTEXT_BYTES];
  pthread_once(&slot_once, make_slots);
  GH_REQUIRE(slot >= 0 && number_slot >= 0 && tag_slot >= 0, GH_ECRYPTO);
  if (!resume) return GH_OK;
  GH_TRY(gh_random_fill(&resume->random, context, sizeof context));
  GH_REQUIRE(SSL_CTX_set_ex_data(ctx, slot, resume) == 1, GH_ECRYPTO);
  uintptr_t number = atomic_fetch_add_explicit(&resume->contexts, 1, memory_order_relaxed) + 1;
  GH_REQUIRE(SSL_CTX_set_ex_data(ctx, number_slot, (void *)number) == 1, GH_ECRYPTO);
  GH_REQUIRE(SSL_CTX_set_session_id_context(ctx, context, sizeof context) == 1, GH_ECRYPTO);
  GH_REQUIRE(SSL_CTX_set_generate_session_id(ctx, on_id) == 1, GH_ECRYPTO);
  GH_REQUIRE(SSL_CTX_set_num_tickets(ctx, 1) == 1, GH_ECRYPTO);
  GH_REQUIRE(SSL_CTX_set_max_early_data(ctx, 0) == 1, GH_ECRYPTO); /*= RFC 8446 8 nothing that could be replayed */
  SSL_CTX_set_timeout(ctx, (long)resume->seconds);
  SSL_CTX_sess_set_new_cb(ctx, on_new);
  SSL_CTX_sess_set_get_cb(ctx, on_find);
  SSL_CTX_sess_set_remove_cb(ctx, on_spoilt);
  SSL_CTX_set_session_cache_mode(ctx,
                                 SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR);
  return GH_OK;
}
