/* The maker of a device vouches for its hardware identifier, and for nobody's AE-ID: an anchor that was configured
 * for one flavour of certificates is no anchor for another. So the flavour of the peer's certificate chooses the
 * anchors, before OpenSSL looks for a path. */
#include "link/anchors.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>

enum { SENT_MAX = 16 }; /* certificates of a peer that are looked at */

typedef STACK_OF(X509) stack;

/* Beside the store's own list, which has no room for it. Written before threads share the store. */
typedef struct lists {
  bool limited;                /* some anchors are for one flavour alone */
  stack *all;                  /* owned; the others borrow from it */
  stack *of[GH_CERT_FLAVOURS]; /* for certificates of this flavour */
  stack *general;              /* for those of which none can be read */
} lists;

static int slot = -1;
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void drop(lists *l)
{
  if (!l) return;
  for (int i = 0; i < GH_CERT_FLAVOURS; i++) sk_X509_free(l->of[i]);
  sk_X509_free(l->general);
  sk_X509_pop_free(l->all, X509_free);
  free(l);
}

static void on_free(void *parent, void *ptr, CRYPTO_EX_DATA *data, int at, long argl, void *argp)
{
  (void)parent, (void)data, (void)at, (void)argl, (void)argp;
  drop(ptr);
}

static void make_slot(void)
{
  slot = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_X509_STORE, 0, NULL, NULL, NULL, on_free);
}

static lists *new_lists(void)
{
  lists *l = gh_calloc(1, sizeof *l);
  l->all = sk_X509_new_null();
  l->general = sk_X509_new_null();
  bool made = l->all && l->general;
  for (int i = 0; i < GH_CERT_FLAVOURS; i++) made &= (l->of[i] = sk_X509_new_null()) != NULL;
  if (made) return l;
  drop(l);
  return NULL;
}

/* ---- reading them */

/* `list` NULL: for certificates of every flavour. */
static bool add(X509_STORE *store, lists *l, X509 *anchor, stack *list)
{
  if (X509_check_purpose(anchor, -1, 0) != 1) return false; /* decodes its extensions now, before threads share it */
  if (X509_STORE_add_cert(store, anchor) != 1 || sk_X509_push(l->all, anchor) <= 0) return false;
  X509_up_ref(anchor);
  if (list) return sk_X509_push(list, anchor) > 0;
  for (int i = 0; i < GH_CERT_FLAVOURS; i++)
    if (sk_X509_push(l->of[i], anchor) <= 0) return false;
  return sk_X509_push(l->general, anchor) > 0;
}

static gh_err add_all(X509_STORE *store, lists *l, gh_str pem, stack *list)
{
  if (gh_str_empty(pem)) return GH_OK;
  BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
  GH_REQUIRE(bio, GH_ECRYPTO);
  int count = 0;
  for (X509 *anchor; (anchor = PEM_read_bio_X509(bio, NULL, NULL, NULL)); X509_free(anchor))
    count += add(store, l, anchor, list);
  BIO_free(bio);
  ERR_clear_error();
  return count ? GH_OK : GH_ESYNTAX;
}

/*= TS-0003 8.1.2.2 only the configured anchors count, never the system's */
gh_err gh_anchors_set(SSL_CTX *ctx, const gh_tls_options *options)
{
  pthread_once(&slot_once, make_slot);
  GH_REQUIRE(slot >= 0, GH_ECRYPTO);
  if (gh_str_empty(options->anchors_pem)) return GH_OK;
  X509_STORE *store = SSL_CTX_get_cert_store(ctx);
  lists *l = new_lists();
  GH_REQUIRE(l, GH_ECRYPTO);
  gh_err err = add_all(store, l, options->anchors_pem, NULL);
  for (int i = 0; err == GH_OK && i < GH_CERT_FLAVOURS; i++) {
    l->limited |= !gh_str_empty(options->anchors_for[i]);
    err = add_all(store, l, options->anchors_for[i], l->of[i]);
  }
  if (err == GH_OK && X509_STORE_set_ex_data(store, slot, l) != 1) err = GH_ECRYPTO;
  if (err != GH_OK) drop(l);
  return err;
}

/* ---- choosing among them */

