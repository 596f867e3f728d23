/* Text values against the lexical rules of their data types. */
#include "m2m/dtype.h"

#include <arpa/inet.h>

#include "m2m/ids.h"
#include "m2m/key_id.h"
#include "m2m/m2m_time.h"
#include "m2m/representation.h"

enum { ID_MAX = 1024, URI_MAX = 4096, SCHEDULE_FIELDS = 7 };

typedef bool (*char_test)(char c);

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Non-ASCII letters are taken as they are: the reader has checked that they are UTF-8. */
static bool is_wide(char c)
{
  return (unsigned char)c >= 0x80;
}

static bool is_ncname_char(char c)
{
  return is_letter(c) || is_digit(c) || is_wide(c) || c == '.' || c == '-' || c == '_';
}

static bool is_key_char(char c)
{
  return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
}

static bool is_id_char(char c)
{
  return c > 0x20 && c < 0x7f && !strchr("\"<>\\^`{|}", c);
}

static bool is_uri_char(char c)
{
  return is_wide(c) || (c > 0x20 && c < 0x7f && !strchr("\"<>\\^`{|}", c));
}

static bool is_base64url_char(char c)
{
  return is_letter(c) || is_digit(c) || c == '-' || c == '_';
}

static bool is_media_char(char c)
{
  return is_letter(c) || is_digit(c) || (c && strchr("!#$&-^_.+", c));
}

static bool is_schedule_char(char c)
{
  return is_digit(c) || (c && strchr("*,-/", c));
}

static bool all(gh_str text, char_test test)
{
  for (size_t i = 0; i < text.len; i++)
    if (!test(text.ptr[i])) return false;
  return true;
}

static bool some(gh_str text, char_test test)
{
  return text.len > 0 && all(text, test);
}

static bool ncname_valid(gh_str text)
{
  return some(text, is_ncname_char) && (is_letter(text.ptr[0]) || is_wide(text.ptr[0]) || text.ptr[0] == '_');
}

/* xs:token: blanks only single and inside. */
static bool token_valid(gh_str text)
{
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if ((c >= 0 && c < 0x20) || c == 0x7f) return false;
    if (c == ' ' && (i == 0 || i + 1 == text.len || text.ptr[i - 1] == ' ')) return false;
  }
  return true;
}

/*= TS-0004 6.3.3; a label is a token, "key" or "key:value" */
static bool label_valid(gh_str text)
{
  return text.len > 0 && token_valid(text) && text.ptr[0] != ':';
}

static bool timestamp_valid(gh_str text)
{
  int64_t us;
  return gh_timestamp_parse(text, &us) == GH_OK;
}

static bool abs_rel_valid(gh_str text)
{
  int64_t us;
  return gh_abs_rel_parse(text, 0, &us) == GH_OK;
}

/* Digits (with a fraction where allowed) and one of `units`; later ones only afterwards. */
static bool duration_part(gh_str *rest, const char **units, bool fraction)
{
  size_t i = 0;
  while (i < rest->len && is_digit(rest->ptr[i])) i++;
  bool has_fraction = fraction && i > 0 && i + 1 < rest->len && rest->ptr[i] == '.' && is_digit(rest->ptr[i + 1]);
  if (has_fraction)
    for (i++; i < rest->len && is_digit(rest->ptr[i]); i++)
      ;
  if (i == 0 || i == rest->len || !rest->ptr[i]) return false;
  const char *unit = strchr(*units, rest->ptr[i]);
  if (!unit || (has_fraction && *unit != 'S')) return false;
  *units = unit + 1;
  *rest = gh_str_sub(*rest, i + 1, SIZE_MAX);
  return true;
}

/* xs:duration */
static bool duration_valid(gh_str text)
{
  const char *date = "YMD", *time = "HMS";
  if (text.len && text.ptr[0] == '-') text = gh_str_sub(text, 1, SIZE_MAX);
  if (text.len < 3 || text.ptr[0] != 'P') return false;
  gh_str rest = gh_str_sub(text, 1, SIZE_MAX);
  while (rest.len && rest.ptr[0] != 'T')
    if (!duration_part(&rest, &date, false)) return false;
  if (rest.len == 0) return true;
  rest = gh_str_sub(rest, 1, SIZE_MAX);
  if (rest.len == 0) return false;
  while (rest.len)
    if (!duration_part(&rest, &time, true)) return false;
  return true;
}

