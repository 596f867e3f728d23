/* Owns the making of certificates in the profile of TS-0003 10.1.1, for the CA of a realm. Must never issue
 * what gh_cert_check_profile or the name constraints of the issuer would refuse. */
#include "crypto/certs.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "crypto/cert_names.h"
#include "gatehouse/secret.h"

enum { SERIAL_BYTES = 16, COMMON_NAME_MAX_BYTES = 64 };

static gh_err library_failed(gh_diag *diag, const char *what)
{
  ERR_clear_error();
  return gh_fail(diag, GH_ECRYPTO, "certificate: the cryptographic library failed at %s", what);
}

gh_err gh_cert_new_key(EVP_PKEY **out)
{
  EVP_PKEY *key = EVP_EC_gen("P-256");
  if (!key) return library_failed(NULL, "key");
  *out = key;
  return GH_OK;
}

/* ---- what is asked for */

static gh_err check_ca(const gh_cert_request *r, gh_diag *diag)
{
  if (r->name.len == 0 || r->name.len > COMMON_NAME_MAX_BYTES || gh_str_find(r->name, '\0') != SIZE_MAX)
    return gh_fail(diag, GH_EINVAL, "certificate: CA name must have 1 to %d octets", COMMON_NAME_MAX_BYTES);
  if (!gh_str_empty(r->constraint) && !gh_cert_dns_valid(r->constraint))
    return gh_fail(diag, GH_EINVAL, "certificate: constraint '%.*s' is not an FQDN", GH_STR_ARG(r->constraint));
  return GH_OK;
}

static bool node_id_valid(gh_str name)
{
  gh_str scheme, rest;
  if (name.len > GH_CERT_NAME_MAX_BYTES || !gh_cert_uri_split(name, &scheme, &rest) || rest.len == 0) return false;
  if (gh_str_eq_nocase(scheme, GH_STR("m2m"))) return false;
  for (size_t i = 0; i < name.len; i++) {
    if (name.ptr[i] <= ' ' || name.ptr[i] > '~' || name.ptr[i] == '*') return false;
  }
  return !gh_cert_ae_id_valid(rest);
}

static bool device_name_valid(gh_str name)
{
  gh_str indication, arcs;
  return name.len <= GH_CERT_NAME_MAX_BYTES && gh_cert_device_split(name, &indication, &arcs) == GH_OK;
}

/*= TS-0003 10.1.1.5; 10.1.1.6; 10.1.1.7; 10.1.1.8; names per flavour; no wildcards */
static gh_err check_name(const gh_cert_request *r, gh_diag *diag)
{
  bool ok = false;
  switch (r->flavour) {
  case GH_CERT_CA: return check_ca(r, diag);
  case GH_CERT_DEVICE: ok = device_name_valid(r->name); break;
  case GH_CERT_NODE_ID: ok = node_id_valid(r->name); break;
  case GH_CERT_AE_ID: ok = gh_cert_ae_id_valid(r->name); break;
  case GH_CERT_CSE_ID:
  case GH_CERT_FQDN: ok = gh_cert_dns_valid(r->name); break;
  }
  if (ok) return GH_OK;
  return gh_fail(diag, GH_EINVAL, "certificate: '%.*s' is not a name of this flavour", GH_STR_ARG(r->name));
}

static bool is_p256(EVP_PKEY *key)
{
  char group[32];
  return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) &&
         OBJ_txt2nid(group) == NID_X9_62_prime256v1;
}

static gh_err check_request(const gh_cert_request *r, EVP_PKEY *subject_key, X509 *issuer, EVP_PKEY *signer,
                            gh_diag *diag)
{
  GH_TRY(check_name(r, diag));
  if (r->not_after_us <= r->not_before_us)
    return gh_fail(diag, GH_EINVAL, "certificate: its end is not behind its beginning");
  /*= TS-0003 10.1.1.1; P-256 for every key of the chain */
  if (!is_p256(subject_key) || !is_p256(signer))
    return gh_fail(diag, GH_EINVAL, "certificate: keys must be on the curve P-256");
  if (!issuer) return GH_OK;
  if (X509_check_ca(issuer) != 1 || X509_check_private_key(issuer, signer) != 1) {
    ERR_clear_error();
    return gh_fail(diag, GH_EINVAL, "certificate: the issuer is no CA, or the key is not its own");
  }
  return GH_OK;
}

