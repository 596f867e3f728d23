/* Owns the reading of a peer's certificate: the one name it proves, whether it keeps the profile of TS-0003 10.1.1.
 * Must never guess: two names, odd names or no name are a refusal. */
#include "crypto/certs.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "crypto/cert_names.h"
#include "crypto/cert_private.h"

enum { RELATIVE_OID = 13, P256_POINT_BYTES = 65, OID_TEXT_BYTES = 256 };

/* ---- names */

typedef struct found {
  gh_cert_flavour flavour;
  gh_str name;
  size_t count; /* usable names seen */
} found;

static gh_str asn1_octets(const ASN1_STRING *s)
{
  return (gh_str){(const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
}

static void keep(found *f, gh_cert_flavour flavour, gh_str name)
{
  f->flavour = flavour;
  f->name = name;
  f->count++;
}

static gh_err refuse(gh_diag *diag, const char *why)
{
  ERR_clear_error();
  return gh_fail(diag, GH_EAUTH, "certificate: %s", why);
}

static gh_err read_dns(gh_arena *arena, gh_str text, found *f, gh_diag *diag)
{
  /*= TS-0003 10.1.1.6; 10.1.1.7; no wildcards; the grammar of a DNS name has no place for one */
  if (!gh_cert_dns_valid(text)) return refuse(diag, "a dNSName is no plain domain name");
  keep(f, GH_CERT_CSE_ID, gh_cert_lower_host(arena, text));
  return GH_OK;
}

static bool is_uri_text(gh_str text)
{
  if (text.len == 0 || text.len > GH_CERT_NAME_MAX_BYTES) return false;
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || text.ptr[i] == '*') return false;
  }
  return true;
}

/*= TS-0003 10.1.1.5; 10.1.1.8; an AE-ID stands in a URI; its scheme is not profiled, so that only the rest counts */
static gh_err read_uri(gh_arena *arena, gh_str text, found *f, gh_diag *diag)
{
  if (!is_uri_text(text)) return refuse(diag, "a URI name has a wildcard or odd characters");
  gh_str scheme = GH_STR_NONE, rest = text;
  bool has_scheme = gh_cert_uri_split(text, &scheme, &rest);
  if (gh_cert_ae_id_valid(rest)) {
    keep(f, GH_CERT_AE_ID, gh_cert_lower_host(arena, rest));
    return GH_OK;
  }
  if (!has_scheme || rest.len == 0 || gh_str_eq_nocase(scheme, GH_STR("m2m")))
    return refuse(diag, "a URI name is neither an absolute AE-ID nor a Node-ID");
  keep(f, GH_CERT_NODE_ID, gh_arena_dup(arena, text));
  return GH_OK;
}

static gh_err oid_text(gh_arena *arena, const ASN1_OBJECT *oid, gh_str *out)
{
  char text[OID_TEXT_BYTES];
  int len = OBJ_obj2txt(text, sizeof(text), oid, 1);
  GH_REQUIRE(len > 0 && len < (int)sizeof(text), GH_EAUTH);
  *out = gh_arena_dup(arena, (gh_str){text, (size_t)len});
  return GH_OK;
}

/*= TS-0003 10.1.1.4.1; type-id is the device indication, the value holds the remaining arcs */
static gh_err device_oid(gh_arena *arena, const ASN1_OBJECT *oid, gh_str arcs, gh_str *out)
{
  gh_str indication;
  GH_TRY(oid_text(arena, oid, &indication));
  gh_buf dotted = GH_BUF_INIT;
  gh_err err = gh_cert_arcs_decode(arcs, &dotted);
  if (err == GH_OK) *out = gh_arena_fmt(arena, "%.*s.%.*s", GH_STR_ARG(indication), GH_STR_ARG(gh_buf_str(&dotted)));
  gh_buf_free(&dotted);
  return err;
}

