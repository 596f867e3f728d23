/* Owns the lists that count now. A list that could not be replaced stays until its nextUpdate: an attacker who cuts
 * the line must not get rid of what is known. */
#include "host/status_lists.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "crypto/crl_file.h"

enum { CRL_MAX_BYTES = 64 << 20, RETRY_S = 10, REFRESH_S = 3600 };

typedef struct held { /* shared between who replaces it and who looks at it */
  atomic_int users;
  gh_crl_set *set;
} held;

struct gh_status_lists {
  const gh_certificate_status_options *options;
  pthread_mutex_t lock;
  held *from_file, *from_web;
  atomic_bool tried_web;
  gh_crl_file file; /* status thread only, like what follows */
  bool changed;
  int64_t due_us;
};

static held *use(gh_status_lists *lists, held *const *place)
{
  pthread_mutex_lock(&lists->lock);
  held *h = *place;
  if (h) atomic_fetch_add(&h->users, 1);
  pthread_mutex_unlock(&lists->lock);
  return h;
}

static void release(held *h)
{
  if (!h || atomic_fetch_sub(&h->users, 1) != 1) return;
  gh_crl_set_free(h->set);
  free(h);
}

static void replace(gh_status_lists *lists, held **place, gh_crl_set *set)
{
  held *h = gh_calloc(1, sizeof *h);
  atomic_init(&h->users, 1);
  h->set = set;
  pthread_mutex_lock(&lists->lock);
  held *old = *place;
  *place = h;
  pthread_mutex_unlock(&lists->lock);
  release(old);
  lists->changed = true;
}

bool gh_status_lists_changed(gh_status_lists *lists)
{
  bool changed = lists->changed;
  lists->changed = false;
  return changed;
}

gh_status_lists *gh_status_lists_new(const gh_certificate_status_options *options)
{
  gh_status_lists *lists = gh_calloc(1, sizeof *lists);
  lists->options = options;
  pthread_mutex_init(&lists->lock, NULL);
  return lists;
}

void gh_status_lists_free(gh_status_lists *lists)
{
  if (!lists) return;
  release(lists->from_file);
  release(lists->from_web);
  pthread_mutex_destroy(&lists->lock);
  free(lists);
}

gh_err gh_status_lists_read_file(gh_status_lists *lists, gh_diag *diag)
{
  const char *path = lists->options->crl_path;
  gh_crl_set *set = NULL;
  bool fresh = false;
  if (!path || lists->options->crl == GH_STATUS_OFF) return GH_OK;
  gh_err err = gh_crl_file_look(&lists->file, path, &set, &fresh, diag);
  if (set) replace(lists, &lists->from_file, set);
  return fresh ? err : GH_OK; /* what is bad is told once */
}

static gh_err fetch_set(const gh_certificate_status_options *o, gh_crl_set **set, gh_diag *diag)
{
  gh_buf octets = GH_BUF_INIT;
  const gh_web_request request = {.url = o->crl_url, .timeout_ms = o->timeout_ms, .max_bytes = CRL_MAX_BYTES};
  gh_err err = o->web.exchange(o->web.ctx, &request, &octets, diag);
  if (err == GH_OK) err = gh_crl_set_read(gh_buf_str(&octets), set, diag);
  gh_buf_free(&octets);
  return err;
}

/* Half-way to its end, but neither in a hurry nor too late for a revocation. */
static int64_t next_fetch_us(const gh_crl_set *set, int64_t wall_us)
{
  int64_t left = gh_crl_set_next_update_us(set) - wall_us, longest = REFRESH_S * GH_US_PER_S;
  int64_t wait = left / 2 < longest ? left / 2 : longest;
  return wait > RETRY_S * GH_US_PER_S ? wait : RETRY_S * GH_US_PER_S;
}

void gh_status_lists_fetch(gh_status_lists *lists)
{
  const gh_certificate_status_options *o = lists->options;
  int64_t now = gh_clock_mono_us(&o->clock);
  gh_crl_set *set = NULL;
  gh_diag diag = {""};
  if (!o->crl_url || o->crl == GH_STATUS_OFF || now < lists->due_us) return;
  if (fetch_set(o, &set, &diag) == GH_OK) {
    lists->due_us = now + next_fetch_us(set, gh_clock_wall_us(&o->clock));
    replace(lists, &lists->from_web, set);
  } else {
    lists->due_us = now + RETRY_S * GH_US_PER_S;
    GH_LOG(o->log, GH_LOG_WARN, "crl-not-fetched", GH_F("reason", diag.text));
  }
  atomic_store(&lists->tried_web, true);
}

bool gh_status_lists_pending(gh_status_lists *lists)
{
  const gh_certificate_status_options *o = lists->options;
  return o->crl_url && o->crl != GH_STATUS_OFF && !atomic_load(&lists->tried_web);
}

static gh_cert_state check_in(gh_status_lists *lists, held *const *place, X509 *cert, X509 *issuer, int64_t now_us)
{
  held *h = use(lists, place);
  gh_cert_state state = h ? gh_crl_set_check(h->set, cert, issuer, now_us) : GH_CERT_UNKNOWN;
  release(h);
  return state;
}

gh_cert_state gh_status_lists_check(gh_status_lists *lists, X509 *cert, X509 *issuer, int64_t now_us)
{
  gh_cert_state file = check_in(lists, &lists->from_file, cert, issuer, now_us);
  if (file == GH_CERT_REVOKED) return file;
  gh_cert_state web = check_in(lists, &lists->from_web, cert, issuer, now_us);
  return web == GH_CERT_UNKNOWN ? file : web;
}
