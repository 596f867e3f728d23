/* Client side of the handshake: one pre-shared key, a certificate, or a raw public key. */
#include "link/tls_status.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "crypto/cert_names.h"
#include "crypto/public_key_id.h"
#include "link/raw_public_key.h"

enum { SERVER_KEYS_MAX = 8 };

struct gh_tls_client {
  atomic_uint owners;
  SSL_CTX *ctx;
  char server_name[256];
  gh_str peer_name; /* owned; empty: server_name */
  gh_cert_flavour peer_flavour;
  gh_public_key_id server_keys[SERVER_KEYS_MAX];
  size_t server_key_count;
  gh_raw_key_judge raw_keys; /* of servers */
  char psk_identity[GH_PSK_IDENTITY_MAX + 1];
  gh_secret psk;
  bool require_ems;
  gh_diag refusal;     /* of a library's handshake */
  unsigned lists_seen; /* generation that its association was held against */
};

static unsigned on_psk(SSL *ssl, const char *hint, char *identity, unsigned identity_cap, unsigned char *out,
                       unsigned cap)
{
  (void)hint;
  const gh_tls_client *client = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0);
  size_t len = strlen(client->psk_identity);
  if (len >= identity_cap || client->psk.len > cap) return 0;
  memcpy(identity, client->psk_identity, len + 1);
  memcpy(out, client->psk.bytes, client->psk.len);
  return (unsigned)client->psk.len;
}

static gh_err set_peer_name(gh_tls_client *client, const gh_tls_client_options *options, gh_diag *diag)
{
  gh_arena arena;
  gh_cert_flavour flavour = options->peer_flavour;
  if (gh_str_empty(options->peer_name)) return GH_OK;
  if (flavour != GH_CERT_AE_ID && flavour != GH_CERT_NODE_ID && flavour != GH_CERT_DEVICE)
    return gh_fail(diag, GH_EINVAL, "a name of this flavour is given as server name");
  gh_arena_init(&arena);
  bool ae = flavour == GH_CERT_AE_ID;
  client->peer_name = gh_str_clone(ae ? gh_cert_lower_host(&arena, options->peer_name) : options->peer_name);
  client->peer_flavour = flavour;
  gh_arena_free(&arena);
  return GH_OK;
}

/*= TS-0003 8.1.2.4; 8.1.2.5; 10.1.2; the server's raw public key is one of those that were configured */
static bool expects_key(void *ctx, gh_str spki, gh_diag *diag)
{
  const gh_tls_client *client = ctx;
  for (size_t i = 0; i < client->server_key_count; i++)
    if (gh_public_key_id_matches(&client->server_keys[i], spki)) return true;
  return gh_fail(diag, GH_EAUTH, "the server has another raw public key than the expected one") == GH_OK;
}

static gh_err set_server_keys(gh_tls_client *client, gh_str list, gh_diag *diag)
{
  gh_str one;
  while (gh_str_split(&list, ' ', &one)) {
    if (!one.len) continue;
    if (client->server_key_count == SERVER_KEYS_MAX)
      return gh_fail(diag, GH_ELIMIT, "more than %d public keys of a server", SERVER_KEYS_MAX);
    if (gh_public_key_id_parse(one, &client->server_keys[client->server_key_count]) != GH_OK)
      return gh_fail(diag, GH_EINVAL, "'%.*s' is not an identifier of a public key", GH_STR_ARG(one));
    client->server_key_count++;
  }
  client->raw_keys = (gh_raw_key_judge){.knows = expects_key, .ctx = client, .only = client->server_key_count > 0};
  return GH_OK;
}

/* Its own key without a certificate, the server's, or both. */
static gh_err use_raw_keys(gh_tls_client *client, const gh_tls_options *tls, gh_diag *diag)
{
  bool of_server = client->server_key_count > 0, certified = !gh_str_empty(tls->chain_pem);
  bool own = !gh_str_empty(tls->key_pem) && (!certified || of_server);
  gh_err err = gh_raw_public_key_client(client->ctx, own, certified, of_server);
  if (err == GH_EUNSUPPORTED) return gh_fail(diag, err, "%s", GH_RAW_PUBLIC_KEY_NEEDS);
  if (err == GH_OK && of_server) gh_raw_public_key_judge(client->ctx, &client->raw_keys);
  return err;
}

