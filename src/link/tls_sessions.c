/* Two tables of chains and a list in order of use, under one lock: what is done under it is short, also when all the
 * associations of an authority are revoked at a time. */
#include "link/tls_sessions.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "gatehouse/secret.h"

enum { SWEEP_US = 60 * GH_US_PER_S };

struct gh_tls_sessions {
  pthread_mutex_t lock;
  size_t most, count, slot_count; /* slots: a power of two */
  gh_tls_session **slots, **rows; /* by identifier; by credential */
  gh_tls_session *newest, *oldest;
  int64_t swept_us;
};

/* ---- one session */

gh_tls_session *gh_tls_session_new(void)
{
  gh_tls_session *session = gh_calloc(1, sizeof *session);
  atomic_init(&session->owners, 1);
  return session;
}

gh_tls_session *gh_tls_session_ref(gh_tls_session *session)
{
  atomic_fetch_add_explicit(&session->owners, 1, memory_order_relaxed);
  return session;
}

static void wipe_text(gh_str *text)
{
  if (text->len) gh_wipe((void *)(uintptr_t)text->ptr, text->len);
  gh_str_release(text);
}

void gh_tls_session_release(gh_tls_session *session)
{
  if (!session || atomic_fetch_sub_explicit(&session->owners, 1, memory_order_acq_rel) != 1) return;
  wipe_text(&session->state);
  gh_str_release(&session->server_name);
  gh_str_release(&session->psk_identity);
  gh_str_release(&session->certs);
  gh_str_release(&session->public_key);
  gh_str_release(&session->credential);
  gh_wipe(session, sizeof *session);
  free(session);
}

/* ---- the table; all under the lock */

/* The identifiers are drawn by us. */
static gh_tls_session **slot_of(const gh_tls_sessions *s, const uint8_t *id)
{
  uint64_t drawn;
  memcpy(&drawn, id + GH_TLS_SESSION_ID_BYTES - sizeof drawn, sizeof drawn);
  return &s->slots[drawn & (s->slot_count - 1)];
}

/* No secret is mixed in: nobody chooses the name under which it is known. */
static gh_tls_session **row_of(const gh_tls_sessions *s, gh_str credential)
{
  uint64_t hash = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < credential.len; i++)
    hash = (hash ^ (uint8_t)credential.ptr[i]) * UINT64_C(1099511628211); /* FNV-1a */
  return &s->rows[(hash ^ hash >> 32) & (s->slot_count - 1)];
}

static gh_tls_session *find(const gh_tls_sessions *s, const uint8_t *id)
{
  gh_tls_session *at = *slot_of(s, id);
  while (at && memcmp(at->id, id, sizeof at->id) != 0) at = at->same_slot;
  return at;
}

static void link_newest(gh_tls_sessions *s, gh_tls_session *session)
{
  session->newer = NULL;
  session->older = s->newest;
  *(s->newest ? &s->newest->newer : &s->oldest) = session;
  s->newest = session;
}

static void unlink_used(gh_tls_sessions *s, const gh_tls_session *session)
{
  *(session->newer ? &session->newer->older : &s->newest) = session->older;
  *(session->older ? &session->older->newer : &s->oldest) = session->newer;
}

static void link_row(const gh_tls_sessions *s, gh_tls_session *session)
{
  gh_tls_session **row = row_of(s, session->credential);
  session->before = NULL;
  session->after = *row;
  if (*row) (*row)->before = session;
  *row = session;
}

static void unlink_row(const gh_tls_sessions *s, const gh_tls_session *session)
{
  *(session->before ? &session->before->after : row_of(s, session->credential)) = session->after;
  if (session->after) session->after->before = session->before;
}

/* Its owner is now the caller. */
static gh_tls_session *take_out(gh_tls_sessions *s, gh_tls_session *session)
{
  unlink_row(s, session);
  gh_tls_session **at = slot_of(s, session->id);
  while (*at != session) at = &(*at)->same_slot;
  *at = session->same_slot;
  unlink_used(s, session);
  s->count--;
  return session;
}

