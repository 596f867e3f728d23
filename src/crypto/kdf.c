/* Owns the derivations from Ke (TS-0003 10.3.2, 10.3.3, 10.3.7), the session key of ESPrim (10.3.8) and the split
 * of exported key material (10.3.1). Must never put separators, lengths or NULs between the pieces. */
#include "crypto/kdf.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "crypto/hmac.h"

enum { KEY_MIN_BYTES = 16, ID_MAX_BYTES = 1024 };

static bool is_ascii(gh_str s)
{
  for (size_t i = 0; i < s.len; i++) {
    if ((unsigned char)s.ptr[i] >= 0x80) return false;
  }
  return true;
}

static gh_err id_check(gh_str id)
{
  GH_REQUIRE(id.len > 0, GH_EINVAL);
  GH_REQUIRE(id.len <= ID_MAX_BYTES, GH_ELIMIT);
  return memchr(id.ptr, '\0', id.len) ? GH_ESYNTAX : GH_OK;
}

/* *owned is NULL when the identifier needs no change; else free it. */
static gh_err id_normalise(gh_str id, gh_str *out, utf8proc_uint8_t **owned)
{
  *owned = NULL;
  GH_TRY(id_check(id));
  *out = id;
  if (is_ascii(id)) return GH_OK;
  /*= TS-0003 10.3; identifiers are NFKC-normalised before they are encoded in UTF-8 */
  const utf8proc_option_t nfkc = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
  utf8proc_ssize_t len = utf8proc_map((const utf8proc_uint8_t *)id.ptr, (utf8proc_ssize_t)id.len, owned, nfkc);
  GH_REQUIRE(len > 0, GH_ESYNTAX);
  *out = (gh_str){(const char *)*owned, (size_t)len};
  return GH_OK;
}

/* HMAC(key, label || middle || NFKC(id)) */
static gh_err derive_for(const gh_secret *key, gh_str label, gh_str middle, gh_str id, gh_secret *out)
{
  GH_REQUIRE(key->len >= KEY_MIN_BYTES && key->len <= GH_SECRET_MAX_BYTES, GH_EINVAL);
  gh_str normal;
  utf8proc_uint8_t *owned;
  uint8_t mac[GH_KEY_BYTES];
  gh_err err = id_normalise(id, &normal, &owned);
  if (err == GH_OK) {
    err = gh_hmac_sha256_parts(key->bytes, key->len, (gh_str[]){label, middle, normal}, 3, mac);
  }
  if (err == GH_OK) err = gh_secret_set(out, mac, sizeof(mac));
  gh_wipe(mac, sizeof(mac));
  free(owned);
  return err;
}

gh_err gh_kdf_km(const gh_secret *ke, gh_str maf_id, gh_secret *out)
{
  /*= TS-0003 10.3.2 */
  return derive_for(ke, GH_STR("oneM2M Enrolment Key to Master Credential derivation"), GH_STR_NONE, maf_id, out);
}

gh_err gh_kdf_kpsa(const gh_secret *ke, gh_str enrolee_b_id, gh_secret *out)
{
  /*= TS-0003 10.3.3 */
  return derive_for(ke, GH_STR("oneM2M Enrolment Key to Provisioned Secure Connection Key derivation"), GH_STR_NONE,
                    enrolee_b_id, out);
}

gh_err gh_kdf_usage(const gh_secret *ke, int suid, gh_str target_fqdn, gh_secret *out)
{
  /*= TS-0003 10.3.7 */
  GH_REQUIRE(suid >= 10 && suid <= 99, GH_EINVAL);
  const char digits[2] = {(char)('0' + suid / 10), (char)('0' + suid % 10)};
  return derive_for(ke, GH_STR("oneM2M Enrolment Key to Usage-Constrained Symmetric Key derivation"),
                    (gh_str){digits, sizeof(digits)}, target_fqdn, out);
}

gh_err gh_kdf_session_esprim(const gh_secret *pairwise, gh_str receiver_rand, gh_str originator_rand, gh_secret *out)
{
  GH_REQUIRE(pairwise->len >= KEY_MIN_BYTES && pairwise->len <= GH_SECRET_MAX_BYTES, GH_EINVAL);
  GH_REQUIRE(receiver_rand.len > 0 && originator_rand.len > 0, GH_EINVAL);
  /*= TS-0003 10.3.8; the object of the receiver comes first */
  const gh_str parts[] = {receiver_rand, originator_rand,
                          GH_STR("oneM2M HMAC-SHA256 sessionESPrimKey derivation algorithm")};
  uint8_t mac[GH_KEY_BYTES];
  gh_err err = gh_hmac_sha256_parts(pairwise->bytes, pairwise->len, parts, 3, mac);
  if (err == GH_OK) err = gh_secret_set(out, mac, sizeof(mac));
  gh_wipe(mac, sizeof(mac));
  return err;
}

void gh_export_split(const uint8_t exported[static GH_EXPORT_BYTES], uint8_t id[static GH_EXPORT_ID_BYTES],
                     gh_secret *key)
{
  /*= TS-0003 10.3.1; the 16 most significant octets are the identifier, the 32 least significant the key */
  memcpy(id, exported, GH_EXPORT_ID_BYTES);
  memcpy(key->bytes, exported + GH_EXPORT_ID_BYTES, GH_KEY_BYTES);
  key->len = GH_KEY_BYTES;
}