static gh_err set_names(gh_tls_client *client, const gh_tls_client_options *options, gh_diag *diag)
{
  GH_TRY(set_peer_name(client, options, diag));
  if (gh_str_empty(options->psk_identity)) GH_TRY(set_server_keys(client, options->server_keys, diag));
  if (gh_str_empty(options->psk_identity) && gh_str_empty(options->server_name) && gh_str_empty(options->peer_name) &&
      !client->server_key_count)
    return gh_fail(diag, GH_EINVAL, "whom the server's certificate must name is not said");
  if (!gh_str_to_cstr(options->server_name, client->server_name, sizeof client->server_name))
    return gh_fail(diag, GH_EINVAL, "server name is too long or contains a NUL");
  if (!gh_str_to_cstr(options->psk_identity, client->psk_identity, sizeof client->psk_identity))
    return gh_fail(diag, GH_EINVAL, "PSK identity is longer than %d octets", GH_PSK_IDENTITY_MAX);
  if (options->psk) return gh_secret_set(&client->psk, options->psk->bytes, options->psk->len);
  return GH_OK;
}

gh_err gh_tls_client_new(const gh_tls_client_options *options, gh_tls_client **out, gh_diag *diag)
{
  gh_tls_client *client = gh_calloc(1, sizeof *client);
  atomic_init(&client->owners, 1);
  bool psk = !gh_str_empty(options->psk_identity);
  gh_tls_options tls = options->tls;
  if (options->tls12_only) tls.tls13 = false;
  if (psk) tls.chain_pem = tls.key_pem = tls.anchors_pem = GH_STR_NONE;
  gh_err err = set_names(client, options, diag);
  if (err == GH_OK)
    err = gh_tls_ctx_new(tls.datagram ? DTLS_client_method() : TLS_client_method(), &tls,
                         psk ? GH_TLS_PSK : GH_TLS_CERTIFICATE, &client->ctx, diag);
  if (err == GH_OK) err = use_raw_keys(client, &tls, diag);
  if (err != GH_OK) {
    gh_tls_client_free(client);
    return err;
  }
  client->require_ems = options->tls.require_ems;
  SSL_CTX_set_ex_data(client->ctx, 0, client);
  if (psk) SSL_CTX_set_psk_client_callback(client->ctx, on_psk);
  SSL_CTX_set_verify(client->ctx, SSL_VERIFY_PEER, NULL);
  *out = client;
  return GH_OK;
}

gh_tls_client *gh_tls_client_ref(gh_tls_client *client)
{
  if (client) atomic_fetch_add_explicit(&client->owners, 1, memory_order_relaxed);
  return client;
}

void gh_tls_client_free(gh_tls_client *client)
{
  if (!client || atomic_fetch_sub_explicit(&client->owners, 1, memory_order_acq_rel) != 1) return;
  SSL_CTX_free(client->ctx);
  gh_str_release(&client->peer_name);
  gh_secret_wipe(&client->psk);
  free(client);
}

SSL *gh_tls_client_ssl(gh_tls_client *client, gh_handshake *handshake)
{
  SSL *ssl = SSL_new(client->ctx);
  if (!ssl) return NULL;
  gh_tls_set_handshake(ssl, handshake);
  SSL_set_connect_state(ssl);
  gh_tls_read_ahead(ssl);
  gh_tls_status_begin(ssl);
  /*= TS-0003 10.2.1 server name indication; TS-0003 8.1.2.5 the FQDN is what the certificate must bear */
  if (client->server_name[0]) {
    SSL_set_tlsext_host_name(ssl, client->server_name);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (!client->peer_name.len && !client->server_key_count) SSL_set1_host(ssl, client->server_name);
  }
  return ssl;
}

/*= TS-0003 8.1.2.5 the name is checked by every SSL that is made from the context */
SSL_CTX *gh_tls_client_ctx(gh_tls_client *client)
{
  X509_VERIFY_PARAM *param = SSL_CTX_get0_param(client->ctx);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (X509_VERIFY_PARAM_set1_host(param, client->server_name, 0) != 1) return NULL;
  SSL_CTX_set_read_ahead(client->ctx, 0); /* it may wait at the socket for what OpenSSL has read already */
  gh_tls_status_begin_all(client->ctx);
  gh_tls_tell_refusals(client->ctx, &client->refusal);
  return client->ctx;
}

gh_diag gh_tls_client_refusal(gh_tls_client *client)
{
  gh_diag refusal = client->refusal;
  client->refusal = (gh_diag){""};
  return refusal;
}

