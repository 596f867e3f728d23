/* The three contexts of a rule (TS-0003 7.1.3): time window, address, place. Each is compiled at write time and then
 * answers yes, no or unknown; unknown never permits. */
#ifndef GH_AUTHZ_CONTEXT_H
#define GH_AUTHZ_CONTEXT_H

#include "authz/compile.h"

/* Kleene's three values, ordered so that AND is the smaller and OR the greater. */
typedef enum gh_truth { GH_NO, GH_UNKNOWN, GH_YES } gh_truth;

/* ---- accessControlWindow */

typedef struct gh_year_span {
  uint16_t from, to, step;
} gh_year_span;

typedef struct gh_window {
  uint64_t seconds, minutes; /* bit n: value n */
  uint32_t hours, days, months, weekdays;
  gh_year_span *years;
  size_t year_count;
} gh_window;

/* The time of arrival, split once for all windows of a question. */
typedef struct gh_moment {
  bool known; /* false: the clock is not set */
  unsigned second, minute, hour, day, month, weekday, year;
} gh_moment;

gh_moment gh_moment_of(int64_t time_us);
GH_MUST_USE gh_err gh_window_compile(gh_compile *c, const gh_val *value, void *window);
gh_truth gh_window_match(const gh_window *window, const gh_moment *moment);

/* ---- accessControlIpAddresses */

typedef struct gh_net {
  uint8_t prefix; /* bits that count */
  uint8_t octets[16];
} gh_net;

typedef struct gh_nets {
  bool present;
  gh_net *v4, *v6;
  size_t v4_count, v6_count;
} gh_nets;

GH_MUST_USE gh_err gh_nets_compile(gh_compile *c, const gh_val *value, gh_nets *nets);
/* An IPv4-mapped IPv6 address becomes the IPv4 address that it stands for. */
gh_peer_addr gh_peer_addr_plain(const gh_peer_addr *peer);
gh_truth gh_nets_match(const gh_nets *nets, const gh_peer_addr *plain);

/* ---- accessControlLocationRegion */

typedef struct gh_country {
  char code[2];
} gh_country;

typedef struct gh_region {
  bool present, circular;
  gh_country *countries;
  size_t country_count;
  double latitude, longitude, radius_m;
} gh_region;

GH_MUST_USE gh_err gh_region_compile(gh_compile *c, const gh_val *value, gh_region *region);
gh_truth gh_region_match(const gh_region *region, const gh_place *place);
double gh_distance_m(double lat1, double lon1, double lat2, double lon2);

/* ---- one element of accessControlContexts: all its members must say yes */

typedef struct gh_context {
  gh_window *windows; /* one must say yes; none: no constraint */
  size_t window_count;
  gh_nets nets;
  gh_region region;
} gh_context;

GH_MUST_USE gh_err gh_context_compile(gh_compile *c, const gh_val *value, void *context);
gh_truth gh_context_match(const gh_context *context, const gh_moment *moment, const gh_peer_addr *plain,
                          const gh_place *place);

#endif
