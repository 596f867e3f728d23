/* Owns accessControlLocationRegion (TS-0003 Annex F): a list of countries or a circle. Must never take a place that
 * is not known, or not a number, for one inside. */
#include "authz/context.h"

#include <math.h>

#define EARTH_RADIUS_M 6371008.8

/* ---- compiling */

/*= TS-0003 F.1.2; user-assigned codes are as good as any, so that only the shape is checked */
static gh_err compile_country(gh_compile *c, const gh_val *value, void *out)
{
  gh_country *country = out;
  gh_str code;
  GH_TRY(gh_compile_text(c, value, 2, &code));
  for (size_t i = 0; i < 2; i++) {
    if (code.len != 2 || code.ptr[i] < 'A' || code.ptr[i] > 'Z')
      return gh_compile_fail(c, GH_ESYNTAX, "a country code has two capital letters");
    country->code[i] = code.ptr[i];
  }
  return GH_OK;
}

static gh_err compile_accc(gh_compile *c, const gh_val *value, void *out)
{
  gh_region *region = out;
  void *items;
  GH_TRY(gh_compile_list(c, value, 1, sizeof(gh_country), compile_country, &items, &region->country_count));
  region->countries = items;
  return GH_OK;
}

static gh_err compile_number(gh_compile *c, const gh_val *value, void *out)
{
  double number;
  if (value->type == GH_VAL_INT)
    number = (double)value->u.integer;
  else if (value->type == GH_VAL_REAL && isfinite(value->u.real))
    number = value->u.real;
  else
    return gh_compile_fail(c, GH_ESYNTAX, "must be a number");
  *(double *)out = number;
  return GH_OK;
}

/*= TS-0004 6.3.5.28; latitude, longitude, radius in metres */
static gh_err compile_accr(gh_compile *c, const gh_val *value, void *out)
{
  gh_region *region = out;
  void *items;
  size_t count;
  GH_TRY(gh_compile_list(c, value, 1, sizeof(double), compile_number, &items, &count));
  const double *number = items;
  if (count != 3) return gh_compile_fail(c, GH_ESYNTAX, "must be latitude, longitude and radius");
  if (fabs(number[0]) > 90 || fabs(number[1]) > 180 || number[2] < 0)
    return gh_compile_fail(c, GH_ESYNTAX, "latitude within 90, longitude within 180, radius not negative");
  region->circular = true;
  region->latitude = number[0];
  region->longitude = number[1];
  region->radius_m = number[2];
  return GH_OK;
}

static const gh_compile_member region_members[] = {{"accc", compile_accc, false}, {"accr", compile_accr, false}};

gh_err gh_region_compile(gh_compile *c, const gh_val *value, gh_region *region)
{
  GH_TRY(gh_compile_object(c, value, region_members, sizeof(region_members) / sizeof(region_members[0]), region));
  if (region->circular == (region->country_count > 0)) return gh_compile_fail(c, GH_ESYNTAX, "either accc or accr");
  region->present = true;
  return GH_OK;
}

/* ---- matching */

static double radians(double degrees)
{
  return degrees * (3.14159265358979323846 / 180.0);
}

double gh_distance_m(double lat1, double lon1, double lat2, double lon2)
{
  double sin_lat = sin(radians(lat2 - lat1) / 2), sin_lon = sin(radians(lon2 - lon1) / 2);
  double h = sin_lat * sin_lat + cos(radians(lat1)) * cos(radians(lat2)) * sin_lon * sin_lon;
  return 2 * EARTH_RADIUS_M * asin(sqrt(fmin(1, h)));
}

static gh_truth in_countries(const gh_region *region, const gh_place *place)
{
  if (!place->has_country) return GH_UNKNOWN;
  for (size_t i = 0; i < region->country_count; i++) {
    if (memcmp(region->countries[i].code, place->country, 2) == 0) return GH_YES;
  }
  return GH_NO;
}

static bool is_point(const gh_place *place)
{
  /* Each comparison is false for what is not a number. */
  return place->has_point && fabs(place->latitude) <= 90 && fabs(place->longitude) <= 180 &&
         place->uncertainty_m >= 0;
}

static gh_truth in_circle(const gh_region *region, const gh_place *place)
{
  if (!is_point(place)) return GH_UNKNOWN;
  double distance = gh_distance_m(region->latitude, region->longitude, place->latitude, place->longitude);
  return distance + place->uncertainty_m <= region->radius_m ? GH_YES : GH_NO;
}

/*= TS-0003 7.1.5; res_loc */
gh_truth gh_region_match(const gh_region *region, const gh_place *place)
{
  return region->circular ? in_circle(region, place) : in_countries(region, place);
}
