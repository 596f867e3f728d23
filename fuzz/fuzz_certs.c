/* Certificates as foreign octets. The first octet says what is foreign: the certificate as a whole; the names of one
 * that a constrained CA signed; the constraints of an intermediate CA. Whatever they are, nobody gets a name that the
 * anchor's constraints deny. */
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/clock.h"
#include "crypto/cert_path.h"
#include "m2m/ids.h"

#define MUST(cond)                                                                                                   \
  do {                                                                                                               \
    if (!(cond)) abort();                                                                                            \
  } while (0)
#define SP "sp.example.com"
#define STRANGER "//evil.example.org/in-cse/Cae1"

static EVP_PKEY *key; /* of everybody: what is tried is not whether signatures verify */
static X509 *root, *member, *stranger, *middle;
static X509_STORE *anchors;

static X509 *made(gh_cert_flavour flavour, const char *name, const char *constraint, X509 *issuer)
{
  X509 *cert = NULL;
  gh_diag diag;
  const gh_cert_request request = {.flavour = flavour,
                                   .name = gh_str_of(name),
                                   .constraint = gh_str_of(constraint),
                                   .not_before_us = GH_US_PER_S,
                                   .not_after_us = INT64_C(4000000000) * GH_US_PER_S};
  MUST(gh_cert_issue(&request, key, issuer, issuer ? key : NULL, &cert, &diag) == GH_OK);
  return cert;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  (void)argc;
  (void)argv;
  MUST(gh_cert_new_key(&key) == GH_OK);
  X509 *open = made(GH_CERT_CA, "Open", "", NULL); /* issues what the constrained one would not */
  root = made(GH_CERT_CA, "Root", SP, NULL);
  member = made(GH_CERT_AE_ID, "//" SP "/in-cse/Cae1", "", root);
  stranger = made(GH_CERT_AE_ID, STRANGER, "", open);
  middle = made(GH_CERT_CA, "Middle", "", root);
  MUST(X509_set_issuer_name(stranger, X509_get_subject_name(middle)) == 1);
  X509_free(open);
  MUST((anchors = X509_STORE_new()) && X509_STORE_add_cert(anchors, root) == 1);
  return 0;
}

/* A copy of `model` with the octets as that extension, signed. NULL: OpenSSL does not take them. */
static X509 *with_extension(const X509 *model, int nid, gh_str octets)
{
  X509 *cert = X509_dup((X509 *)(uintptr_t)model);
  ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
  MUST(cert && value);
  for (int at; (at = X509_get_ext_by_NID(cert, nid, -1)) >= 0;) X509_EXTENSION_free(X509_delete_ext(cert, at));
  bool ok = ASN1_OCTET_STRING_set(value, (const unsigned char *)octets.ptr, (int)octets.len) == 1;
  X509_EXTENSION *extension = ok ? X509_EXTENSION_create_by_NID(NULL, nid, 1, value) : NULL;
  ok = extension && X509_add_ext(cert, extension, -1) == 1 && X509_sign(cert, key, EVP_sha256()) > 0;
  X509_EXTENSION_free(extension);
  ASN1_OCTET_STRING_free(value);
  if (ok) return cert;
  X509_free(cert);
  return NULL;
}

static bool path_stands(X509 *cert, X509 *intermediate)
{
  gh_diag diag = {""};
  STACK_OF(X509) *sent = sk_X509_new_null();
  X509_STORE_CTX *ctx = X509_STORE_CTX_new();
  MUST(sent && ctx);
  if (intermediate) sk_X509_push(sent, intermediate);
  MUST(X509_STORE_CTX_init(ctx, anchors, cert, sent) == 1);
  X509_STORE_CTX_set_default(ctx, "ssl_client");
  bool stands = gh_cert_path_verify(ctx, GH_CERT_OF_CLIENT, &diag);
  MUST(stands == (X509_STORE_CTX_get_error(ctx) == X509_V_OK));
  X509_STORE_CTX_free(ctx);
  sk_X509_free(sent);
  ERR_clear_error();
  return stands;
}

/* Whom a certificate names is read alike twice, and is of the form that its kind has. */
static bool identity(gh_arena *arena, X509 *cert, gh_cert_flavour *flavour, gh_str *name)
{
  gh_diag diag = {""};
  gh_cert_flavour again;
  gh_str same;
  if (gh_cert_identity(arena, cert, flavour, name, &diag) != GH_OK) {
    MUST(diag.text[0]);
    return false;
  }
  MUST(gh_cert_identity(arena, cert, &again, &same, &diag) == GH_OK && again == *flavour && gh_str_eq(same, *name));
  MUST(name->len && !memchr(name->ptr, '*', name->len) && !memchr(name->ptr, '\0', name->len));
  if (*flavour == GH_CERT_AE_ID) MUST(gh_id_parse(*name).scope == GH_SCOPE_ABSOLUTE);
  return true;
}

static bool within(gh_cert_flavour flavour, gh_str name)
{
  if (flavour == GH_CERT_AE_ID) return gh_str_starts(name, GH_STR("//" SP "/"));
  if (flavour == GH_CERT_CSE_ID || flavour == GH_CERT_FQDN)
    return gh_str_ends(name, GH_STR("." SP)) || gh_str_eq(name, GH_STR(SP));
  return true; /* nodes and devices are not of a domain */
}

static void whole(gh_arena *arena, gh_str octets)
{
  const unsigned char *at = (const unsigned char *)octets.ptr;
  X509 *cert = d2i_X509(NULL, &at, (long)octets.len);
  gh_diag diag = {""};
  gh_cert_flavour flavour;
  gh_str name;
  ERR_clear_error();
  if (!cert) return;
  (void)gh_cert_check_profile(cert, &diag);
  (void)gh_cert_purpose(cert, GH_CERT_OF_SERVER, &diag);
  (void)gh_cert_not_after_us(cert);
  (void)identity(arena, cert, &flavour, &name);
  MUST(!path_stands(cert, middle)); /* a key of this run has not signed it */
  X509_free(cert);
}

static void names(gh_arena *arena, gh_str octets)
{
  X509 *cert = with_extension(member, NID_subject_alt_name, octets);
  gh_cert_flavour flavour;
  gh_str name;
  if (!cert) return;
  bool stands = path_stands(cert, NULL), named = identity(arena, cert, &flavour, &name);
  MUST(!stands || !named || within(flavour, name));
  X509_free(cert);
}

static void constraints(gh_str octets)
{
  X509 *ca = with_extension(middle, NID_name_constraints, octets), *below = X509_dup(stranger);
  MUST(below && X509_sign(below, key, EVP_sha256()) > 0);
  if (ca) MUST(!path_stands(below, ca));
  X509_free(ca);
  X509_free(below);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  gh_arena arena;
  if (size < 1 || size > 8192) return 0;
  gh_str octets = {(const char *)data + 1, size - 1};
  gh_arena_init(&arena);
  if (data[0] % 3 == 0) whole(&arena, octets);
  if (data[0] % 3 == 1) names(&arena, octets);
  if (data[0] % 3 == 2) constraints(octets);
  gh_arena_free(&arena);
  ERR_clear_error();
  return 0;
}
