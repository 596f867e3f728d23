/* Owns the text forms of names in certificates. Must never accept a wildcard, an empty label or a control
 * character. */
#include "crypto/cert_names.h"

enum { DNS_MAX_BYTES = 253, LABEL_MAX_BYTES = 63, STEM_MAX_BYTES = 128, DEVICE_INDICATION_ARCS = 4 };

static bool is_alnum(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool label_valid(gh_str label)
{
  if (label.len == 0 || label.len > LABEL_MAX_BYTES) return false;
  if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-') return false;
  for (size_t i = 0; i < label.len; i++) {
    if (!is_alnum(label.ptr[i]) && label.ptr[i] != '-') return false;
  }
  return true;
}

bool gh_cert_dns_valid(gh_str name)
{
  if (name.len == 0 || name.len > DNS_MAX_BYTES) return false;
  gh_str rest = name, label;
  while (gh_str_split(&rest, '.', &label)) {
    if (!label_valid(label)) return false;
  }
  return true;
}

static bool stem_valid(gh_str stem)
{
  if (stem.len == 0 || stem.len > STEM_MAX_BYTES) return false;
  for (size_t i = 0; i < stem.len; i++) {
    if (!is_alnum(stem.ptr[i]) && gh_str_find(GH_STR("-._~"), stem.ptr[i]) == SIZE_MAX) return false;
  }
  return true;
}

/* "S" and "C" alone ask a registrar for a stem, they are none. */
static bool ae_stem_valid(gh_str stem, char first)
{
  return stem_valid(stem) && stem.ptr[0] == first && stem.len > 1;
}

bool gh_cert_ae_id_valid(gh_str name)
{
  if (!gh_str_starts(name, GH_STR("//"))) return false;
  gh_str rest = gh_str_sub(name, 2, name.len), host, first, second, more;
  if (!gh_str_split(&rest, '/', &host) || !gh_cert_dns_valid(host)) return false;
  if (!gh_str_split(&rest, '/', &first) || !stem_valid(first)) return false;
  if (!gh_str_split(&rest, '/', &second)) return ae_stem_valid(first, 'S');
  if (gh_str_split(&rest, '/', &more)) return false;
  return ae_stem_valid(second, 'C');
}

bool gh_cert_uri_split(gh_str uri, gh_str *scheme, gh_str *rest)
{
  size_t colon = gh_str_find(uri, ':');
  if (colon == SIZE_MAX || colon == 0 || !is_alnum(uri.ptr[0])) return false;
  for (size_t i = 0; i < colon; i++) {
    if (!is_alnum(uri.ptr[i]) && gh_str_find(GH_STR("+-."), uri.ptr[i]) == SIZE_MAX) return false;
  }
  if (uri.ptr[0] >= '0' && uri.ptr[0] <= '9') return false;
  *scheme = gh_str_sub(uri, 0, colon);
  *rest = gh_str_sub(uri, colon + 1, uri.len);
  return true;
}

gh_str gh_cert_lower_host(gh_arena *arena, gh_str name)
{
  size_t end = name.len;
  if (gh_str_starts(name, GH_STR("//"))) {
    size_t slash = gh_str_find(gh_str_sub(name, 2, name.len), '/');
    if (slash != SIZE_MAX) end = slash + 2;
  }
  char *copy = gh_arena_alloc(arena, name.len + 1);
  for (size_t i = 0; i < name.len; i++) {
    char c = name.ptr[i];
    copy[i] = (i < end && c >= 'A' && c <= 'Z') ? (char)(c - 'A' + 'a') : c;
  }
  copy[name.len] = '\0';
  return (gh_str){copy, name.len};
}

gh_err gh_cert_device_split(gh_str name, gh_str *indication, gh_str *arcs)
{
  size_t at = gh_str_find(name, '/');
  if (at == SIZE_MAX) {
    int dots = 0;
    for (at = 0; at < name.len; at++) {
      if (name.ptr[at] == '.' && ++dots == DEVICE_INDICATION_ARCS) break;
    }
  }
  GH_REQUIRE(at > 0 && at + 1 < name.len, GH_EINVAL);
  *indication = gh_str_sub(name, 0, at);
  *arcs = gh_str_sub(name, at + 1, name.len);
  return GH_OK;
}

static void arc_encode(uint64_t arc, gh_buf *out)
{
  int shift = 63;
  while (shift > 0 && (arc >> shift) == 0) shift -= 7;
  for (; shift > 0; shift -= 7) gh_buf_add_char(out, (char)(0x80 | ((arc >> shift) & 0x7f)));
  gh_buf_add_char(out, (char)(arc & 0x7f));
}

gh_err gh_cert_arcs_encode(gh_str dotted, gh_buf *out)
{
  GH_REQUIRE(dotted.len > 0, GH_ESYNTAX);
  gh_str rest = dotted, part;
  while (gh_str_split(&rest, '.', &part)) {
    uint64_t arc;
    GH_REQUIRE(gh_str_to_u64(part, &arc), GH_ESYNTAX);
    GH_REQUIRE(part.len == 1 || part.ptr[0] != '0', GH_ESYNTAX);
    arc_encode(arc, out);
  }
  return GH_OK;
}

gh_err gh_cert_arcs_decode(gh_str octets, gh_buf *out)
{
  GH_REQUIRE(octets.len > 0, GH_ESYNTAX);
  for (size_t i = 0, start = 0; i < octets.len; i = start) {
    uint64_t arc = 0;
    GH_REQUIRE((uint8_t)octets.ptr[i] != 0x80, GH_ESYNTAX); /* padding: not the shortest form */
    do {
      GH_REQUIRE(i < octets.len && arc <= UINT64_MAX >> 7, GH_ESYNTAX);
      arc = arc << 7 | ((uint8_t)octets.ptr[i] & 0x7f);
    } while ((uint8_t)octets.ptr[i++] & 0x80);
    if (start > 0) gh_buf_add_char(out, '.');
    gh_buf_add_u64(out, arc);
    start = i;
  }
  return GH_OK;
}