static size_t expire(gh_tls_sessions *s, int64_t now_us)
{
  size_t count = 0;
  for (gh_tls_session *at = s->oldest, *next; at; at = next) {
    next = at->newer;
    if (at->until_us > now_us) continue;
    gh_tls_session_release(take_out(s, at));
    count++;
  }
  s->swept_us = now_us;
  return count;
}

static void expire_at_times(gh_tls_sessions *s, int64_t now_us)
{
  if (now_us - s->swept_us >= SWEEP_US) expire(s, now_us);
}

/* ---- for everybody */

gh_tls_sessions *gh_tls_sessions_new(size_t most)
{
  gh_tls_sessions *s = gh_calloc(1, sizeof *s);
  pthread_mutex_init(&s->lock, NULL);
  s->most = most ? most : 1;
  for (s->slot_count = 16; s->slot_count < s->most;) s->slot_count *= 2;
  s->slots = gh_calloc(s->slot_count, sizeof(gh_tls_session *));
  s->rows = gh_calloc(s->slot_count, sizeof(gh_tls_session *));
  return s;
}

void gh_tls_sessions_clear(gh_tls_sessions *s)
{
  pthread_mutex_lock(&s->lock);
  while (s->oldest) gh_tls_session_release(take_out(s, s->oldest));
  pthread_mutex_unlock(&s->lock);
}

void gh_tls_sessions_free(gh_tls_sessions *s)
{
  if (!s) return;
  gh_tls_sessions_clear(s);
  pthread_mutex_destroy(&s->lock);
  free(s->slots);
  free(s->rows);
  free(s);
}

void gh_tls_sessions_put(gh_tls_sessions *s, gh_tls_session *session, int64_t now_us)
{
  pthread_mutex_lock(&s->lock);
  gh_tls_session *same = find(s, session->id);
  if (same) gh_tls_session_release(take_out(s, same));
  expire_at_times(s, now_us);
  if (s->count >= s->most) gh_tls_session_release(take_out(s, s->oldest));
  gh_tls_session **slot = slot_of(s, session->id);
  session->same_slot = *slot;
  *slot = session;
  link_newest(s, session);
  link_row(s, session);
  s->count++;
  pthread_mutex_unlock(&s->lock);
}

gh_tls_session *gh_tls_sessions_take(gh_tls_sessions *s, const uint8_t id[static GH_TLS_SESSION_ID_BYTES],
                                     int64_t now_us)
{
  pthread_mutex_lock(&s->lock);
  expire_at_times(s, now_us);
  gh_tls_session *found = find(s, id), *over = NULL;
  if (found && found->until_us <= now_us) {
    over = take_out(s, found);
    found = NULL;
  } else if (found && found->once) {
    take_out(s, found);
  } else if (found) {
    unlink_used(s, found);
    link_newest(s, found);
    gh_tls_session_ref(found);
  }
  pthread_mutex_unlock(&s->lock);
  gh_tls_session_release(over);
  return found;
}

void gh_tls_sessions_drop(gh_tls_sessions *s, const uint8_t id[static GH_TLS_SESSION_ID_BYTES])
{
  pthread_mutex_lock(&s->lock);
  gh_tls_session *found = find(s, id);
  if (found) take_out(s, found);
  pthread_mutex_unlock(&s->lock);
  gh_tls_session_release(found);
}

size_t gh_tls_sessions_forget(gh_tls_sessions *s, gh_str credential)
{
  size_t count = 0;
  pthread_mutex_lock(&s->lock);
  for (gh_tls_session *at = *row_of(s, credential), *next; at; at = next) {
    next = at->after;
    if (!gh_str_eq(at->credential, credential)) continue;
    gh_tls_session_release(take_out(s, at));
    count++;
  }
  pthread_mutex_unlock(&s->lock);
  return count;
}

size_t gh_tls_sessions_expire(gh_tls_sessions *s, int64_t now_us)
{
  pthread_mutex_lock(&s->lock);
  size_t count = expire(s, now_us);
  pthread_mutex_unlock(&s->lock);
  return count;
}

size_t gh_tls_sessions_count(gh_tls_sessions *s)
{
  pthread_mutex_lock(&s->lock);
  size_t count = s->count;
  pthread_mutex_unlock(&s->lock);
  return count;
}
