/* A few names, and a thread for each look-up, of which there are few at a time. */
#include "cmd/names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { ENTRIES = 256, HOST_BYTES = 256, THREADS_MAX = 4 };
#define GH_NAME_KNOWN_US (30 * GH_US_PER_S)
#define GH_NAME_UNKNOWN_US (5 * GH_US_PER_S)

typedef struct entry {
  char host[HOST_BYTES]; /* empty: free */
  struct sockaddr_storage address;
  socklen_t len; /* 0: none is known */
  int64_t until_us;
  bool pending;
} entry;

struct gh_names {
  gh_names_lookup *lookup;
  gh_clock clock;
  pthread_mutex_t lock;
  unsigned owners, threads;
  entry entries[ENTRIES];
};

typedef struct search {
  gh_names *names;
  entry *entry; /* stays this name's while it is pending */
  char host[HOST_BYTES];
} search;

static gh_err ask_system(const char *host, struct sockaddr_storage *address, socklen_t *len)
{
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  if (getaddrinfo(host, NULL, &hints, &found) != 0 || !found) return GH_ECONN;
  memcpy(address, found->ai_addr, found->ai_addrlen);
  *len = found->ai_addrlen;
  freeaddrinfo(found);
  return GH_OK;
}

gh_names *gh_names_new(gh_names_lookup *lookup, const gh_clock *clock)
{
  gh_names *names = gh_calloc(1, sizeof *names);
  names->lookup = lookup ? lookup : ask_system;
  names->clock = *clock;
  names->owners = 1;
  pthread_mutex_init(&names->lock, NULL);
  return names;
}

void gh_names_free(gh_names *names)
{
  if (!names) return;
  pthread_mutex_lock(&names->lock);
  bool last = --names->owners == 0;
  pthread_mutex_unlock(&names->lock);
  if (!last) return;
  pthread_mutex_destroy(&names->lock);
  free(names);
}

/* ---- a look-up */

/* What was found before serves on when nothing is found now. */
static void *run(void *arg)
{
  search *s = arg;
  gh_names *names = s->names;
  struct sockaddr_storage address;
  socklen_t len = 0;
  memset(&address, 0, sizeof address);
  gh_err err = names->lookup(s->host, &address, &len);
  pthread_mutex_lock(&names->lock);
  entry *e = s->entry;
  e->pending = false;
  e->until_us = gh_clock_mono_us(&names->clock) + (err == GH_OK ? GH_NAME_KNOWN_US : GH_NAME_UNKNOWN_US);
  if (err == GH_OK) {
    e->address = address;
    e->len = len;
  }
  names->threads--;
  pthread_mutex_unlock(&names->lock);
  gh_names_free(names);
  free(s);
  return NULL;
}

/* The thread takes no signals: they are for the process's own. */
static bool start_thread(search *s)
{
  pthread_t thread;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = pthread_create(&thread, NULL, run, s) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (started) pthread_detach(thread);
  return started;
}

/* The lock is held. */
static void look_up(gh_names *names, entry *e)
{
  if (e->pending || names->threads >= THREADS_MAX) return;
  search *s = gh_calloc(1, sizeof *s);
  *s = (search){.names = names, .entry = e};
  memcpy(s->host, e->host, sizeof s->host);
  e->pending = true;
  names->owners++;
  names->threads++;
  if (start_thread(s)) return;
  e->pending = false;
  names->owners--;
  names->threads--;
  free(s);
}

/* Its own, or one that is free, or the one that was found longest ago; NULL: all are being looked up. */
static entry *place_of(gh_names *names, const char *host)
{
  entry *place = NULL;
  for (size_t i = 0; i < ENTRIES; i++) {
    entry *e = &names->entries[i];
    if (strcmp(e->host, host) == 0) return e;
    if (!e->pending && (!place || e->until_us < place->until_us)) place = e;
  }
  if (place) {
    *place = (entry){.len = 0};
    memcpy(place->host, host, strlen(host) + 1);
  }
  return place;
}

static bool take_numeric(const char *host, struct sockaddr_storage *address, socklen_t *len)
{
  struct sockaddr_in *in = (struct sockaddr_in *)address;
  struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
    address->ss_family = AF_INET;
    *len = sizeof *in;
  } else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
    address->ss_family = AF_INET6;
    *len = sizeof *in6;
  } else {
    return false;
  }
  return true;
}

static gh_err find_name(gh_names *names, const char *host, struct sockaddr_storage *address, socklen_t *len)
{
  gh_err err = GH_EAGAIN;
  pthread_mutex_lock(&names->lock);
  entry *e = place_of(names, host);
  bool fresh = e && e->until_us > gh_clock_mono_us(&names->clock);
  if (e && !fresh) look_up(names, e);
  if (e && e->len) {
    *address = e->address;
    *len = e->len;
    err = GH_OK;
  } else if (fresh) {
    err = GH_ECONN;
  }
  pthread_mutex_unlock(&names->lock);
  return err;
}

gh_err gh_names_find(gh_names *names, const char *host, uint16_t port, struct sockaddr_storage *address,
                     socklen_t *len)
{
  GH_REQUIRE(host[0] && strlen(host) < HOST_BYTES, GH_ECONN);
  if (!take_numeric(host, address, len)) GH_TRY(find_name(names, host, address, len));
  if (address->ss_family == AF_INET) ((struct sockaddr_in *)address)->sin_port = htons(port);
  if (address->ss_family == AF_INET6) ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
  return GH_OK;
}
