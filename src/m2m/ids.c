/* Identifiers of service providers, CSEs and AEs: grammar, canonical form, shortest form, FQDN form. It says what
 * a text is, never whether its bearer may use it. */
#include "m2m/ids.h"

enum { LABEL_MAX = 63, FQDN_MAX = 253, STEM_MAX = 128 };

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
  return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_unreserved(char c)
{
  return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static bool label_valid(gh_str label)
{
  if (label.len == 0 || label.len > LABEL_MAX) return false;
  if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-') return false;
  for (size_t i = 0; i < label.len; i++)
    if (!is_alnum(label.ptr[i]) && label.ptr[i] != '-') return false;
  return true;
}

bool gh_fqdn_valid(gh_str fqdn)
{
  gh_str label;
  if (fqdn.len == 0 || fqdn.len > FQDN_MAX) return false;
  while (gh_str_split(&fqdn, '.', &label))
    if (!label_valid(label)) return false;
  return true;
}

/*= TS-0001 7.2; stems of CSE-IDs and AE-IDs use the unreserved characters of RFC 3986 */
bool gh_stem_valid(gh_str stem)
{
  if (stem.len == 0 || stem.len > STEM_MAX) return false;
  if (gh_str_eq(stem, GH_STR(".")) || gh_str_eq(stem, GH_STR(".."))) return false;
  for (size_t i = 0; i < stem.len; i++)
    if (!is_unreserved(stem.ptr[i])) return false;
  return true;
}

bool gh_resource_name_valid(gh_str name)
{
  return gh_stem_valid(name) && is_alnum(name.ptr[0]);
}

/*= TS-0001 7.2; an App-ID begins with R or N (r tolerated in Release 3) */
bool gh_app_id_valid(gh_str app_id)
{
  if (app_id.len == 0 || !strchr("RrN", app_id.ptr[0])) return false;
  for (size_t i = 0; i < app_id.len; i++)
    if (app_id.ptr[i] < 0x20 || app_id.ptr[i] > 0x7e) return false;
  return true;
}

static bool has_upper(gh_str s)
{
  for (size_t i = 0; i < s.len; i++)
    if (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z') return true;
  return false;
}

/*= TS-0004 6.3.3; Role-ID and Token-ID are name@fqdn with the FQDN in lower case */
bool gh_role_or_token_id_valid(gh_str id)
{
  size_t at = gh_str_find(id, '@');
  if (at == 0 || at == SIZE_MAX) return false;
  for (size_t i = 0; i < at; i++)
    if (!is_unreserved(id.ptr[i]) || id.ptr[i] == '~') return false;
  gh_str fqdn = gh_str_sub(id, at + 1, SIZE_MAX);
  return gh_fqdn_valid(fqdn) && !has_upper(fqdn);
}

/* "S" and "C" alone ask for a stem, they are none. */
static bool is_ae_stem(gh_str stem, char first)
{
  return stem.len > 1 && stem.ptr[0] == first;
}

static bool is_placeholder(gh_str stem)
{
  return stem.len == 1 && (stem.ptr[0] == 'S' || stem.ptr[0] == 'C');
}

static gh_id_kind stem_kind(gh_str stem)
{
  if (is_placeholder(stem)) return GH_ID_INVALID;
  if (is_ae_stem(stem, 'C')) return GH_ID_AE_C;
  if (is_ae_stem(stem, 'S')) return GH_ID_AE_S;
  return GH_ID_OTHER;
}

/* "x" or "cse/x" behind the slash of an SP-relative or the SP part of an absolute identifier. */
static gh_id_kind parse_relative(gh_str rest, gh_id *id)
{
  gh_str first, second = GH_STR_NONE;
  bool two = gh_str_find(rest, '/') != SIZE_MAX;
  if (!gh_str_split(&rest, '/', &first) || !gh_stem_valid(first)) return GH_ID_INVALID;
  if (two && (!gh_str_split(&rest, '/', &second) || rest.ptr || !gh_stem_valid(second))) return GH_ID_INVALID;
  if (!two && is_ae_stem(first, 'S')) {
    id->stem = first;
    return GH_ID_AE_S;
  }
  id->cse = first;
  if (!two) return gh_str_eq(first, GH_STR("S")) ? GH_ID_INVALID : GH_ID_CSE;
  id->stem = second;
  gh_id_kind kind = stem_kind(second);
  return kind == GH_ID_AE_S ? GH_ID_INVALID : kind; /* an S-type AE-ID never names a CSE */
}

static gh_id_kind parse_absolute(gh_str rest, gh_id *id)
{
  size_t slash = gh_str_find(rest, '/');
  id->scope = GH_SCOPE_ABSOLUTE;
  id->sp = gh_str_sub(rest, 0, slash == SIZE_MAX ? rest.len : slash);
  if (!gh_fqdn_valid(id->sp)) return GH_ID_INVALID;
  if (slash == SIZE_MAX) return GH_ID_SP;
  return parse_relative(gh_str_sub(rest, slash + 1, SIZE_MAX), id);
}

/*= TS-0001 7.2; forms of M2M-SP-ID, CSE-ID and AE-ID */
gh_id gh_id_parse(gh_str text)
{
  gh_id id = {.kind = GH_ID_INVALID, .scope = GH_SCOPE_STEM};
  if (gh_str_starts(text, GH_STR("//"))) {
    id.kind = parse_absolute(gh_str_sub(text, 2, SIZE_MAX), &id);
  } else if (gh_str_starts(text, GH_STR("/"))) {
    id.scope = GH_SCOPE_SP;
    id.kind = parse_relative(gh_str_sub(text, 1, SIZE_MAX), &id);
  } else if (gh_stem_valid(text)) {
    id.stem = text;
    id.kind = stem_kind(text);
  }
  return id.kind == GH_ID_INVALID ? (gh_id){.kind = GH_ID_INVALID} : id;
}

static char lower(char c)
{
  return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

enum { TAIL_PARTS = 4 };

static char *put(char *at, gh_str part)
{
  if (part.len) memcpy(at, part.ptr, part.len);
  return at + part.len;
}

/* "//" + sp in lower case + the parts of its tail; of every request's originator */
static gh_str absolute_of(gh_arena *arena, gh_str sp, const gh_str tail[static TAIL_PARTS])
{
  size_t len = 2 + sp.len;
  for (size_t i = 0; i < TAIL_PARTS; i++) len += tail[i].len;
  char *text = gh_arena_alloc(arena, len), *at = put(text, GH_STR("//"));
  for (size_t i = 0; i < sp.len; i++) *at++ = lower(sp.ptr[i]);
  for (size_t i = 0; i < TAIL_PARTS; i++) at = put(at, tail[i]);
  return (gh_str){text, len};
}

/*= TS-0003 7.1.5; originators are compared in one form; the absolute one, so that a stem, an SP-relative and an
 * absolute spelling of one entity are equal and those of two are not */
gh_err gh_id_absolute(gh_arena *arena, const gh_self *self, gh_str text, gh_str *out)
{
  gh_id id = gh_id_parse(text);
  if (id.kind == GH_ID_INVALID) return GH_ESYNTAX;
  if (id.scope == GH_SCOPE_ABSOLUTE) {
    *out = absolute_of(arena, id.sp, (gh_str[TAIL_PARTS]){gh_str_sub(text, 2 + id.sp.len, SIZE_MAX)});
    return GH_OK;
  }
  gh_str slash = GH_STR("/");
  gh_str sp_relative[TAIL_PARTS] = {text}, registered_at_the_in_cse[TAIL_PARTS] = {slash, text},
         registered_here[TAIL_PARTS] = {slash, self->cse_id, slash, text};
  *out = absolute_of(arena, self->sp_fqdn,
                     id.scope != GH_SCOPE_STEM ? sp_relative
                     : id.kind == GH_ID_AE_S   ? registered_at_the_in_cse
                                               : registered_here);
  return GH_OK;
}

gh_str gh_self_cse_absolute(gh_arena *arena, const gh_self *self)
{
  return absolute_of(arena, self->sp_fqdn, (gh_str[TAIL_PARTS]){GH_STR("/"), self->cse_id});
}

/*= TS-0004 7.3.2.6; stem inside the own CSE, SP-relative inside the own SP, absolute beyond */
gh_str gh_id_relative(gh_arena *arena, const gh_self *self, gh_str absolute)
{
  gh_id id = gh_id_parse(absolute);
  if (id.scope != GH_SCOPE_ABSOLUTE || id.kind == GH_ID_SP || !gh_str_eq_nocase(id.sp, self->sp_fqdn))
    return gh_arena_dup(arena, absolute);
  bool own = id.kind == GH_ID_AE_S || (id.stem.len && gh_str_eq(id.cse, self->cse_id));
  return gh_arena_dup(arena, own ? id.stem : gh_str_sub(absolute, 2 + id.sp.len, SIZE_MAX));
}

/* "cse.in-cse." or "in-cse." */
static gh_str cse_labels(gh_arena *arena, const gh_self *self, gh_str cse)
{
  if (gh_str_eq(cse, self->in_cse)) return gh_arena_fmt(arena, "%.*s.", GH_STR_ARG(cse));
  return gh_arena_fmt(arena, "%.*s.%.*s.", GH_STR_ARG(cse), GH_STR_ARG(self->in_cse));
}

/*= TS-0003 10.3.7; FQDN form of an entity; the names below the SP follow TS-0001 6.5.1.1 */
gh_err gh_id_fqdn_form(gh_arena *arena, const gh_self *self, gh_str absolute, gh_str *out)
{
  gh_id id = gh_id_parse(absolute);
  if (gh_fqdn_valid(absolute)) {
    *out = absolute;
    return GH_OK;
  }
  GH_REQUIRE(id.scope == GH_SCOPE_ABSOLUTE, GH_ESYNTAX);
  gh_str sp = gh_str_sub(absolute_of(arena, id.sp, (gh_str[TAIL_PARTS]){GH_STR_NONE}), 2, SIZE_MAX);
  gh_str cse = GH_STR_NONE;
  if (id.cse.len) {
    /* which CSE of a foreign SP is its IN-CSE is not known here */
    GH_REQUIRE(gh_str_eq_nocase(id.sp, self->sp_fqdn), GH_EUNSUPPORTED);
    cse = cse_labels(arena, self, id.cse);
  }
  const char *dot = id.stem.len ? "." : "";
  *out = gh_arena_fmt(arena, "%.*s%s%.*s%.*s", GH_STR_ARG(id.stem), dot, GH_STR_ARG(cse), GH_STR_ARG(sp));
  return GH_OK;
}

/*= TS-0004 7.3.2.6 From is made SP-relative when a request is forwarded */
gh_str gh_id_sp_relative(const gh_self *self, gh_str absolute)
{
  gh_str rest = gh_str_sub(absolute, 2, SIZE_MAX);
  bool ours = gh_str_starts(absolute, GH_STR("//")) && gh_str_starts(rest, self->sp_fqdn) &&
              rest.len > self->sp_fqdn.len && rest.ptr[self->sp_fqdn.len] == '/';
  return ours ? gh_str_sub(rest, self->sp_fqdn.len, SIZE_MAX) : absolute;
}

bool gh_id_is_foreign(const gh_self *self, gh_str absolute)
{
  if (!gh_str_starts(absolute, GH_STR("//"))) return false;
  gh_str rest = gh_str_sub(absolute, 2, SIZE_MAX);
  return !gh_str_eq_nocase(gh_str_sub(rest, 0, gh_str_find(rest, '/')), self->sp_fqdn);
}
