/* Owns the lists that came over HTTP. Must never give up one for what anybody on the line may have put in its place:
 * a list goes for a later one that the same issuer signed, and for nothing else. */
#include "client/device_lists.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_MAX_BYTES = 8 << 20, ISSUERS_MAX = 16, AGAIN_MIN_S = 10, AGAIN_MAX_S = 3600 };

struct gh_device_lists {
  char *url;
  uint32_t timeout_ms;
  const gh_clock *clock;
  const gh_web *web;
  X509 *issuers[ISSUERS_MAX]; /* owned */
  size_t issuer_count, issuer_next;
  gh_crl_set *kept;
  gh_web_fetch *fetch; /* NULL: none is under way */
  int64_t due_us;      /* mono */
};

gh_device_lists *gh_device_lists_new(gh_str url, uint32_t timeout_ms, const gh_clock *clock, const gh_web *web)
{
  gh_device_lists *l = gh_calloc(1, sizeof *l);
  *l = (gh_device_lists){
      .url = strndup(url.ptr, url.len), .timeout_ms = timeout_ms, .clock = clock, .web = web, .due_us = INT64_MIN};
  return l;
}

void gh_device_lists_free(gh_device_lists *l)
{
  if (!l) return;
  gh_web_fetch_leave(l->fetch);
  for (size_t i = 0; i < l->issuer_count; i++) X509_free(l->issuers[i]);
  gh_crl_set_free(l->kept);
  free(l->url);
  free(l);
}

static bool is_known(const gh_device_lists *l, const X509 *issuer)
{
  for (size_t i = 0; i < l->issuer_count; i++)
    if (X509_cmp(l->issuers[i], issuer) == 0) return true;
  return false;
}

void gh_device_lists_know(gh_device_lists *l, X509 *const *issuers, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (is_known(l, issuers[i])) continue;
    if (l->issuer_count == ISSUERS_MAX) X509_free(l->issuers[l->issuer_next]);
    X509_up_ref(issuers[i]);
    l->issuers[l->issuer_next] = issuers[i];
    l->issuer_next = (l->issuer_next + 1) % ISSUERS_MAX;
    if (l->issuer_count < ISSUERS_MAX) l->issuer_count++;
    l->due_us = INT64_MIN; /* what was fetched before may have held a list of this one */
  }
}

bool gh_device_lists_ask(gh_device_lists *l)
{
  if (l->fetch) return true;
  if (!l->issuer_count || gh_clock_mono_us(l->clock) < l->due_us) return false;
  const gh_web_request request = {.url = l->url, .timeout_ms = l->timeout_ms, .max_bytes = LIST_MAX_BYTES};
  l->fetch = gh_web_fetch_begin(l->web, &request);
  return l->fetch != NULL;
}

/* Half-way to the end, but neither in a hurry nor too late for a revocation. */
static int64_t wait_s(const gh_device_lists *l)
{
  int64_t left = l->kept ? gh_crl_set_next_update_us(l->kept) - gh_clock_wall_us(l->clock) : 0;
  int64_t half = left / 2 / GH_US_PER_S;
  return half < AGAIN_MIN_S ? AGAIN_MIN_S : half > AGAIN_MAX_S ? AGAIN_MAX_S : half;
}

bool gh_device_lists_collect(gh_device_lists *l)
{
  gh_buf octets = GH_BUF_INIT;
  gh_crl_set *fresh = NULL;
  size_t taken = 0, counted = 0;
  if (!l->fetch || !gh_web_fetch_done(l->fetch, 0)) return false;
  gh_err err = gh_web_fetch_take(l->fetch, &octets, NULL);
  l->fetch = NULL;
  if (err == GH_OK) err = gh_crl_set_read(gh_buf_str(&octets), &fresh, NULL);
  if (err == GH_OK)
    taken = gh_crl_set_take_later(&l->kept, fresh, l->issuers, l->issuer_count, gh_clock_wall_us(l->clock), &counted);
  gh_buf_free(&octets);
  l->due_us = gh_clock_mono_us(l->clock) + (counted ? wait_s(l) : AGAIN_MIN_S) * GH_US_PER_S;
  return taken > 0;
}

gh_cert_state gh_device_lists_check(gh_device_lists *l, X509 *cert, X509 *issuer, int64_t now_us)
{
  return l->kept ? gh_crl_set_check(l->kept, cert, issuer, now_us) : GH_CERT_UNKNOWN;
}
