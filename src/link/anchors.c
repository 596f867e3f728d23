/* The maker of a device vouches for its hardware identifier, and for nobody's AE-ID: an anchor that was configured
 * for one flavour of certificates is no anchor for another. */
#include "link/anchors.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>

enum { EVERY_FLAVOUR = -1 };

/* Beside the store's own list, which has no room for it. Written before threads share the store. */
typedef struct limited {
  struct limited *next;
  X509 *anchor; /* owned */
  int flavour;  /* gh_cert_flavour, or EVERY_FLAVOUR */
} limited;

static int slot = -1;
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void free_list(void *parent, void *list, CRYPTO_EX_DATA *data, int at, long argl, void *argp)
{
  (void)parent, (void)data, (void)at, (void)argl, (void)argp;
  for (limited *l = list, *next; l; l = next) {
    next = l->next;
    X509_free(l->anchor);
    free(l);
  }
}

static void make_slot(void)
{
  slot = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_X509_STORE, 0, NULL, NULL, NULL, free_list);
}

static bool add(X509_STORE *store, X509 *anchor, int flavour)
{
  if (X509_check_purpose(anchor, -1, 0) != 1) return false; /* decodes its extensions now, before threads share it */
  if (X509_STORE_add_cert(store, anchor) != 1) return false;
  limited *l = gh_malloc(sizeof *l);
  *l = (limited){.next = X509_STORE_get_ex_data(store, slot), .anchor = anchor, .flavour = flavour};
  X509_up_ref(anchor);
  if (X509_STORE_set_ex_data(store, slot, l) == 1) return true;
  X509_free(anchor);
  free(l);
  return false;
}

static gh_err add_all(X509_STORE *store, gh_str pem, int flavour)
{
  if (gh_str_empty(pem)) return GH_OK;
  BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
  GH_REQUIRE(bio, GH_ECRYPTO);
  int count = 0;
  for (X509 *anchor; (anchor = PEM_read_bio_X509(bio, NULL, NULL, NULL)); X509_free(anchor))
    count += add(store, anchor, flavour);
  BIO_free(bio);
  ERR_clear_error();
  return count ? GH_OK : GH_ESYNTAX;
}

/*= TS-0003 8.1.2.2 only the configured anchors count, never the system's */
gh_err gh_anchors_set(SSL_CTX *ctx, const gh_tls_options *options)
{
  pthread_once(&slot_once, make_slot);
  GH_REQUIRE(slot >= 0, GH_ECRYPTO);
  X509_STORE *store = SSL_CTX_get_cert_store(ctx);
  if (gh_str_empty(options->anchors_pem)) return GH_OK;
  GH_TRY(add_all(store, options->anchors_pem, EVERY_FLAVOUR));
  for (int flavour = 0; flavour < GH_CERT_FLAVOURS; flavour++)
    GH_TRY(add_all(store, options->anchors_for[flavour], flavour));
  return GH_OK;
}

static const char *name_of(gh_cert_flavour flavour)
{
  static const char *const names[GH_CERT_FLAVOURS] = {"CA", "device", "Node-ID", "CSE-ID or FQDN", "AE-ID", "FQDN"};
  return names[flavour];
}

/* A certificate may be an anchor in several of the lists. */
static bool listed(const limited *list, const X509 *anchor, int flavour)
{
  for (; list; list = list->next)
    if ((list->flavour == flavour || list->flavour == EVERY_FLAVOUR) && X509_cmp(list->anchor, anchor) == 0)
      return true;
  return false;
}

/*= TS-0003 8.1.2.4 of which flavour the other's certificate may be is configured, with the anchors for it */
bool gh_anchors_vouch(X509_STORE_CTX *path, gh_diag *diag)
{
  const limited *list = X509_STORE_get_ex_data(X509_STORE_CTX_get0_store(path), slot);
  STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(path);
  int length = sk_X509_num(chain);
  const X509 *anchor = length > 0 ? sk_X509_value(chain, length - 1) : NULL;
  if (!anchor) return gh_fail(diag, GH_EAUTH, "there is no path") == GH_OK;
  if (listed(list, anchor, EVERY_FLAVOUR)) return true;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_cert_flavour flavour = GH_CERT_CA;
  gh_str name;
  bool ok = gh_cert_identity(&arena, sk_X509_value(chain, 0), &flavour, &name, diag) == GH_OK;
  if (ok && !listed(list, anchor, (int)flavour))
    ok = gh_fail(diag, GH_EAUTH, "its anchor does not vouch for %s certificates", name_of(flavour)) == GH_OK;
  gh_arena_free(&arena);
  return ok;
}
