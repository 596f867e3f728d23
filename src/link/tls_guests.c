/* Owns the anchors of other realms. Must never let an anchor speak for a name that is not its guest's, nor our own
 * anchors for a guest: a certification authority elsewhere can then make itself nobody but its own IN-CSE. */
#include "link/tls_guests.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>

typedef struct guest {
  gh_str fqdn;
  STACK_OF(X509) * anchors;
} guest;

typedef struct guests {
  size_t count;
  guest items[];
} guests;

static int slot = -1;
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void drop(guests *g)
{
  for (size_t i = 0; g && i < g->count; i++) {
    gh_str_release(&g->items[i].fqdn);
    sk_X509_pop_free(g->items[i].anchors, X509_free);
  }
  free(g);
}

static void on_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
  (void)parent;
  (void)ad;
  (void)index;
  (void)argl;
  (void)argp;
  drop(ptr);
}

static void make_slot(void)
{
  slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_free);
}

static gh_err read_anchors(const gh_tls_guest *from, guest *to, gh_diag *diag)
{
  to->fqdn = gh_str_clone(from->fqdn);
  to->anchors = sk_X509_new_null();
  GH_REQUIRE(to->anchors, GH_ECRYPTO);
  if (gh_str_empty(from->anchors_pem)) return GH_OK;
  BIO *bio = BIO_new_mem_buf(from->anchors_pem.ptr, (int)from->anchors_pem.len);
  GH_REQUIRE(bio, GH_ECRYPTO);
  for (X509 *anchor; (anchor = PEM_read_bio_X509(bio, NULL, NULL, NULL));) {
    /* decodes its extensions now, before threads share it */
    bool kept = X509_check_purpose(anchor, -1, 0) == 1 && sk_X509_push(to->anchors, anchor) > 0;
    if (!kept) X509_free(anchor);
  }
  BIO_free(bio);
  ERR_clear_error();
  if (sk_X509_num(to->anchors)) return GH_OK;
  return gh_fail(diag, GH_ESYNTAX, "no trust anchor of %.*s could be read", GH_STR_ARG(from->fqdn));
}

gh_err gh_tls_guests_set(SSL_CTX *ctx, const gh_tls_options *options, gh_diag *diag)
{
  if (!options->guest_count) return GH_OK;
  pthread_once(&slot_once, make_slot);
  guests *g = gh_calloc(1, sizeof *g + options->guest_count * sizeof *g->items);
  gh_err err = GH_OK;
  for (size_t i = 0; err == GH_OK && i < options->guest_count; i++) {
    g->count = i + 1;
    err = read_anchors(&options->guests[i], &g->items[i], diag);
  }
  if (err == GH_OK && SSL_CTX_set_ex_data(ctx, slot, g) == 1) return GH_OK;
  drop(g);
  return err == GH_OK ? gh_fail(diag, GH_ECRYPTO, "the anchors of other realms cannot be kept") : err;
}

static const guest *named(const guests *g, X509 *cert)
{
  gh_arena arena;
  gh_cert_flavour flavour;
  gh_str name;
  gh_diag ignored;
  const guest *found = NULL;
  gh_arena_init(&arena);
  bool read = cert && gh_cert_identity(&arena, cert, &flavour, &name, &ignored) == GH_OK;
  bool domain = read && (flavour == GH_CERT_CSE_ID || flavour == GH_CERT_FQDN);
  for (size_t i = 0; domain && !found && i < g->count; i++)
    if (gh_str_eq_nocase(g->items[i].fqdn, name)) found = &g->items[i];
  gh_arena_free(&arena);
  return found;
}

/*= TS-0003 8.1.2.2; 8.1.2.4 the trust anchor that was configured for this entity */
bool gh_tls_guests_choose(SSL *ssl, X509_STORE_CTX *path)
{
  pthread_once(&slot_once, make_slot);
  const guests *g = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot);
  const guest *found = g ? named(g, X509_STORE_CTX_get0_cert(path)) : NULL;
  if (found) X509_STORE_CTX_set0_trusted_stack(path, found->anchors);
  return found != NULL;
}
