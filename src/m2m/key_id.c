/* Identifiers of keys and credentials, and m2m:suid. No key material ever comes near this file. */
#include "m2m/key_id.h"

#include "base/encoding.h"
#include "m2m/ids.h"

static bool is_hex(char c)
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_key_id_char(char c, bool base64)
{
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  if (c == '.' || c == '_' || c == '-') return true;
  return base64 && (c == '+' || c == '/' || c == '=');
}

/*= TS-0003 10.5; relative part of A-Z a-z 0-9 . _ - before the FQDN of the issuer */
/*= TS-0003 8.3.2.3; a B-TID brings the characters of base64 along */
gh_err gh_key_id_parse(gh_str text, bool allow_base64, gh_key_id *out)
{
  if (text.len > GH_KEY_ID_MAX_BYTES) return GH_ELIMIT;
  size_t at = gh_str_rfind(text, '@');
  if (at == SIZE_MAX || at == 0) return GH_ESYNTAX;
  gh_key_id id = {gh_str_sub(text, 0, at), gh_str_sub(text, at + 1, SIZE_MAX)};
  for (size_t i = 0; i < at; i++)
    if (!is_key_id_char(text.ptr[i], allow_base64)) return GH_ESYNTAX;
  if (!gh_fqdn_valid(id.fqdn)) return GH_ESYNTAX;
  *out = id;
  return GH_OK;
}

static bool all_hex(gh_str s)
{
  for (size_t i = 0; i < s.len; i++)
    if (!is_hex(s.ptr[i])) return false;
  return s.len > 0;
}

/*= TS-0003 10.3.4; the relative part is hexBinary, which has two spellings of one value */
bool gh_key_id_equal(const gh_key_id *a, const gh_key_id *b)
{
  bool hex = all_hex(a->relative) && all_hex(b->relative);
  bool same = hex ? gh_str_eq_nocase(a->relative, b->relative) : gh_str_eq(a->relative, b->relative);
  return same && gh_str_eq_nocase(a->fqdn, b->fqdn);
}

static char to_case(char c, bool upper)
{
  if (upper && c >= 'a' && c <= 'z') return (char)(c - ('a' - 'A'));
  if (!upper && c >= 'A' && c <= 'Z') return (char)(c + ('a' - 'A'));
  return c;
}

gh_str gh_key_id_canonical(gh_arena *arena, const gh_key_id *id)
{
  size_t len = id->relative.len + 1 + id->fqdn.len;
  char *text = gh_arena_alloc(arena, len), *out = text;
  bool hex = all_hex(id->relative);
  for (size_t i = 0; i < id->relative.len; i++)
    *out++ = hex ? to_case(id->relative.ptr[i], true) : id->relative.ptr[i];
  *out++ = '@';
  for (size_t i = 0; i < id->fqdn.len; i++) *out++ = to_case(id->fqdn.ptr[i], false);
  return (gh_str){text, len};
}

/*= TS-0003 10.3.4; KeID = hexBinary(RelativeKeID)@MEF-FQDN */
/*= TS-0003 10.3.5; Key Identifier = hexBinary(KcID)@MAF-FQDN */
gh_str gh_key_id_of_octets(gh_arena *arena, const uint8_t octets[static GH_REL_KEY_ID_BYTES], gh_str fqdn)
{
  gh_key_id id = {gh_hex_upper(arena, octets, GH_REL_KEY_ID_BYTES), fqdn};
  return gh_key_id_canonical(arena, &id);
}

/*= TS-0004 6.3.4.2.39; tens say how the credential came about, ones what it is for; 20, 30, 31 are not assigned */
bool gh_suid_valid(int64_t suid)
{
  static const int8_t first_use[] = {-1, 0, 1, 2, 0};
  if (suid < 10 || suid > 45) return false;
  return suid % 10 <= GH_USE_ESDATA_SIG && suid % 10 >= first_use[suid / 10];
}

/*= TS-0003 10.4; credIDTypeID */
bool gh_cred_type_known(uint64_t type)
{
  return (type >= 10 && type <= 16) || (type >= 30 && type <= 34) || (type >= 41 && type <= 45) ||
         (type >= 51 && type <= 55);
}

gh_str gh_credential_id(gh_arena *arena, unsigned type, gh_str value)
{
  return gh_arena_fmt(arena, "%u-%.*s", type, GH_STR_ARG(value));
}

/*= TS-0003 10.4; Credential-ID = type "-" value; values that are URIs or CSE-IDs bring '/' and ':' along */
gh_err gh_credential_id_parse(gh_str text, unsigned *type, gh_str *value)
{
  uint64_t number;
  size_t dash = gh_str_find(text, '-');
  if (dash == SIZE_MAX || dash == 0 || dash + 1 == text.len || text.ptr[0] == '0') return GH_ESYNTAX;
  if (!gh_str_to_u64(gh_str_sub(text, 0, dash), &number)) return GH_ESYNTAX;
  for (size_t i = dash; i < text.len; i++)
    if (text.ptr[i] <= 0x20 || text.ptr[i] > 0x7e) return GH_ESYNTAX;
  if (!gh_cred_type_known(number)) return GH_ERANGE;
  *type = (unsigned)number;
  *value = gh_str_sub(text, dash + 1, SIZE_MAX);
  return GH_OK;
}

bool gh_credential_is_of_node(gh_str credential_id)
{
  unsigned type;
  gh_str value;
  return gh_credential_id_parse(credential_id, &type, &value) == GH_OK &&
         (type == GH_CRED_DEVICE_CERT || type == GH_CRED_NODE_CERT);
}