static const char *name_of(gh_cert_flavour flavour)
{
  static const char *const names[GH_CERT_FLAVOURS] = {"CA", "device", "Node-ID", "CSE-ID or FQDN", "AE-ID", "FQDN"};
  return (unsigned)flavour < GH_CERT_FLAVOURS ? names[flavour] : "such";
}

/* By their names and identifiers alone: whether they lead there indeed, the path validation says. */
static bool leads(X509 *cert, stack *to)
{
  for (int i = 0; i < sk_X509_num(to); i++) {
    X509 *above = sk_X509_value(to, i);
    if (above != cert && (X509_cmp(above, cert) == 0 || X509_check_issued(above, cert) == X509_V_OK)) return true;
  }
  return false;
}

static bool has(stack *s, const X509 *cert)
{
  for (int i = 0; i < sk_X509_num(s); i++)
    if (sk_X509_value(s, i) == cert) return true;
  return false;
}

/* Those of the certificates that were sent which lead to one of the anchors. OpenSSL follows the first issuer that it
 * meets and never turns back: of a CA with two certificates (cross-signed) it may take that which leads elsewhere.
 * NULL: no memory. */
static stack *leading_to(stack *anchors, stack *sent)
{
  stack *kept = sk_X509_new_null();
  for (int round = 0; kept && round < GH_CERT_PATH_MAX; round++)
    for (int i = 0; i < sk_X509_num(sent); i++) {
      X509 *cert = sk_X509_value(sent, i);
      bool found = !has(kept, cert) && (leads(cert, anchors) || leads(cert, kept));
      if (!found || sk_X509_push(kept, cert) > 0) continue;
      sk_X509_free(kept);
      return NULL;
    }
  return kept;
}

/* Is there a way from the certificate, by names, to one of the anchors? */
static bool is_below(X509 *cert, stack *anchors, stack *sent)
{
  stack *kept = leading_to(anchors, sent);
  bool below = kept && has(kept, cert);
  sk_X509_free(kept);
  return below;
}

static stack *for_certificate(const lists *l, X509 *cert, gh_cert_flavour *flavour)
{
  gh_arena arena;
  gh_str name;
  gh_diag ignored;
  gh_arena_init(&arena);
  bool known = gh_cert_identity(&arena, cert, flavour, &name, &ignored) == GH_OK;
  gh_arena_free(&arena);
  if (!known) *flavour = (gh_cert_flavour)GH_CERT_FLAVOURS;
  return known ? l->of[*flavour] : l->general;
}

static bool verify_below(X509_STORE_CTX *path, gh_cert_role role, const lists *l, gh_diag *diag)
{
  gh_cert_flavour flavour;
  X509 *cert = X509_STORE_CTX_get0_cert(path);
  stack *sent = X509_STORE_CTX_get0_untrusted(path), *anchors = for_certificate(l, cert, &flavour);
  X509_STORE_CTX_set0_trusted_stack(path, anchors);
  if (sk_X509_num(sent) > SENT_MAX) return gh_cert_path_verify(path, role, diag);
  stack *kept = leading_to(anchors, sent);
  X509_STORE_CTX_set0_untrusted(path, kept); /* none of them: then there is no path but from an anchor itself */
  bool stands = gh_cert_path_verify(path, role, diag);
  X509_STORE_CTX_set0_untrusted(path, sent);
  bool elsewhere = !stands && !has(kept, cert) && is_below(cert, l->all, sent);
  sk_X509_free(kept);
  if (!elsewhere) return stands;
  X509_STORE_CTX_set_error(path, X509_V_ERR_CERT_UNTRUSTED);
  return gh_fail(diag, GH_EAUTH, "its anchor does not vouch for %s certificates", name_of(flavour)) == GH_OK;
}

/*= TS-0003 8.1.2.4 of which flavour the other's certificate may be is configured, with the anchors for it */
bool gh_anchors_verify(X509_STORE_CTX *path, gh_cert_role role, gh_diag *diag)
{
  const lists *l = X509_STORE_get_ex_data(X509_STORE_CTX_get0_store(path), slot);
  return l && l->limited ? verify_below(path, role, l, diag) : gh_cert_path_verify(path, role, diag);
}
