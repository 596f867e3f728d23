/* Owns the order of the sources and the decision where they are silent, and the thread that waits for them. Must
 * never touch a file or a socket on a worker. */
#include "host/certificate_status.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "host/status_answers.h"
#include "host/status_lists.h"
#include "link/conn.h"

enum { QUEUE_MAX = 4096, LOOK_EVERY_MS = 250 };

typedef struct job {
  gh_task task;
  struct job *next;
  gh_status_query *query;
  sem_t *answered; /* who waits; NULL: the query's worker is told */
  gh_err result;
  bool revoked;
  const char *why;
} job;

struct gh_certificate_status {
  gh_certificate_status_options options;
  gh_status_source source, waiting_source;
  atomic_uint generation; /* of the lists */
  gh_status_lists *lists;
  gh_status_answers *answers;
  pthread_t thread;
  bool running;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  job *first, **last; /* under the lock, like what follows */
  size_t count;
  bool stopping;
};

bool gh_status_policy_named(gh_str name, gh_status_policy *out)
{
  static const char *const names[] = {
      [GH_STATUS_OFF] = "off", [GH_STATUS_SOFT] = "soft", [GH_STATUS_REQUIRE] = "require"};
  for (size_t i = 0; i < 3; i++)
    if (gh_str_eq(name, gh_str_of(names[i]))) {
      *out = (gh_status_policy)i;
      return true;
    }
  return false;
}

/* ---- the decision */

static bool uses_lists(const gh_certificate_status *s)
{
  return s->options.crl != GH_STATUS_OFF && (s->options.crl_path || s->options.crl_url);
}

static bool uses_responder(const gh_certificate_status *s)
{
  return s->options.ocsp != GH_STATUS_OFF && s->options.ocsp_url;
}

static gh_err refuse(gh_status_query *query, const char *why)
{
  query->revoked = true;
  query->why = why;
  return GH_EAUTH;
}

/*= TS-0003 8.1.2.5; an answer that counts decides, whichever source gave it */
static bool decided(gh_cert_state state, gh_status_query *query, gh_err *result)
{
  if (state == GH_CERT_UNKNOWN) return false;
  *result = state == GH_CERT_GOOD ? GH_OK : refuse(query, "the certificate is revoked");
  return true;
}

static bool issuer_revoked(gh_certificate_status *s, const gh_status_query *query, int64_t now_us)
{
  for (size_t i = 0; query->above && i + 1 < query->above_count; i++)
    if (gh_status_lists_check(s->lists, query->above[i], query->above[i + 1], now_us) == GH_CERT_REVOKED) return true;
  return false;
}

static gh_err without_answer(const gh_certificate_status *s, gh_status_query *query)
{
  bool required = (uses_lists(s) && s->options.crl == GH_STATUS_REQUIRE) ||
                  (uses_responder(s) && s->options.ocsp == GH_STATUS_REQUIRE) ||
                  (query->of_server && s->options.stapling == GH_STATUS_REQUIRE);
  if (!required) return GH_OK;
  query->why = "no source says whether the certificate is revoked";
  return GH_EAUTH;
}

/* ---- the thread */

static void take_result(const job *j)
{
  j->query->result = j->result;
  j->query->revoked = j->revoked;
  j->query->why = j->why;
}

static void wake(gh_task *task)
{
  job *j = (job *)((char *)task - offsetof(job, task));
  take_result(j);
  j->query->done(j->query);
  free(j);
}

static void answer(job *j)
{
  j->task.run = wake;
  if (j->answered)
    sem_post(j->answered); /* the job is the waiting thread's from here on */
  else
    gh_loop_post(j->query->worker->loop, &j->task);
}

static void work_on(gh_certificate_status *s, job *j)
{
  /* the query itself is the worker's: what is found goes into the job */
  gh_status_query found = {.cert = j->query->cert, .issuer = j->query->issuer, .of_server = j->query->of_server};
  int64_t now_us = gh_clock_wall_us(&s->options.clock);
  gh_cert_state state = GH_CERT_UNKNOWN;
  if (uses_lists(s)) state = gh_status_lists_check(s->lists, found.cert, found.issuer, now_us);
  if (state == GH_CERT_UNKNOWN && uses_responder(s)) {
    state = gh_status_answers_kept(s->answers, found.cert, now_us); /* asked by another in the meantime */
    if (state == GH_CERT_UNKNOWN && !gh_status_answers_down(s->answers))
      state = gh_status_answers_fetch(s->answers, found.cert, found.issuer);
  }
  if (!decided(state, &found, &j->result)) j->result = without_answer(s, &found);
  j->revoked = found.revoked;
  j->why = found.why;
  answer(j);
}