gh_err gh_cert_device_oid(gh_arena *arena, const GENERAL_NAME *name, gh_str *oid)
{
  ASN1_OBJECT *type;
  ASN1_TYPE *value;
  if (name->type == GEN_RID) return oid_text(arena, name->d.registeredID, oid);
  GH_REQUIRE(GENERAL_NAME_get0_otherName(name, &type, &value) && value->type == RELATIVE_OID, GH_EAUTH);
  return device_oid(arena, type, asn1_octets(value->value.asn1_string), oid) == GH_OK ? GH_OK : GH_EAUTH;
}

/* RFC 4108 hardwareModuleName: SEQUENCE { hwType OID, hwSerialNum OCTET STRING }, told as "hwType/HEXSERIAL" */
static gh_err read_hardware_module(gh_arena *arena, const ASN1_STRING *sequence, found *f)
{
  const unsigned char *der = ASN1_STRING_get0_data(sequence);
  ASN1_SEQUENCE_ANY *items = d2i_ASN1_SEQUENCE_ANY(NULL, &der, ASN1_STRING_length(sequence));
  gh_err err = GH_EAUTH;
  gh_str type;
  if (items && sk_ASN1_TYPE_num(items) == 2) {
    const ASN1_TYPE *oid = sk_ASN1_TYPE_value(items, 0), *serial = sk_ASN1_TYPE_value(items, 1);
    if (oid->type == V_ASN1_OBJECT && serial->type == V_ASN1_OCTET_STRING &&
        ASN1_STRING_length(serial->value.octet_string) > 0)
      err = oid_text(arena, oid->value.object, &type);
    if (err == GH_OK) {
      gh_str octets = asn1_octets(serial->value.octet_string);
      gh_str hex = gh_hex_upper(arena, octets.ptr, octets.len);
      keep(f, GH_CERT_DEVICE, gh_arena_fmt(arena, "%.*s/%.*s", GH_STR_ARG(type), GH_STR_ARG(hex)));
    }
  }
  sk_ASN1_TYPE_pop_free(items, ASN1_TYPE_free);
  return err;
}

static bool is_hardware_module(const ASN1_OBJECT *oid)
{
  char text[OID_TEXT_BYTES];
  return OBJ_obj2txt(text, sizeof(text), oid, 1) > 0 && strcmp(text, "1.3.6.1.5.5.7.8.4") == 0;
}

bool gh_cert_names_device(const GENERAL_NAME *name)
{
  ASN1_OBJECT *type;
  ASN1_TYPE *value;
  if (name->type == GEN_RID) return true;
  return GENERAL_NAME_get0_otherName(name, &type, &value) &&
         (value->type == RELATIVE_OID || is_hardware_module(type));
}

static gh_err read_other(gh_arena *arena, const GENERAL_NAME *general, found *f, gh_diag *diag)
{
  ASN1_OBJECT *oid;
  ASN1_TYPE *value;
  gh_str name;
  gh_err err = GH_OK;
  if (!GENERAL_NAME_get0_otherName(general, &oid, &value)) return refuse(diag, "an otherName cannot be read");
  if (value->type == RELATIVE_OID) {
    err = gh_cert_device_oid(arena, general, &name);
    if (err == GH_OK) keep(f, GH_CERT_DEVICE, name);
  } else if (is_hardware_module(oid) && value->type == V_ASN1_SEQUENCE) {
    err = read_hardware_module(arena, value->value.sequence, f);
  }
  return err == GH_OK ? GH_OK : refuse(diag, "a hardware identifier cannot be read");
}

static gh_err read_registered(gh_arena *arena, const GENERAL_NAME *general, found *f, gh_diag *diag)
{
  gh_str text;
  if (gh_cert_device_oid(arena, general, &text) != GH_OK) return refuse(diag, "a registeredID cannot be read");
  keep(f, GH_CERT_DEVICE, text);
  return GH_OK;
}

/* Names of other types (addresses, directory names) are none of oneM2M's and prove nothing here. */
static gh_err read_name(gh_arena *arena, const GENERAL_NAME *general, found *f, gh_diag *diag)
{
  int type;
  const void *value = GENERAL_NAME_get0_value(general, &type);
  if (type == GEN_DNS) return read_dns(arena, asn1_octets(value), f, diag);
  if (type == GEN_URI) return read_uri(arena, asn1_octets(value), f, diag);
  if (type == GEN_OTHERNAME) return read_other(arena, general, f, diag);
  if (type == GEN_RID) return read_registered(arena, general, f, diag);
  return GH_OK;
}