static int base64_digit(char c)
{
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (is_digit(c)) return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

/* Canonical: padded, no blanks, unused bits zero. */
static bool base64_valid(gh_str text)
{
  size_t padding = 0;
  if (text.len % 4 != 0) return false;
  while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=') padding++;
  for (size_t i = 0; i < text.len - padding; i++)
    if (base64_digit(text.ptr[i]) < 0) return false;
  if (padding == 0) return true;
  int last = base64_digit(text.ptr[text.len - padding - 1]);
  return (last & (padding == 2 ? 15 : 3)) == 0;
}

/* type "/" subtype, then optionally ":" encoding and ":" security, each one digit */
static bool content_info_valid(gh_str text)
{
  gh_str media, part;
  if (!gh_str_split(&text, ':', &media)) return false;
  for (int i = 0; i < 2 && text.ptr; i++)
    if (!gh_str_split(&text, ':', &part) || part.len != 1 || !is_digit(part.ptr[0])) return false;
  size_t slash = gh_str_find(media, '/');
  if (text.ptr || slash == SIZE_MAX) return false;
  return some(gh_str_sub(media, 0, slash), is_media_char) &&
         some(gh_str_sub(media, slash + 1, SIZE_MAX), is_media_char);
}

/*= TS-0004 6.3.3; m2m:dynAuthJWT is a JWS (3 parts, the first and the last not empty) or a JWE (5 parts, the
 * first and the fourth not empty) in compact form */
static bool jwt_valid(gh_str text)
{
  size_t count = 0, lengths[5] = {0};
  gh_str part;
  if (text.len == 0) return false;
  while (gh_str_split(&text, '.', &part)) {
    if (count == 5 || !all(part, is_base64url_char)) return false;
    lengths[count++] = part.len;
  }
  if (lengths[0] == 0) return false;
  return (count == 3 && lengths[2] > 0) || (count == 5 && lengths[3] > 0);
}

static bool address_valid(gh_str text, int family)
{
  char copy[INET6_ADDRSTRLEN + 1];
  unsigned char octets[16];
  return gh_str_to_cstr(text, copy, sizeof copy) && inet_pton(family, copy, octets) == 1;
}

/* second minute hour day month weekday year */
static bool schedule_valid(gh_str text)
{
  int count = 0;
  gh_str field;
  while (text.ptr && gh_str_split(&text, ' ', &field)) {
    if (!some(field, is_schedule_char)) return false;
    count++;
  }
  return count == SCHEDULE_FIELDS;
}

/* "1", "2", "2a", "3" .. */
static bool release_valid(gh_str text)
{
  if (text.len < 1 || text.len > 2 || !is_digit(text.ptr[0])) return false;
  return text.len == 1 || (text.ptr[1] >= 'a' && text.ptr[1] <= 'z');
}

static bool external_id_valid(gh_str text)
{
  size_t at = gh_str_find(text, '@');
  return text.len <= ID_MAX && all(text, is_uri_char) && at != 0 && at != SIZE_MAX && at + 1 < text.len;
}

static bool credential_id_valid(gh_str text)
{
  unsigned type;
  gh_str value;
  return gh_credential_id_parse(text, &type, &value) == GH_OK;
}

/* devMgmtID ":" URI, joined at the first colon */
static bool device_config_valid(gh_str text)
{
  uint64_t management;
  size_t colon = gh_str_find(text, ':');
  if (colon == SIZE_MAX || !gh_str_to_u64(gh_str_sub(text, 0, colon), &management) || management > INT32_MAX)
    return false;
  return gh_enum_has("sec:devMgmtID", (int64_t)management) &&
         some(gh_str_sub(text, colon + 1, SIZE_MAX), is_uri_char);
}

static bool country_valid(gh_str text)
{
  return text.len == 2 && all(text, is_letter);
}

static bool id_valid(gh_str text)
{
  return text.len <= ID_MAX && some(text, is_id_char);
}

static bool uri_valid(gh_str text)
{
  return text.len <= URI_MAX && some(text, is_uri_char);
}

static const char *unless(bool valid, const char *what)
{
  return valid ? NULL : what;
}

const char *gh_dtype_check_text(gh_dtype_kind kind, gh_str text)
{
  switch (kind) {
  case GH_DK_ANY:
  case GH_DK_OBJECT:
  case GH_DK_SCALAR:
  case GH_DK_BOOLEAN:
  case GH_DK_INTEGER:
  case GH_DK_FLOAT:
  case GH_DK_ENUM:
  case GH_DK_LIST:
  case GH_DK_COMPLEX:
  case GH_DK_ACRS: return "not of a text type";
  case GH_DK_STRING: return NULL;
  case GH_DK_NCNAME: return unless(ncname_valid(text), "not a name");
  case GH_DK_TOKEN: return unless(token_valid(text), "not a token");
  case GH_DK_ANY_URI: return unless(uri_valid(text), "not a URI");
  case GH_DK_ID: return unless(id_valid(text), "not an identifier");
  case GH_DK_TIMESTAMP: return unless(timestamp_valid(text), "not a timestamp");
  case GH_DK_ABS_REL_TIMESTAMP: return unless(abs_rel_valid(text), "not an absolute or relative timestamp");
  case GH_DK_DURATION: return unless(duration_valid(text), "not a duration");
  case GH_DK_BASE64: return unless(base64_valid(text), "not base64");
  case GH_DK_RESOURCE_NAME: return unless(gh_resource_name_valid(text), "not a resource name");
  case GH_DK_NAME_AT_FQDN: return unless(gh_role_or_token_id_valid(text), "not name@fqdn");
  case GH_DK_LABEL: return unless(label_valid(text), "not a label");
  case GH_DK_CONTENT_INFO: return unless(content_info_valid(text), "not media type, encoding, security");
  case GH_DK_JWT: return unless(jwt_valid(text), "not a compact JWS or JWE");
  case GH_DK_IPV4: return unless(address_valid(text, AF_INET), "not an IPv4 address");
  case GH_DK_IPV6: return unless(address_valid(text, AF_INET6), "not an IPv6 address");
  case GH_DK_SCHEDULE_ENTRY: return unless(schedule_valid(text), "not a schedule");
  case GH_DK_RELEASE_VERSION: return unless(release_valid(text), "not a release version");
  case GH_DK_EXTERNAL_ID: return unless(external_id_valid(text), "not user@domain");
  case GH_DK_COUNTRY_CODE: return unless(country_valid(text), "not a country code");
  case GH_DK_SERIALIZATION: return unless(gh_representation_is_word(text), "not xml, json or cbor");
  case GH_DK_REL_KEY_ID: return unless(some(text, is_key_char), "not a relative key identifier");
  case GH_DK_CREDENTIAL_ID: return unless(credential_id_valid(text), "not a Credential-ID");
  case GH_DK_DEVICE_CONFIG_URI: return unless(device_config_valid(text), "not devMgmtID:URI");
  }
  return "of an unknown type";
}