/* ---- the body */

static bool set_serial(X509 *cert)
{
  unsigned char octets[SERIAL_BYTES];
  if (RAND_bytes(octets, sizeof(octets)) != 1) return false;
  octets[0] = (unsigned char)((octets[0] & 0x7f) | 0x40); /* positive, and always of full length */
  BIGNUM *number = BN_bin2bn(octets, sizeof(octets), NULL);
  bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
  BN_free(number);
  return ok;
}

static bool set_times(X509 *cert, const gh_cert_request *r)
{
  return ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(r->not_before_us / GH_US_PER_S)) &&
         ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(r->not_after_us / GH_US_PER_S));
}

/* The common name is for the eye only. A device name gets a prefix, lest dotted arcs be taken for a DNS name that
 * name constraints then refuse; what does not fit is left out. */
static bool set_subject(X509 *cert, const gh_cert_request *r)
{
  gh_buf text = GH_BUF_INIT;
  if (r->flavour == GH_CERT_DEVICE) gh_buf_add(&text, GH_STR("urn:oid:"));
  gh_buf_add(&text, r->name);
  bool ok = text.len > COMMON_NAME_MAX_BYTES ||
            X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName, MBSTRING_UTF8,
                                       (const unsigned char *)text.ptr, (int)text.len, -1, 0);
  gh_buf_free(&text);
  return ok;
}

static bool set_body(X509 *cert, const gh_cert_request *r, EVP_PKEY *subject_key, X509 *issuer)
{
  return X509_set_version(cert, X509_VERSION_3) && set_serial(cert) && set_times(cert, r) && set_subject(cert, r) &&
         X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert)) &&
         X509_set_pubkey(cert, subject_key);
}

/* ---- extensions */

static bool add_ext(X509 *cert, int nid, void *value, bool critical)
{
  return value && X509_add1_ext_i2d(cert, nid, value, critical, X509V3_ADD_APPEND) == 1;
}

static bool add_basic_constraints(X509 *cert, bool ca)
{
  BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
  if (bc) bc->ca = ca ? 0xff : 0;
  bool ok = add_ext(cert, NID_basic_constraints, bc, true);
  BASIC_CONSTRAINTS_free(bc);
  return ok;
}

/*= TS-0003 10.1.1.1; keyUsage holds digitalSignature in every certificate, CA certificates included */
static bool add_key_usage(X509 *cert, bool ca)
{
  enum { DIGITAL_SIGNATURE = 0, KEY_CERT_SIGN = 5, CRL_SIGN = 6 };
  ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
  bool ok = bits && ASN1_BIT_STRING_set_bit(bits, DIGITAL_SIGNATURE, 1);
  if (ok && ca) ok = ASN1_BIT_STRING_set_bit(bits, KEY_CERT_SIGN, 1) && ASN1_BIT_STRING_set_bit(bits, CRL_SIGN, 1);
  ok = ok && add_ext(cert, NID_key_usage, bits, true);
  ASN1_BIT_STRING_free(bits);
  return ok;
}

/* Everybody is a TLS server here and a client there: an AE that is request-reachable, a CSE towards its registrar. */
static bool add_ext_key_usage(X509 *cert)
{
  EXTENDED_KEY_USAGE *uses = EXTENDED_KEY_USAGE_new();
  bool ok = uses && sk_ASN1_OBJECT_push(uses, OBJ_nid2obj(NID_server_auth)) &&
            sk_ASN1_OBJECT_push(uses, OBJ_nid2obj(NID_client_auth)) && add_ext(cert, NID_ext_key_usage, uses, false);
  EXTENDED_KEY_USAGE_free(uses);
  return ok;
}