/*= TS-0003 8.2.1 an association does not outlive its credential */
bool gh_tls_client_is_revoked(gh_tls_client *client, SSL *ssl)
{
  return gh_tls_status_revoked_since(ssl, &client->lists_seen);
}

/*= TS-0003 8.2.1 */
int64_t gh_tls_client_end_us(const SSL *ssl)
{
  X509 *peer = SSL_get0_peer_certificate(ssl), *own = SSL_get_certificate(ssl);
  int64_t end = peer ? gh_cert_not_after_us(peer) : INT64_MAX, own_end = own ? gh_cert_not_after_us(own) : INT64_MAX;
  return own_end < end ? own_end : end;
}

gh_err gh_tls_client_take(gh_tls_client *client, gh_tls_client *from)
{
  STACK_OF(X509) *chain = NULL;
  SSL_CTX_get0_chain_certs(from->ctx, &chain);
  GH_REQUIRE(SSL_CTX_use_cert_and_key(client->ctx, SSL_CTX_get0_certificate(from->ctx),
                                      SSL_CTX_get0_privatekey(from->ctx), chain, 1) == 1,
             GH_ECRYPTO);
  SSL_CTX_set1_cert_store(client->ctx, SSL_CTX_get_cert_store(from->ctx));
  return GH_OK;
}

static gh_peer_kind kind_of(gh_cert_flavour flavour)
{
  return flavour == GH_CERT_AE_ID ? GH_PEER_AE : GH_PEER_NODE;
}

/*= TS-0003 8.1.2.4; 8.1.2.5; the configured globally unique identifier, in a name of the configured flavour */
static gh_err check_peer_name(const gh_tls_client *client, X509 *cert, gh_diag *diag)
{
  gh_arena arena;
  gh_cert_flavour flavour;
  gh_str name;
  gh_arena_init(&arena);
  gh_err err = gh_cert_identity(&arena, cert, &flavour, &name, diag);
  if (err == GH_OK && (flavour != client->peer_flavour || !gh_str_eq(name, client->peer_name)))
    err = gh_fail(diag, GH_EAUTH, "the server's certificate names %.*s", GH_STR_ARG(name));
  gh_arena_free(&arena);
  return err;
}

static gh_err check_raw_key(const gh_tls_client *client, SSL *ssl, gh_peer *peer, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str spki = gh_raw_public_key_of_peer(&arena, ssl);
  bool fits = spki.len && expects_key((void *)(uintptr_t)client, spki, NULL);
  gh_arena_free(&arena);
  if (!fits) return gh_fail(diag, GH_EAUTH, "the server did not prove the expected public key");
  gh_peer found = {.kind = GH_PEER_FUNCTION, .method = GH_METHOD_PUBLIC_KEY, .id = gh_str_of(client->server_name)};
  gh_peer_copy(peer, &found);
  return GH_OK;
}

gh_err gh_tls_client_peer(gh_tls_client *client, SSL *ssl, gh_peer *peer, gh_diag *diag)
{
  if (client->require_ems && gh_tls_lacks_ems(ssl)) return gh_fail(diag, GH_EPROTO, "no extended master secret");
  if (client->server_key_count) return check_raw_key(client, ssl, peer, diag);
  X509 *cert = SSL_get0_peer_certificate(ssl);
  bool psk = client->psk_identity[0] != '\0';
  if (psk && cert) return gh_fail(diag, GH_EAUTH, "the server did not prove the pre-shared key");
  if (!psk && (!cert || SSL_get_verify_result(ssl) != X509_V_OK))
    return gh_fail(diag, GH_EAUTH, "the server's certificate does not verify");
  if (cert) GH_TRY(gh_cert_check_profile(cert, diag));
  gh_peer found = {.kind = GH_PEER_FUNCTION,
                   .method = psk ? GH_METHOD_PSK : GH_METHOD_CERTIFICATE,
                   .id = gh_str_of(client->server_name),
                   .key_id = gh_str_of(client->psk_identity), /* its revocation ends the association */
                   .not_after_us = cert ? gh_cert_not_after_us(cert) : 0};
  if (cert && client->peer_name.len) {
    GH_TRY(check_peer_name(client, cert, diag));
    found.kind = kind_of(client->peer_flavour);
    found.id = client->peer_name;
  }
  gh_peer_copy(peer, &found);
  return GH_OK;
}