/* The next job, or NULL after a while. */
static job *next_job(gh_certificate_status *s, bool *stopping)
{
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += LOOK_EVERY_MS * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_mutex_lock(&s->lock);
  int late = 0;
  while (!s->first && !s->stopping && !late) late = pthread_cond_timedwait(&s->changed, &s->lock, &until);
  job *j = s->first;
  if (j) {
    s->first = j->next;
    if (!s->first) s->last = &s->first;
    s->count--;
  }
  *stopping = s->stopping;
  pthread_mutex_unlock(&s->lock);
  return j;
}

/* ---- associations that stand */

typedef struct recheck {
  gh_task task;
  gh_certificate_status *status;
  gh_worker *worker;
} recheck;

static bool is_revoked(void *ctx, gh_conn *conn)
{
  return gh_conn_is_revoked(conn, &((gh_certificate_status *)ctx)->source);
}

static void recheck_on_worker(gh_task *task)
{
  recheck *r = (recheck *)((char *)task - offsetof(recheck, task));
  size_t count = gh_worker_revoke(r->worker, is_revoked, r->status);
  if (count)
    GH_LOG(r->status->options.log, GH_LOG_WARN, "associations-revoked", GH_F("reason", "certificate"),
           GH_F("count", count));
  free(r);
}

/*= TS-0003 8.2.1 an association does not outlive its credential: a new list is held against those that stand */
static void recheck_all(gh_certificate_status *s)
{
  for (size_t i = 0; i < s->options.worker_count; i++) {
    recheck *r = gh_calloc(1, sizeof *r);
    *r = (recheck){.task = {.run = recheck_on_worker}, .status = s, .worker = s->options.workers[i]};
    gh_loop_post(r->worker->loop, &r->task);
  }
}

static void nothing(void *arg)
{
  (void)arg;
}

/* What was posted to the workers has run. */
static void wait_for_workers(gh_certificate_status *s)
{
  for (size_t i = 0; i < s->options.worker_count; i++) gh_loop_call(s->options.workers[i]->loop, nothing, NULL);
}

static void refresh(gh_certificate_status *s)
{
  gh_diag diag = {""};
  if (gh_status_lists_read_file(s->lists, &diag) != GH_OK)
    GH_LOG(s->options.log, GH_LOG_WARN, "crl-not-read", GH_F("reason", diag.text));
  gh_status_lists_fetch(s->lists);
  if (gh_status_lists_changed(s->lists)) {
    atomic_fetch_add(&s->generation, 1);
    recheck_all(s);
  }
  gh_status_answers_renew_own(s->answers);
}

static void *run(void *arg)
{
  gh_certificate_status *s = arg;
  for (bool stopping = false;;) {
    if (!stopping) refresh(s);
    job *j = next_job(s, &stopping);
    if (!j && stopping) return NULL;
    if (j && stopping) {
      j->result = GH_EAUTH;
      j->why = "shutting down";
      answer(j);
    } else if (j) {
      work_on(s, j);
    }
  }
}

/* ---- the port */

static bool enter(gh_certificate_status *s, job *j)
{
  pthread_mutex_lock(&s->lock);
  bool room = s->count < QUEUE_MAX && !s->stopping;
  if (room) {
    *s->last = j;
    s->last = &j->next;
    s->count++;
    pthread_cond_signal(&s->changed);
  }
  pthread_mutex_unlock(&s->lock);
  return room;
}

static gh_err enqueue(gh_certificate_status *s, gh_status_query *query)
{
  job *j = gh_calloc(1, sizeof *j);
  j->query = query;
  if (enter(s, j)) return GH_EAGAIN;
  free(j);
  return without_answer(s, query);
}

static gh_err wait_for(gh_certificate_status *s, gh_status_query *query)
{
  sem_t answered;
  job j = {.query = query, .answered = &answered};
  sem_init(&answered, 0, 0);
  gh_err result = GH_OK;
  if (!enter(s, &j)) {
    result = without_answer(s, query);
  } else {
    while (sem_wait(&answered) != 0) continue; /* a signal */
    take_result(&j);
    result = j.result;
  }
  sem_destroy(&answered);
  return result;
}