static bool add_ext_text(X509 *cert, X509 *issuer, int nid, const char *text)
{
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, issuer ? issuer : cert, cert, NULL, NULL, 0);
  X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
  bool ok = ext && X509_add_ext(cert, ext, -1);
  X509_EXTENSION_free(ext);
  return ok;
}

/*= TS-0003 8.1.2.2; CA certificates carry name constraints */
static bool add_name_constraints(X509 *cert, gh_str sp_fqdn)
{
  if (gh_str_empty(sp_fqdn)) return true;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str host = gh_cert_lower_host(&arena, sp_fqdn);
  gh_str text =
      gh_arena_fmt(&arena, "critical,permitted;DNS:%.*s,permitted;URI:%.*s", GH_STR_ARG(host), GH_STR_ARG(host));
  bool ok = add_ext_text(cert, NULL, NID_name_constraints, text.ptr);
  gh_arena_free(&arena);
  return ok;
}

/* ---- subjectAltName */

static GENERAL_NAME *text_name(int type, gh_str text)
{
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_IA5STRING *value = ASN1_IA5STRING_new();
  if (!name || !value || !ASN1_STRING_set(value, text.ptr, (int)text.len)) {
    GENERAL_NAME_free(name);
    ASN1_IA5STRING_free(value);
    return NULL;
  }
  GENERAL_NAME_set0_value(name, type, value);
  return name;
}

/* An ASN.1 value of the type RELATIVE-OID, which the library knows only as octets. */
static ASN1_TYPE *relative_oid(gh_str arcs)
{
  gh_buf content = GH_BUF_INIT, der = GH_BUF_INIT;
  ASN1_TYPE *type = ASN1_TYPE_new();
  ASN1_STRING *octets = ASN1_STRING_type_new(V_ASN1_OTHER);
  bool ok = type && octets && gh_cert_arcs_encode(arcs, &content) == GH_OK && content.len < 128;
  if (ok) {
    gh_buf_add_char(&der, 0x0d);
    gh_buf_add_char(&der, (char)content.len);
    gh_buf_add(&der, gh_buf_str(&content));
    ok = ASN1_STRING_set(octets, der.ptr, (int)der.len) == 1;
  }
  gh_buf_free(&content);
  gh_buf_free(&der);
  if (!ok) {
    ASN1_TYPE_free(type);
    ASN1_STRING_free(octets);
    return NULL;
  }
  ASN1_TYPE_set(type, V_ASN1_OTHER, octets);
  return type;
}

/*= TS-0003 10.1.1.4.1; the M2M Device ID as otherName, type-id the device indication, value the remaining arcs */
static GENERAL_NAME *device_name(gh_str dotted)
{
  gh_str indication, arcs;
  char text[GH_CERT_NAME_MAX_BYTES];
  if (gh_cert_device_split(dotted, &indication, &arcs) != GH_OK) return NULL;
  if (!gh_str_to_cstr(indication, text, sizeof(text))) return NULL;
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_OBJECT *oid = OBJ_txt2obj(text, 1);
  ASN1_TYPE *value = relative_oid(arcs);
  if (!name || !oid || !value || !GENERAL_NAME_set0_othername(name, oid, value)) {
    GENERAL_NAME_free(name);
    ASN1_OBJECT_free(oid);
    ASN1_TYPE_free(value);
    return NULL;
  }
  return name;
}

static GENERAL_NAME *subject_name(const gh_cert_request *r, gh_arena *arena)
{
  switch (r->flavour) {
  case GH_CERT_CA: break;
  case GH_CERT_DEVICE: return device_name(r->name);
  case GH_CERT_NODE_ID: return text_name(GEN_URI, r->name);
  /*= TS-0003 10.1.1.5; the AE-ID as URI */
  case GH_CERT_AE_ID: {
    gh_str id = gh_cert_lower_host(arena, r->name);
    return text_name(GEN_URI, gh_arena_fmt(arena, GH_AE_URI_SCHEME "%.*s", GH_STR_ARG(id)));
  }
  /*= TS-0003 10.1.1.6; 10.1.1.7; the public domain name of a CSE, the FQDN of a MAF or MEF */
  case GH_CERT_CSE_ID:
  case GH_CERT_FQDN: return text_name(GEN_DNS, gh_cert_lower_host(arena, r->name));
  }
  return NULL;
}

