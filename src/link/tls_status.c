/* Owns the question after a certificate's status in mid-handshake: it may wait, as a question after a key does, and
 * it outlives its connection. Must never let a handshake go on that the source has not let through. */
#include "link/tls_status.h"

#include <openssl/async.h>
#include <pthread.h>
#include <stdlib.h>

enum { ABOVE_MAX = 8 };

static int slot = -1, chain_slot = -1;
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void free_chain(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
  (void)parent, (void)ad, (void)index, (void)argl, (void)argp;
  sk_X509_pop_free(ptr, X509_free);
}

static void make_slot(void)
{
  slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
  chain_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_chain);
}

static const gh_status_source *source_of(SSL *ssl)
{
  return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot);
}

bool gh_tls_status_keep_chain(SSL *ssl, STACK_OF(X509) * chain)
{
  if (chain_slot < 0) return false;
  sk_X509_pop_free(SSL_get_ex_data(ssl, chain_slot), X509_free);
  STACK_OF(X509) *kept = chain ? X509_chain_up_ref(chain) : NULL;
  bool ok = SSL_set_ex_data(ssl, chain_slot, kept) == 1 && (kept || !chain);
  if (!ok) sk_X509_pop_free(kept, X509_free);
  return ok;
}

/* A resumed association has none of its own. */
static STACK_OF(X509) * chain_of(SSL *ssl)
{
  STACK_OF(X509) *verified = SSL_get0_verified_chain(ssl);
  return verified ? verified : SSL_get_ex_data(ssl, chain_slot);
}

static void free_query(gh_status_query *query)
{
  X509_free(query->cert);
  X509_free(query->issuer);
  free(query);
}

static void take_answer(gh_status_query *query)
{
  gh_handshake *handshake = (gh_handshake *)query->owner;
  handshake->waiting = false;
  handshake->on_answer(handshake);
}

void gh_tls_status_forget(gh_handshake *handshake)
{
  if (!handshake->status) return;
  if (handshake->status_asked)
    handshake->status->done = free_query; /* the source still has it */
  else
    free_query(handshake->status);
  handshake->status = NULL;
  handshake->status_asked = false;
}

static gh_status_query *new_query(gh_handshake *handshake, STACK_OF(X509) * chain, gh_str stapled, bool early)
{
  gh_status_query *query = gh_calloc(1, sizeof *query);
  *query = (gh_status_query){.cert = sk_X509_value(chain, 0),
                             .issuer = sk_X509_value(chain, 1),
                             .stapled = stapled,
                             .early = early,
                             .worker = handshake->worker,
                             .done = take_answer,
                             .result = GH_EAUTH,
                             .owner = handshake};
  X509_up_ref(query->cert);
  X509_up_ref(query->issuer);
  return query;
}

/* Inside the handshake's job: it pauses while the source is busy, and the loop serves everybody else. */
static void wait_for(const gh_status_source *source, gh_handshake *handshake, gh_status_query *query)
{
  gh_err err = source->find_status(source->ctx, query);
  query->above = NULL;
  query->stapled = GH_STR_NONE;
  if (err != GH_EAGAIN) {
    query->result = err;
    return;
  }
  handshake->waiting = handshake->status_asked = true;
  while (handshake->waiting && ASYNC_get_current_job() && ASYNC_pause_job() == 1) continue;
}

static bool judge(const gh_status_query *query, bool *revoked, gh_diag *diag)
{
  if (query->result == GH_OK) return true;
  *revoked = query->revoked;
  gh_fail(diag, GH_EAUTH, "certificate status: %s", query->why ? query->why : "no answer");
  return false;
}

/* The handshake of a library, which cannot be left in the middle: a source that may wait does so inside the call. */
static bool ask_at_once(const gh_status_source *source, STACK_OF(X509) * chain, gh_status_query query, bool *revoked,
                        gh_diag *diag)
{
  X509 *above[ABOVE_MAX];
  if (sk_X509_num(chain) < 1 || sk_X509_num(chain) > ABOVE_MAX)
    return gh_fail(diag, GH_EAUTH, "certificate status: no chain to ask about") == GH_OK;
  query.cert = sk_X509_value(chain, 0);
  query.issuer = sk_X509_value(chain, 1);
  query.above = above;
  for (int i = 1; i < sk_X509_num(chain); i++) above[query.above_count++] = sk_X509_value(chain, i);
  query.result = source->find_status(source->ctx, &query); /* without a worker it is answered now */
  return judge(&query, revoked, diag);
}

