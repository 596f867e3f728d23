/* Identifiers of keys and credentials (TS-0003 clauses 10.4 to 10.6, 12.2): KpmID, KmID, KpsaID, KeID, KcID are all
 * relative@FQDN; Credential-IDs are type-value; m2m:suid says what a key may be used for. */
#ifndef GH_M2M_KEY_ID_H
#define GH_M2M_KEY_ID_H

#include "base/arena.h"

enum { GH_KEY_ID_MAX_BYTES = 255, GH_REL_KEY_ID_BYTES = 16 };

typedef struct gh_key_id {
  gh_str relative;
  gh_str fqdn;
} gh_key_id;

/* Splits at the last '@'. GH_ESYNTAX on empty parts, control or non-ASCII characters, bad FQDN, characters
 * outside [A-Za-z0-9._-] in the relative part ('+', '/', '=' too when allow_base64: B-TID); GH_ELIMIT over 255. */
GH_MUST_USE gh_err gh_key_id_parse(gh_str text, bool allow_base64, gh_key_id *out);
/* FQDN without case; relative part without case when both are hexadecimal digits only, else octet by octet. */
bool gh_key_id_equal(const gh_key_id *a, const gh_key_id *b);
/* Canonical text used as a lookup key: hex-only relative part in upper case, FQDN in lower case. */
gh_str gh_key_id_canonical(gh_arena *arena, const gh_key_id *id);
/* hexBinary(16 octets) in upper case @ fqdn: KeID and KcID (TS-0003 10.3.4, 10.3.5). */
gh_str gh_key_id_of_octets(gh_arena *arena, const uint8_t octets[static GH_REL_KEY_ID_BYTES], gh_str fqdn);

/* m2m:suid (TS-0004 6.3.4.2.39). 20, 30 and 31 do not exist. */
bool gh_suid_valid(int64_t suid);
typedef enum gh_suid_use {
  GH_USE_MEF = 0,
  GH_USE_MAF = 1,
  GH_USE_SAEF = 2,
  GH_USE_ESPRIM = 3,
  GH_USE_ESDATA_ENC = 4,
  GH_USE_ESDATA_SIG = 5
} gh_suid_use;
static inline gh_suid_use gh_suid_use_of(int suid)
{
  return (gh_suid_use)(suid % 10);
}

/* Credential-ID types (TS-0003 10.4). */
typedef enum gh_cred_type {
  GH_CRED_MEF_KEY = 10,
  GH_CRED_MAF_KEY = 11,
  GH_CRED_SAEF_KEY = 12,
  GH_CRED_RPK = 30,
  GH_CRED_DEVICE_CERT = 31,
  GH_CRED_CSE_CERT = 32,
  GH_CRED_AE_CERT = 33,
  GH_CRED_NODE_CERT = 34
} gh_cred_type;
bool gh_cred_type_known(uint64_t type); /* every type of table 10.4 */
gh_str gh_credential_id(gh_arena *arena, unsigned type, gh_str value);
/* Of a node or device: several AEs may use it, and From says which (TS-0003 8.2.1). */
bool gh_credential_is_of_node(gh_str credential_id);
GH_MUST_USE gh_err gh_credential_id_parse(gh_str text, unsigned *type, gh_str *value);

#endif
