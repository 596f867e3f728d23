/* The revocation file is appended to, one key identifier a line; identifiers are no secrets. Looked at five times a
 * second, cheaper to reason about than file events. Whoever tidies it up, however fast it fills again: what was read
 * must still be there, octet for octet, or it is read from its beginning. */
#include "host/revocation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/fetch.h"

enum { POLL_MS = 200, LINE_BYTES = 300, SETTLED_S = 2 };

struct gh_revocation {
  gh_host *host;
  uv_timer_t timer;
  int fd;           /* that is read; on the loop of the first worker */
  off_t read_to;    /* of it */
  uint64_t digest;  /* of what was read */
  struct stat seen; /* as it was before it was read last */
  int spare;        /* to write to where the file cannot be opened: also a process without descriptors announces */
};

typedef struct revoke_task {
  gh_task task;
  gh_worker *worker;
  gh_host *host;
  gh_str key_id;
} revoke_task;

static bool built_on(void *ctx, gh_conn *conn)
{
  const gh_str *key_id = ctx;
  const gh_peer *peer = gh_conn_peer(conn);
  return peer->key_id.len && gh_str_eq(peer->key_id, *key_id);
}

static void revoke_on_worker(gh_task *task)
{
  revoke_task *t = (revoke_task *)task;
  size_t count = gh_worker_revoke(t->worker, built_on, &t->key_id);
  if (count) {
    atomic_fetch_add_explicit(&t->host->counters.revocations, count, memory_order_relaxed);
    GH_LOG(&t->host->log, GH_LOG_WARN, "associations-revoked", GH_F("key", t->key_id), GH_F("count", count));
  }
  gh_str_release(&t->key_id);
  free(t);
}

void gh_revocation_apply(gh_host *host, gh_str key_id)
{
  if (host->fetcher) gh_fetch_forget(host->fetcher, key_id);
  gh_revocation_apply_associations(host, key_id);
}

void gh_revocation_apply_associations(gh_host *host, gh_str key_id)
{
  for (size_t i = 0; i < host->worker_count; i++) {
    revoke_task *t = gh_calloc(1, sizeof *t);
    *t = (revoke_task){
        .task = {.run = revoke_on_worker}, .worker = host->workers[i], .host = host, .key_id = gh_str_clone(key_id)};
    gh_loop_post(host->workers[i]->loop, &t->task);
  }
}