/* True: *result stands. False: only the status thread can find out more. */
static bool is_known(gh_certificate_status *s, gh_status_query *query, gh_err *result)
{
  int64_t now_us = gh_clock_wall_us(&s->options.clock), until_us;
  if (uses_lists(s)) {
    if (issuer_revoked(s, query, now_us)) {
      *result = refuse(query, "an issuer of the certificate is revoked");
      return true;
    }
    if (decided(gh_status_lists_check(s->lists, query->cert, query->issuer, now_us), query, result)) return true;
  }
  if (query->stapled.len && s->options.stapling != GH_STATUS_OFF &&
      decided(gh_ocsp_check(query->stapled, query->cert, query->issuer, now_us, &until_us), query, result))
    return true;
  *result = GH_OK;
  if (query->early) return true;
  return uses_responder(s) && decided(gh_status_answers_kept(s->answers, query->cert, now_us), query, result);
}

static bool is_worth_asking(gh_certificate_status *s)
{
  bool responder = uses_responder(s) && !gh_status_answers_down(s->answers);
  return s->running && (responder || gh_status_lists_pending(s->lists));
}

static gh_err find_status(void *ctx, gh_status_query *query)
{
  gh_certificate_status *s = ctx;
  gh_err result = GH_EAUTH;
  if (is_known(s, query, &result)) return result;
  if (is_worth_asking(s) && query->worker && query->worker->loop) return enqueue(s, query);
  return without_answer(s, query);
}

static gh_err find_status_waiting(void *ctx, gh_status_query *query)
{
  gh_certificate_status *s = ctx;
  gh_err result = GH_EAUTH;
  if (is_known(s, query, &result)) return result;
  return is_worth_asking(s) ? wait_for(s, query) : without_answer(s, query);
}

static unsigned generation(void *ctx)
{
  return atomic_load(&((gh_certificate_status *)ctx)->generation);
}

static bool own_staple(void *ctx, gh_buf *der)
{
  return gh_status_answers_own(((gh_certificate_status *)ctx)->answers, der);
}

gh_err gh_certificate_status_open(const gh_certificate_status_options *options, gh_certificate_status **out,
                                  gh_diag *diag)
{
  gh_certificate_status *s = gh_calloc(1, sizeof *s);
  s->options = *options;
  s->source = (gh_status_source){s, find_status, own_staple, options->stapling != GH_STATUS_OFF, generation};
  s->waiting_source = s->source;
  s->waiting_source.find_status = find_status_waiting;
  s->last = &s->first;
  pthread_mutex_init(&s->lock, NULL);
  pthread_cond_init(&s->changed, NULL);
  s->lists = gh_status_lists_new(&s->options);
  gh_err err = gh_status_answers_new(&s->options, &s->answers, diag);
  s->options.chain_pem = s->options.anchors_pem = GH_STR_NONE; /* the caller's, for this call */
  s->options.anchors_for = NULL;
  if (err == GH_OK) err = gh_status_lists_read_file(s->lists, diag);
  bool needs_thread = options->crl_path || options->crl_url || options->ocsp_url;
  if (err == GH_OK && needs_thread && pthread_create(&s->thread, NULL, run, s) != 0)
    err = gh_fail(diag, GH_EINTERNAL, "cannot start a thread");
  s->running = err == GH_OK && needs_thread;
  if (err != GH_OK) {
    gh_certificate_status_close(s);
    return err;
  }
  *out = s;
  return GH_OK;
}

void gh_certificate_status_close(gh_certificate_status *s)
{
  if (!s) return;
  pthread_mutex_lock(&s->lock);
  s->stopping = true;
  pthread_cond_signal(&s->changed);
  pthread_mutex_unlock(&s->lock);
  if (s->running) {
    pthread_join(s->thread, NULL);
    wait_for_workers(s);
  }
  gh_status_answers_free(s->answers);
  gh_status_lists_free(s->lists);
  pthread_cond_destroy(&s->changed);
  pthread_mutex_destroy(&s->lock);
  free(s);
}

const gh_status_source *gh_certificate_status_source(gh_certificate_status *status)
{
  return &status->source;
}

const gh_status_source *gh_certificate_status_waiting_source(gh_certificate_status *status)
{
  return &status->waiting_source;
}