static bool add_subject_alt_name(X509 *cert, const gh_cert_request *r)
{
  gh_arena arena;
  gh_arena_init(&arena);
  GENERAL_NAME *name = subject_name(r, &arena);
  GENERAL_NAMES *names = GENERAL_NAMES_new();
  bool ok = name && names && sk_GENERAL_NAME_push(names, name);
  if (ok)
    ok = add_ext(cert, NID_subject_alt_name, names, X509_NAME_entry_count(X509_get_subject_name(cert)) == 0);
  else
    GENERAL_NAME_free(name);
  GENERAL_NAMES_free(names);
  gh_arena_free(&arena);
  return ok;
}

static bool add_extensions(X509 *cert, const gh_cert_request *r, X509 *issuer)
{
  bool ca = r->flavour == GH_CERT_CA;
  return add_basic_constraints(cert, ca) && add_key_usage(cert, ca) && (ca || add_ext_key_usage(cert)) &&
         (ca || add_subject_alt_name(cert, r)) && (!ca || add_name_constraints(cert, r->constraint)) &&
         add_ext_text(cert, NULL, NID_subject_key_identifier, "hash") &&
         add_ext_text(cert, issuer, NID_authority_key_identifier, "keyid:always");
}

/* ---- signing */

/*= TS-0003 8.1.2.2; what an issuer signs satisfies the name constraints of the issuer */
static gh_err check_constraints(X509 *cert, X509 *issuer, gh_diag *diag)
{
  if (!issuer) return GH_OK;
  NAME_CONSTRAINTS *nc = X509_get_ext_d2i(issuer, NID_name_constraints, NULL, NULL);
  if (!nc) return GH_OK;
  X509_check_purpose(cert, -1, 0); /* the check reads names that only this call unpacks */
  int result = NAME_CONSTRAINTS_check(cert, nc);
  if (result == X509_V_OK && X509_check_ca(cert) == 0) result = NAME_CONSTRAINTS_check_CN(cert, nc);
  NAME_CONSTRAINTS_free(nc);
  if (result == X509_V_OK) return GH_OK;
  ERR_clear_error();
  return gh_fail(diag, GH_EINVAL, "certificate: the name constraints of the issuer forbid this name (%s)",
                 X509_verify_cert_error_string(result));
}

static gh_err make(const gh_cert_request *r, EVP_PKEY *subject_key, X509 *issuer, EVP_PKEY *signer, X509 *cert,
                   gh_diag *diag)
{
  if (!set_body(cert, r, subject_key, issuer)) return library_failed(diag, "body");
  if (!add_extensions(cert, r, issuer)) return library_failed(diag, "extensions");
  /*= TS-0003 10.1.1.3; ecdsa-with-SHA256 */
  if (X509_sign(cert, signer, EVP_sha256()) <= 0) return library_failed(diag, "signature");
  GH_TRY(check_constraints(cert, issuer, diag));
  return gh_cert_check_profile(cert, diag);
}

gh_err gh_cert_issue(const gh_cert_request *request, EVP_PKEY *subject_key, X509 *issuer_cert, EVP_PKEY *issuer_key,
                     X509 **out, gh_diag *diag)
{
  if (!issuer_cert != !issuer_key) return gh_fail(diag, GH_EINVAL, "certificate: issuer without its other half");
  EVP_PKEY *signer = issuer_key ? issuer_key : subject_key;
  GH_TRY(check_request(request, subject_key, issuer_cert, signer, diag));
  X509 *cert = X509_new();
  if (!cert) return library_failed(diag, "memory");
  gh_err err = make(request, subject_key, issuer_cert, signer, cert, diag);
  if (err != GH_OK) {
    X509_free(cert);
    return err;
  }
  *out = cert;
  return GH_OK;
}