gh_err gh_cert_identity(gh_arena *arena, X509 *cert, gh_cert_flavour *flavour, gh_str *name, gh_diag *diag)
{
  found f = {.count = 0};
  gh_err err = GH_OK;
  GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; err == GH_OK && i < sk_GENERAL_NAME_num(names); i++)
    err = read_name(arena, sk_GENERAL_NAME_value(names, i), &f, diag);
  GENERAL_NAMES_free(names);
  GH_TRY(err);
  /*= TS-0003 8.1.2.5; exactly one name authenticates */
  if (f.count == 0) return refuse(diag, "there is no usable name in subjectAltName");
  if (f.count > 1) return refuse(diag, "there is more than one name in subjectAltName");
  *flavour = f.flavour;
  *name = f.name;
  return GH_OK;
}

/* ---- profile */

bool gh_cert_key_fits(X509 *cert)
{
  ASN1_OBJECT *algorithm;
  const unsigned char *point;
  int point_len, param_type;
  const void *param;
  X509_ALGOR *algor;
  if (!X509_PUBKEY_get0_param(&algorithm, &point, &point_len, &algor, X509_get_X509_PUBKEY(cert))) return false;
  X509_ALGOR_get0(NULL, &param_type, &param, algor);
  if (OBJ_obj2nid(algorithm) != NID_X9_62_id_ecPublicKey || param_type != V_ASN1_OBJECT) return false;
  if (OBJ_obj2nid(param) != NID_X9_62_prime256v1) return false;
  if (point_len != P256_POINT_BYTES || point[0] != 0x04) return false;
  return X509_get0_pubkey(cert) != NULL; /* the point is on the curve */
}

static bool signed_with_ecdsa_sha256(X509 *cert)
{
  const ASN1_OBJECT *inner;
  X509_ALGOR_get0(&inner, NULL, NULL, X509_get0_tbs_sigalg(cert));
  return OBJ_obj2nid(inner) == NID_ecdsa_with_SHA256 && X509_get_signature_nid(cert) == NID_ecdsa_with_SHA256;
}

static bool key_usage_fits(X509 *cert)
{
  uint32_t flags = X509_get_extension_flags(cert);
  if ((flags & EXFLAG_INVALID) || !(flags & EXFLAG_KUSAGE)) return false;
  uint32_t usage = X509_get_key_usage(cert);
  if (!(usage & KU_DIGITAL_SIGNATURE)) return false;
  return !(flags & EXFLAG_CA) || (usage & KU_KEY_CERT_SIGN);
}

static bool has_wildcard(X509 *cert)
{
  bool wild = false;
  GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    int type;
    const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
    if (type == GEN_DNS || type == GEN_URI) wild = wild || gh_str_find(asn1_octets(value), '*') != SIZE_MAX;
  }
  GENERAL_NAMES_free(names);
  return wild;
}

gh_err gh_cert_check_profile(X509 *cert, gh_diag *diag)
{
  /*= TS-0003 10.1.1.1; 10.1.1.3; profile of every certificate of a chain */
  if (X509_get_version(cert) != X509_VERSION_3) return refuse(diag, "it is not of version 3");
  if (!gh_cert_key_fits(cert)) return refuse(diag, "its key is not an uncompressed point of P-256");
  if (!signed_with_ecdsa_sha256(cert)) return refuse(diag, "it is not signed with ecdsa-with-SHA256");
  if (!key_usage_fits(cert)) return refuse(diag, "keyUsage is absent or lacks what its role needs");
  if (has_wildcard(cert)) return refuse(diag, "a name has a wildcard");
  ERR_clear_error();
  return GH_OK;
}

/* ---- the rest */

int64_t gh_cert_not_after_us(X509 *cert)
{
  struct tm when;
  if (!ASN1_TIME_to_tm(X509_get0_notAfter(cert), &when)) {
    ERR_clear_error();
    return 0; /* long past */
  }
  return (int64_t)timegm(&when) * GH_US_PER_S;
}