static bool ask(SSL *ssl, STACK_OF(X509) * chain, gh_str stapled, bool early, bool *revoked, gh_diag *diag)
{
  X509 *above[ABOVE_MAX];
  gh_handshake *handshake = gh_tls_handshake(ssl);
  const gh_status_source *source = source_of(ssl);
  *revoked = false;
  if (!source || sk_X509_num(chain) == 1) return true; /* who is an anchor itself is trusted until it is taken away */
  const gh_status_query at_once = {.stapled = stapled, .early = early, .of_server = !SSL_is_server(ssl)};
  if (!handshake) return ask_at_once(source, chain, at_once, revoked, diag);
  if (sk_X509_num(chain) < 1 || sk_X509_num(chain) > ABOVE_MAX)
    return gh_fail(diag, GH_EAUTH, "certificate status: no chain to ask about") == GH_OK;
  if (handshake->gone) return gh_fail(diag, GH_EAUTH, "the connection has gone") == GH_OK;
  gh_tls_status_forget(handshake);
  gh_status_query *query = new_query(handshake, chain, stapled, early);
  query->of_server = !SSL_is_server(ssl);
  for (int i = 1; i < sk_X509_num(chain); i++) above[query->above_count++] = sk_X509_value(chain, i);
  query->above = above;
  handshake->status = query;
  wait_for(source, handshake, query);
  if (handshake->status != query) return gh_fail(diag, GH_EAUTH, "the connection has gone") == GH_OK;
  bool answered = !handshake->waiting;
  bool fine = answered && judge(query, revoked, diag);
  if (!answered) return gh_fail(diag, GH_EAUTH, "certificate status: cannot wait for an answer") == GH_OK;
  handshake->status_asked = false;
  gh_tls_status_forget(handshake);
  return fine;
}

bool gh_tls_status_of_path(SSL *ssl, STACK_OF(X509) * chain, bool *revoked, gh_diag *diag)
{
  const gh_status_source *source = source_of(ssl);
  bool early = source && !SSL_is_server(ssl) && SSL_get_tlsext_status_type(ssl) == TLSEXT_STATUSTYPE_ocsp;
  return ask(ssl, chain, GH_STR_NONE, early, revoked, diag);
}

bool gh_tls_status_revoked(SSL *ssl, const gh_status_source *source)
{
  X509 *above[ABOVE_MAX];
  STACK_OF(X509) *chain = ssl ? chain_of(ssl) : NULL;
  if (!chain || source_of(ssl) != source || sk_X509_num(chain) < 2 || sk_X509_num(chain) > ABOVE_MAX) return false;
  gh_status_query query = {
      .cert = sk_X509_value(chain, 0), .issuer = sk_X509_value(chain, 1), .above = above, .early = true};
  for (int i = 1; i < sk_X509_num(chain); i++) above[query.above_count++] = sk_X509_value(chain, i);
  return source->find_status(source->ctx, &query) != GH_OK && query.revoked;
}

bool gh_tls_status_is_revoked_now(SSL *ssl)
{
  const gh_status_source *source = source_of(ssl);
  return source && gh_tls_status_revoked(ssl, source);
}

/* ---- stapling */

/*= RFC 6066 8 the answer of the server has come, or none has */
static int on_client(SSL *ssl)
{
  const unsigned char *der = NULL;
  bool revoked;
  gh_diag diag = {""};
  STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
  long len = SSL_get_tlsext_status_ocsp_resp(ssl, &der);
  if (!chain) return 1; /* a pre-shared key */
  gh_str stapled = der && len > 0 ? (gh_str){(const char *)der, (size_t)len} : GH_STR_NONE;
  if (ask(ssl, chain, stapled, false, &revoked, &diag)) return 1;
  gh_tls_keep_why(ssl, &diag);
  return 0; /* alert bad_certificate_status_response */
}

static int on_server(SSL *ssl)
{
  const gh_status_source *source = source_of(ssl);
  gh_buf der = GH_BUF_INIT;
  unsigned char *copy = NULL;
  bool has = source->own_staple && source->own_staple(source->ctx, &der) && der.len;
  if (has) copy = OPENSSL_memdup(der.ptr, der.len);
  if (copy) SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)der.len);
  gh_buf_free(&der);
  return copy ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* `arg`: the context, where what is stapled is about its certificate. */
static int on_status(SSL *ssl, void *arg)
{
  if (!SSL_is_server(ssl)) return on_client(ssl);
  return arg ? on_server(ssl) : SSL_TLSEXT_ERR_NOACK;
}

void gh_tls_status_prepare(SSL_CTX *ctx, const gh_status_source *source, bool staples)
{
  union {
    const gh_status_source *borrowed;
    void *kept;
  } value = {.borrowed = source};
  pthread_once(&slot_once, make_slot);
  if (!source) return;
  SSL_CTX_set_ex_data(ctx, slot, value.kept);
  SSL_CTX_set_tlsext_status_cb(ctx, on_status);
  SSL_CTX_set_tlsext_status_arg(ctx, staples ? ctx : NULL);
}

void gh_tls_status_begin_all(SSL_CTX *ctx)
{
  const gh_status_source *source = slot >= 0 ? SSL_CTX_get_ex_data(ctx, slot) : NULL;
  if (source && source->ask_stapled) SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp);
}

bool gh_tls_status_revoked_since(SSL *ssl, unsigned *seen)
{
  const gh_status_source *source = ssl ? source_of(ssl) : NULL;
  unsigned now = source && source->generation ? source->generation(source->ctx) : *seen;
  if (now == *seen) return false;
  *seen = now;
  return gh_tls_status_revoked(ssl, source);
}

void gh_tls_status_begin(SSL *ssl)
{
  const gh_status_source *source = source_of(ssl);
  if (!source) return;
  SSL_set_mode(ssl, SSL_MODE_ASYNC); /* the answer may be fetched */
  if (source->ask_stapled) SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
}
