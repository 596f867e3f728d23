/* Owns the end-to-end keys of TS-0003 10.3.6: extract with a salt, then four expansions, each under a
 * label of its own. Must never reuse the labels of 10.3.8 or number the steps from zero. */
#include "crypto/kdf.h"

#include "crypto/hmac.h"

/* HMAC(master, previous || label || counter) */
static gh_err expand(const gh_secret *master, const gh_secret *previous, gh_str label, char counter, gh_secret *out)
{
  const gh_str parts[] = {{(const char *)previous->bytes, previous->len}, label, {&counter, 1}};
  GH_TRY(gh_hmac_sha256_parts(master->bytes, master->len, parts, 3, out->bytes));
  out->len = GH_KEY_BYTES;
  return GH_OK;
}

/*= TS-0003 10.3.6; extraction; an absent salt is as many zero octets as the hash is long */
static gh_err extract(const gh_secret *kpsa, gh_str salt, gh_secret *master)
{
  const char zeros[GH_KEY_BYTES] = {0};
  if (gh_str_empty(salt)) salt = (gh_str){zeros, sizeof(zeros)};
  GH_TRY(gh_hmac_sha256(salt.ptr, salt.len, (gh_str){(const char *)kpsa->bytes, kpsa->len}, master->bytes));
  master->len = GH_KEY_BYTES;
  return GH_OK;
}

/*= TS-0003 10.3.6; expansion; the first label says Authentication, the third Authenticity */
static gh_err expand_all(gh_e2e_keys *k)
{
  const gh_secret none = {.len = 0};
  GH_TRY(expand(&k->master, &none, GH_STR("E2E Message Authentication Key"), 1, &k->msg_auth));
  GH_TRY(expand(&k->master, &k->msg_auth, GH_STR("E2E Message Confidentiality Key"), 2, &k->msg_conf));
  GH_TRY(expand(&k->master, &k->msg_conf, GH_STR("E2E Attribute Authenticity Key"), 3, &k->att_auth));
  return expand(&k->master, &k->att_auth, GH_STR("E2E Attribute Confidentiality Key"), 4, &k->att_conf);
}

gh_err gh_kdf_e2e(const gh_secret *kpsa, gh_str salt, gh_e2e_keys *out)
{
  GH_REQUIRE(kpsa->len >= 16 && kpsa->len <= GH_SECRET_MAX_BYTES, GH_EINVAL);
  gh_e2e_keys keys = {0};
  gh_err err = extract(kpsa, salt, &keys.master);
  if (err == GH_OK) err = expand_all(&keys);
  if (err == GH_OK) *out = keys;
  gh_wipe(&keys, sizeof(keys));
  return err;
}
