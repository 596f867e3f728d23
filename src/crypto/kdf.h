/* Key derivation of TS-0003 clause 10.3. All HMAC-SHA-256, 32 octets out; identifiers are NFKC-normalised UTF-8. */
#ifndef GH_CRYPTO_KDF_H
#define GH_CRYPTO_KDF_H

#include "gatehouse/secret.h"
#include "gatehouse/str.h"

enum { GH_KEY_BYTES = 32, GH_EXPORT_BYTES = 48, GH_EXPORT_ID_BYTES = 16 };

#define GH_EXPORT_BOOTSTRAP "EXPORTER-oneM2M-Bootstrap"
#define GH_EXPORT_CONNECTION "EXPORTER-oneM2M-Connection"
#define GH_EXPORT_ESCERTKE "EXPORTER-oneM2M-ESCertKE"

/* GH_ESYNTAX when an identifier is not UTF-8; GH_ECRYPTO when the library fails. `out` is untouched on failure. */
GH_MUST_USE gh_err gh_kdf_km(const gh_secret *ke, gh_str maf_id, gh_secret *out);         /* 10.3.2 */
GH_MUST_USE gh_err gh_kdf_kpsa(const gh_secret *ke, gh_str enrolee_b_id, gh_secret *out); /* 10.3.3 */
/* 10.3.7; suid 10..99 as two digits, target in FQDN form. */
GH_MUST_USE gh_err gh_kdf_usage(const gh_secret *ke, int suid, gh_str target_fqdn, gh_secret *out);

typedef struct gh_e2e_keys {
  gh_secret master, msg_auth, msg_conf, att_auth, att_conf;
} gh_e2e_keys;
/* 10.3.6; salt empty means 32 zero octets. */
GH_MUST_USE gh_err gh_kdf_e2e(const gh_secret *kpsa, gh_str salt, gh_e2e_keys *out);
/* 10.3.8 */
GH_MUST_USE gh_err gh_kdf_session_esprim(const gh_secret *pairwise, gh_str receiver_rand, gh_str originator_rand,
                                         gh_secret *out);

/* Splits 48 exported octets into id (first 16) and key (last 32), 10.3.1. Wiping `exported` is the caller's. */
void gh_export_split(const uint8_t exported[static GH_EXPORT_BYTES], uint8_t id[static GH_EXPORT_ID_BYTES],
                     gh_secret *key);

GH_MUST_USE gh_err gh_hmac_sha256(const void *key, size_t key_len, gh_str data, uint8_t out[static 32]);

#endif
