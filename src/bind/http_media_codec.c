/* Content-Type and Accept. */
#include "bind/http_media_codec.h"

static gh_str trim(gh_str s)
{
  while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) s = gh_str_sub(s, 1, s.len);
  while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) s.len--;
  return s;
}

/* ---- Content-Type */

static gh_err read_ty(gh_str value, gh_http_media *out, gh_diag *diag)
{
  uint64_t number;
  if (out->has_ty) return gh_fail(diag, GH_ESYNTAX, "Content-Type: ty repeated");
  if (!gh_str_to_u64(value, &number) || number == 0 || number > UINT32_MAX)
    return gh_fail(diag, GH_ESYNTAX, "ty: not a resource type");
  out->has_ty = true;
  out->ty = (uint32_t)number;
  return GH_OK;
}

static gh_err read_parameter(gh_str text, gh_http_media *out, gh_diag *diag)
{
  size_t equal = gh_str_find(text, '=');
  if (equal == SIZE_MAX) return gh_fail(diag, GH_ESYNTAX, "Content-Type: malformed parameter");
  gh_str name = trim(gh_str_sub(text, 0, equal)), value = trim(gh_str_sub(text, equal + 1, text.len));
  if (gh_str_eq_nocase(name, GH_STR("ty"))) return read_ty(value, out, diag);
  if (gh_str_eq_nocase(name, GH_STR("charset")) && !gh_str_eq_nocase(value, GH_STR("utf-8")) &&
      !gh_str_eq_nocase(value, GH_STR("\"utf-8\"")))
    out->type = NULL; /* both serializations are UTF-8 */
  return GH_OK;
}

/*= TS-0009 6.4.3 */
gh_err gh_http_read_media(gh_str value, gh_http_media *out, gh_diag *diag)
{
  gh_str part;
  *out = (gh_http_media){0};
  if (!gh_str_split(&value, ';', &part)) return gh_fail(diag, GH_ESYNTAX, "Content-Type is empty");
  out->type = gh_media_type_by_name(trim(part));
  while (gh_str_split(&value, ';', &part)) GH_TRY(read_parameter(trim(part), out, diag));
  return GH_OK;
}

/* ---- Accept */

enum { QUALITY_MAX = 1000, OFFERS = 4 };

typedef struct offer { /* a media type that an answer may have */
  const gh_media_type *type;
  int quality;   /* thousandths; of the most precise range that names it */
  int precision; /* of that range; 0: none yet */
} offer;

/* "0.75" -> 750; -1 when it is no weight. */ /*= RFC 9110 12.4.2 */
static int read_weight(gh_str value)
{
  int quality = 0, unit = QUALITY_MAX;
  if (value.len == 0 || value.len > 5 || (value.len > 1 && value.ptr[1] != '.')) return -1;
  for (size_t i = 0; i < value.len; i++) {
    if (i == 1) continue;
    if (value.ptr[i] < '0' || value.ptr[i] > '9') return -1;
    quality += (value.ptr[i] - '0') * unit;
    unit /= 10;
  }
  return quality <= QUALITY_MAX ? quality : -1;
}

/* Weight among the parameters of a range; other parameters do not narrow what we offer. */
static int quality_of(gh_str parameters)
{
  gh_str part;
  while (gh_str_split(&parameters, ';', &part)) {
    part = trim(part);
    if (part.len > 1 && (part.ptr[0] | 0x20) == 'q' && part.ptr[1] == '=')
      return read_weight(gh_str_sub(part, 2, part.len));
  }
  return QUALITY_MAX;
}

/* How precisely the range names the type: 3 itself, 2 application, 1 anything, 0 not at all. Wildcards stand for the
 * plain types: who excludes application/cbor does not want to get it under oneM2M's name for it. */
static int precision_of(gh_str range, const gh_media_type *type)
{
  if (gh_str_eq_nocase(range, type->name)) return 3;
  if (type->kind != GH_MEDIA_PLAIN) return 0;
  if (gh_str_eq_nocase(range, GH_STR("application/*"))) return 2;
  return gh_str_eq(range, GH_STR("*/*"));
}

/*= RFC 9110 12.5.1 */
static void weigh(offer *offers, gh_str range)
{
  gh_str name;
  if (!gh_str_split(&range, ';', &name)) return;
  int quality = quality_of(range);
  for (size_t i = 0; i < OFFERS && quality >= 0; i++) {
    int precision = precision_of(trim(name), offers[i].type);
    if (!precision || precision < offers[i].precision) continue;
    if (precision > offers[i].precision || quality > offers[i].quality) offers[i].quality = quality;
    offers[i].precision = precision;
  }
}

static const gh_media_type *best_of(const offer *offers)
{
  const offer *best = NULL;
  for (size_t i = 0; i < OFFERS; i++)
    if (offers[i].quality > (best ? best->quality : 0)) best = &offers[i];
  return best ? best->type : NULL;
}

/*= TS-0009 6.4.2; TS-0004 7.3.3.12; 7.3.3.13 what Accept leaves open is answered as the request was written */
const gh_media_type *gh_http_choose_media(gh_str accept, const gh_media_type *sent)
{
  gh_representation own = sent ? sent->representation : GH_REP_JSON;
  gh_representation other = own == GH_REP_JSON ? GH_REP_CBOR : GH_REP_JSON;
  const gh_media_type *usual = gh_media_type_of(own, GH_MEDIA_PLAIN);
  if (gh_str_empty(accept) || gh_str_eq(accept, usual->name)) return usual;
  offer offers[OFFERS] = {{.type = usual},
                          {.type = gh_media_type_of(own, GH_MEDIA_RESOURCE)},
                          {.type = gh_media_type_of(other, GH_MEDIA_PLAIN)},
                          {.type = gh_media_type_of(other, GH_MEDIA_RESOURCE)}};
  gh_str range;
  while (gh_str_split(&accept, ',', &range)) weigh(offers, range);
  return best_of(offers);
}