static int open_file(const gh_host *host)
{
  return open(host->config.revocation_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* One write to the end of the file, with a line's end before it, too: what another writer left half written (the disk
 * was full, or it was killed) does not become the beginning of this line. The file is opened each time: whoever
 * replaces it must not lose a line that is written before we have noticed. */
static void announce(gh_host *host, gh_str key_id)
{
  char line[LINE_BYTES];
  if (!host->revocation) return;
  int len = snprintf(line, sizeof line, "\n%.*s\n", GH_STR_ARG(key_id));
  bool fits = len > 0 && (size_t)len < sizeof line;
  errno = 0;
  int opened = open_file(host), fd = opened < 0 ? host->revocation->spare : opened;
  if (!fits || write(fd, line, (size_t)len) != len)
    GH_LOG(&host->log, GH_LOG_ERROR, "revocation-not-announced", GH_F("key", key_id), GH_F("errno", errno));
  if (opened >= 0) close(opened);
}

void gh_host_revoke_key(gh_host *host, gh_str key_id)
{
  gh_revocation_apply(host, key_id);
  announce(host, key_id);
}

/* FNV-1a: against accidents, in a file that nobody else can write. */
static uint64_t digest_of(uint64_t before, gh_str octets)
{
  for (size_t i = 0; i < octets.len; i++) before = (before ^ (uint8_t)octets.ptr[i]) * UINT64_C(1099511628211);
  return before;
}

static const uint64_t DIGEST_OF_NOTHING = UINT64_C(14695981039346656037);

/* Of the file's first octets; false: there are not so many. */
static bool digest_to(int fd, off_t end, uint64_t *out)
{
  char part[16384];
  *out = DIGEST_OF_NOTHING;
  for (off_t at = 0; at < end;) {
    size_t want = (size_t)(end - at) < sizeof part ? (size_t)(end - at) : sizeof part;
    ssize_t got = pread(fd, part, want, at);
    if (got <= 0) return false;
    *out = digest_of(*out, (gh_str){part, (size_t)got});
    at += got;
  }
  return true;
}

static void read_lines(struct gh_revocation *r)
{
  char text[4096];
  for (;;) {
    ssize_t got = pread(r->fd, text, sizeof text, r->read_to);
    if (got <= 0) return;
    gh_str rest = {text, (size_t)got};
    size_t end = gh_str_rfind(rest, '\n');
    bool cut = end == SIZE_MAX; /* half a line: its writer is not done, or will never be */
    if (cut && rest.len < sizeof text) return;
    if (!cut) rest.len = end + 1; /* else it is longer than any identifier, and must not hold up what follows */
    r->read_to += (off_t)rest.len;
    r->digest = digest_of(r->digest, rest);
    for (gh_str line; !cut && gh_str_split(&rest, '\n', &line);)
      if (line.len) gh_revocation_apply(r->host, line);
  }
}

static void begin_anew(struct gh_revocation *r)
{
  r->read_to = 0;
  r->digest = DIGEST_OF_NOTHING;
}

static bool same_time(struct timespec a, struct timespec b)
{
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Times of files are as coarse as the clock's ticks: what was changed just now may be changed again unseen. */
static bool is_untouched(struct gh_revocation *r)
{
  struct stat now;
  struct timespec t;
  if (fstat(r->fd, &now) != 0) return false;
  clock_gettime(CLOCK_REALTIME, &t);
  bool same = now.st_size == r->seen.st_size && same_time(now.st_mtim, r->seen.st_mtim) &&
              same_time(now.st_ctim, r->seen.st_ctim);
  bool settled = now.st_ctim.tv_sec + SETTLED_S < t.tv_sec;
  r->seen = now;
  return same && settled;
}

/* What was appended, or all of it where what was read before is not there any more: somebody has cut the file. To end
 * again what was revoked before harms nobody. */
static void read_on(struct gh_revocation *r)
{
  uint64_t digest;
  if (is_untouched(r)) return;
  if (!digest_to(r->fd, r->read_to, &digest) || digest != r->digest) begin_anew(r);
  read_lines(r);
}

/* Somebody has put another file in its place. */
static bool is_another_file(struct gh_revocation *r)
{
  struct stat ours, there;
  if (fstat(r->fd, &ours) != 0) return false;
  bool same = stat(r->host->config.revocation_path, &there) == 0 && there.st_dev == ours.st_dev &&
              there.st_ino == ours.st_ino;
  int fresh = same ? -1 : open_file(r->host);
  if (fresh < 0) return false; /* if there is one: with the next tick, perhaps */
  close(r->fd);
  r->fd = fresh;
  begin_anew(r);
  return true;
}

static void on_timer(uv_timer_t *timer)
{
  struct gh_revocation *r = timer->data;
  gh_fetch_confirm(r->host->fetcher, r->host->workers[0]);
  read_on(r); /* of the file as it was, to its end */
  if (is_another_file(r)) read_on(r);
}

static void start_timer(void *arg)
{
  struct gh_revocation *r = arg;
  uv_timer_init(r->host->workers[0]->uv, &r->timer);
  r->timer.data = r;
  uv_timer_start(&r->timer, on_timer, POLL_MS, POLL_MS);
}

gh_err gh_revocation_start(gh_host *host, gh_diag *diag)
{
  if (!host->config.revocation_path || !host->worker_count) return GH_OK;
  struct gh_revocation *r = gh_calloc(1, sizeof *r);
  r->host = host;
  r->fd = open_file(host);
  r->spare = r->fd < 0 ? -1 : fcntl(r->fd, F_DUPFD_CLOEXEC, 0);
  if (r->spare < 0) {
    if (r->fd >= 0) close(r->fd);
    free(r);
    return gh_fail(diag, GH_EIO, "cannot open the revocation file %s", host->config.revocation_path);
  }
  r->read_to = lseek(r->fd, 0, SEEK_END); /* keys revoked earlier are gone from their issuer too */
  if (!digest_to(r->fd, r->read_to, &r->digest)) begin_anew(r);
  host->revocation = r;
  gh_loop_call(host->workers[0]->loop, start_timer, r);
  return GH_OK;
}

static void stop_timer(void *arg)
{
  struct gh_revocation *r = arg;
  uv_close((uv_handle_t *)&r->timer, NULL);
}

/* The writer may still announce what it revokes: the file stays open until the store is closed. */
void gh_revocation_stop(gh_host *host)
{
  if (host->revocation) gh_loop_call(host->workers[0]->loop, stop_timer, host->revocation);
}

void gh_revocation_free(gh_host *host)
{
  struct gh_revocation *r = host->revocation;
  if (!r) return;
  host->revocation = NULL;
  close(r->fd);
  close(r->spare);
  free(r);
}
