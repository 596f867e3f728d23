/* The connection to the broker: a thread of its own that reads, and hands requests to the workers; answers come back
 * from there. Must never perform a request itself, and never hold up a worker. */
#include "bind/mqtt_server.h"

#include <mosquitto.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "bind/mqtt_call_server.h"
#include "bind/mqtt_share_server.h"

enum { QOS = 1, KEEPALIVE_S = 30, LOOP_MS = 250, RETRY_FIRST_MS = 250, RETRY_MAX_MS = 30000, PROTOCOL_3_1_1 = 4 };
enum {
  CONNECT_MS = 10000, /* of TCP, then of TLS and CONNECT */
  LAST_MS = 1000      /* to say DISCONNECT */
};

/*= TS-0010 6.4.1 it is good practice not to send more than 100 kB; twice that is taken */
const gh_mqtt_limits gh_mqtt_default_limits = {.max_payload_bytes = 200 * 1024,
                                               .max_under_way = 256,
                                               .max_under_way_each = 64,
                                               .max_unsent = 4096,
                                               .seen = 4096};

struct gh_mqtt_server {
  gh_mqtt_options options;
  struct mosquitto *mosq;
  pthread_t thread;
  bool has_thread;
  gh_arena arena;                      /* of the texts below */
  gh_str receiver, filters[3], broker; /* the last filter: of responses, empty where nobody takes them */
  gh_mqtt_seen *seen;
  int64_t end_us; /* of the connection, UTC; on its thread */

  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t changed;
  gh_mqtt_shares *shares;
  uint32_t under_way, unsent;
  bool connected, stopping;
  gh_tls_client *renewed; /* to be used from the next connection on; NULL: nothing new */
  gh_mqtt_counters counters;
};

/* ---- from the broker */

static void count(gh_mqtt_server *s, uint64_t *counter)
{
  pthread_mutex_lock(&s->lock);
  (*counter)++;
  pthread_mutex_unlock(&s->lock);
}

static void drop(gh_mqtt_server *s, const char *topic, const char *reason)
{
  count(s, &s->counters.dropped);
  GH_LOG(s->options.log, GH_LOG_WARN, "mqtt-dropped", GH_F("topic", topic), GH_F("reason", reason));
}

/* The lock is held. */
static bool is_full(const gh_mqtt_server *s)
{
  const gh_mqtt_responses *r = &s->options.responses;
  uint32_t elsewhere = r->waiting ? r->waiting(r->ctx) : 0;
  return s->under_way >= s->options.limits.max_under_way + elsewhere;
}

/* Waits until a request more may be with the gate: the broker keeps the rest. False when it is not to be performed.
 * An originator that has its share does not keep a place: who is refused is soon gone. */
static bool enter(gh_mqtt_server *s, gh_str originator, bool *backlog, bool *over_share)
{
  pthread_mutex_lock(&s->lock);
  while (is_full(s) && !s->stopping) pthread_cond_wait(&s->changed, &s->lock);
  *backlog = s->unsent >= s->options.limits.max_unsent;
  bool enters = !*backlog && !s->stopping;
  if (enters) {
    s->under_way++;
    s->counters.requests++;
    *over_share = !gh_mqtt_shares_take(s->shares, originator);
    s->counters.over_share += *over_share;
  }
  pthread_mutex_unlock(&s->lock);
  return enters;
}

static void leave(gh_mqtt_server *s, bool sent, const gh_mqtt_call *call)
{
  pthread_mutex_lock(&s->lock);
  s->under_way--;
  if (!call->is_over_share) gh_mqtt_shares_give(s->shares, call->topic.originator);
  s->unsent += sent;
  s->counters.answers += sent;
  s->counters.duplicates += call->is_duplicate;
  s->counters.dropped += call->is_unreadable;
  pthread_cond_broadcast(&s->changed);
  pthread_mutex_unlock(&s->lock);
}

/* On a worker. */
static void on_answer(gh_mqtt_call *call, gh_str payload)
{
  gh_mqtt_server *s = call->owner;
  gh_mqtt_topic answer = gh_mqtt_topic_of_answer(&call->topic);
  gh_str topic = gh_mqtt_topic_write(&call->x.arena, s->options.prefix, &answer);
  bool sent = false;
  if (payload.len && payload.len <= INT_MAX) {
    pthread_mutex_lock(&s->lock);
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->lock);
    /* without a connection it is kept and sent later */
    int rc = stopping ? MOSQ_ERR_INVAL
                      : mosquitto_publish(s->mosq, NULL, topic.ptr, (int)payload.len, payload.ptr, QOS, false);
    sent = rc == MOSQ_ERR_SUCCESS || rc == MOSQ_ERR_NO_CONN;
    if (!sent)
      GH_LOG(s->options.log, GH_LOG_WARN, "mqtt-answer-lost", GH_F("topic", topic),
             GH_F("reason", stopping ? "stopping" : mosquitto_strerror(rc)));
  }
  leave(s, sent, call);
}

static void run_call(gh_task *task)
{
  gh_mqtt_call_run((gh_mqtt_call *)(void *)((char *)task - offsetof(gh_mqtt_call, task)));
}

/* The requests of one originator go to one worker, in their order. */
static gh_worker *worker_for(const gh_mqtt_server *s, gh_str originator)
{
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < originator.len; i++) h = (h ^ (uint8_t)originator.ptr[i]) * 16777619u;
  return s->options.workers[h % s->options.worker_count];
}

static void perform(gh_mqtt_server *s, const gh_mqtt_topic *topic, gh_str payload, const char *topic_text)
{
  bool backlog = false, over_share = false;
  if (!enter(s, topic->originator, &backlog, &over_share)) {
    drop(s, topic_text, backlog ? "the broker does not take our answers" : "stopping");
    return;
  }
  const gh_mqtt_delivery delivery = {.host = s->options.host,
                                     .worker = worker_for(s, topic->originator),
                                     .topic = topic,
                                     .payload = payload,
                                     .broker = s->broker,
                                     .enforces = s->options.enforces,
                                     .is_over_share = over_share,
                                     .seen = s->seen,
                                     .owner = s,
                                     .answer = on_answer};
  gh_mqtt_call *call = gh_mqtt_call_new(&delivery);
  call->task.run = run_call;
  gh_loop_post(delivery.worker->loop, &call->task);
}

static void on_message(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *m)
{
  (void)mosq;
  gh_mqtt_server *s = ctx;
  gh_mqtt_topic topic;
  gh_str payload = {m->payload, m->payloadlen > 0 ? (size_t)m->payloadlen : 0};
  if (gh_mqtt_topic_parse(gh_str_of(m->topic), s->options.prefix, &topic) != GH_OK)
    drop(s, m->topic, "not a topic of this binding");
  else if (topic.kind == GH_MQTT_RESP && s->options.responses.take && !m->retain &&
           gh_str_eq(topic.originator, s->receiver) && payload.len <= s->options.limits.max_payload_bytes)
    s->options.responses.take(s->options.responses.ctx, &topic, payload);
  else if ((topic.kind != GH_MQTT_REQ && topic.kind != GH_MQTT_REG_REQ) || !gh_str_eq(topic.receiver, s->receiver))
    drop(s, m->topic, "not a request to this CSE");
  else if (m->retain) /* would come again with every connection */
    drop(s, m->topic, "retained");
  else if (payload.len > s->options.limits.max_payload_bytes)
    drop(s, m->topic, "larger than max_payload_bytes");
  else
    perform(s, &topic, payload, m->topic);
}

static void on_publish(struct mosquitto *mosq, void *ctx, int mid)
{
  (void)mosq;
  (void)mid;
  gh_mqtt_server *s = ctx;
  pthread_mutex_lock(&s->lock);
  if (s->unsent) s->unsent--;
  pthread_cond_broadcast(&s->changed);
  pthread_mutex_unlock(&s->lock);
}

/* ---- the connection */

/*= TS-0001 11.3.2; TS-0003 8.2.1 the association ends before the certificate of either side */
static int64_t end_of_association(const gh_mqtt_server *s)
{
  const SSL *ssl = s->options.tls ? mosquitto_ssl_get(s->mosq) : NULL;
  int64_t end = ssl ? gh_tls_client_end_us(ssl) : INT64_MAX, longest = s->options.association_us;
  if (longest) longest += gh_host_now_us(s->options.host);
  return longest && longest < end ? longest : end;
}

static bool is_over(const gh_mqtt_server *s)
{
  return gh_host_now_us(s->options.host) >= s->end_us;
}

static void on_connect(struct mosquitto *mosq, void *ctx, int rc)
{
  gh_mqtt_server *s = ctx;
  s->end_us = end_of_association(s);
  if (rc != 0 || is_over(s)) {
    GH_LOG(s->options.log, GH_LOG_WARN, "mqtt-refused", GH_F("broker", s->broker),
           GH_F("reason", rc != 0 ? mosquitto_connack_string(rc) : "a certificate has ended"));
    if (rc == 0) mosquitto_disconnect(mosq);
    return;
  }
  for (size_t i = 0; i < sizeof s->filters / sizeof *s->filters; i++)
    if (s->filters[i].len && mosquitto_subscribe(mosq, NULL, s->filters[i].ptr, QOS) != MOSQ_ERR_SUCCESS)
      GH_LOG(s->options.log, GH_LOG_WARN, "mqtt-not-subscribed", GH_F("filter", s->filters[i]));
  pthread_mutex_lock(&s->lock);
  s->connected = true;
  s->counters.connects++;
  pthread_mutex_unlock(&s->lock);
  GH_LOG(s->options.log, GH_LOG_INFO, "mqtt-connected", GH_F("broker", s->broker),
         GH_F("enforces", s->options.enforces));
}

static void on_subscribe(struct mosquitto *mosq, void *ctx, int mid, int qos_count, const int *granted)
{
  (void)mosq;
  (void)mid;
  const gh_mqtt_server *s = ctx;
  enum { REFUSED = 128 };
  for (int i = 0; i < qos_count; i++)
    if (granted[i] >= REFUSED) GH_LOG(s->options.log, GH_LOG_WARN, "mqtt-not-subscribed", GH_F("broker", s->broker));
}

/* Clean session off: what comes while we are away is kept for us.
 *= TS-0010 6.3.3 Client Identifier C:: and CSE-ID, Clean Session false, no Will */
static gh_err make_client(gh_mqtt_server *s, gh_diag *diag)
{
  const gh_self *self = &s->options.host->config.self;
  gh_str id = gh_arena_fmt(&s->arena, "C::/%.*s", GH_STR_ARG(self->cse_id));
  s->mosq = mosquitto_new(id.ptr, false, s);
  if (!s->mosq) return gh_fail(diag, GH_EINTERNAL, "cannot make an MQTT client");
  mosquitto_int_option(s->mosq, MOSQ_OPT_PROTOCOL_VERSION, PROTOCOL_3_1_1); /*= TS-0010 6.3.1 level 4 */
  mosquitto_threaded_set(s->mosq, true);
  mosquitto_connect_callback_set(s->mosq, on_connect);
  mosquitto_subscribe_callback_set(s->mosq, on_subscribe);
  mosquitto_message_callback_set(s->mosq, on_message);
  mosquitto_publish_callback_set(s->mosq, on_publish);
  if (!s->options.tls) return GH_OK;
  /*= TS-0010 7.3 the broker is Entity B: our profile of TLS, our certificate, its name checked */
  SSL_CTX *ctx = gh_tls_client_ctx(s->options.tls);
  if (!ctx || mosquitto_int_option(s->mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) != MOSQ_ERR_SUCCESS ||
      mosquitto_void_option(s->mosq, MOSQ_OPT_SSL_CTX, ctx) != MOSQ_ERR_SUCCESS)
    return gh_fail(diag, GH_ECRYPTO, "libmosquitto does not take our TLS context");
  return GH_OK;
}

static bool is_stopping(gh_mqtt_server *s)
{
  pthread_mutex_lock(&s->lock);
  bool stopping = s->stopping;
  pthread_mutex_unlock(&s->lock);
  return stopping;
}

static struct timespec in_ms(uint32_t ms)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  int64_t ns = t.tv_nsec + (int64_t)(ms % 1000) * 1000000;
  t.tv_sec += (time_t)(ms / 1000) + (time_t)(ns / 1000000000);
  t.tv_nsec = (long)(ns % 1000000000);
  return t;
}

/* The connection has ended, or never was. One that we left makes room for another at once. */
static void pause_after(gh_mqtt_server *s, int rc, uint32_t *retry_ms)
{
  pthread_mutex_lock(&s->lock);
  bool was_connected = s->connected, stopping = s->stopping;
  s->connected = false;
  if (was_connected) *retry_ms = RETRY_FIRST_MS;
  bool left = was_connected && (s->renewed || is_over(s));
  pthread_mutex_unlock(&s->lock);
  if (stopping || left) return;
  gh_diag refusal = s->options.tls ? gh_tls_client_refusal(s->options.tls) : (gh_diag){""};
  GH_LOG(s->options.log, GH_LOG_WARN, was_connected ? "mqtt-lost" : "mqtt-not-connected", GH_F("broker", s->broker),
         GH_F("reason", refusal.text[0] ? refusal.text : mosquitto_strerror(rc)), GH_F("again_ms", *retry_ms));
  struct timespec until = in_ms(*retry_ms);
  pthread_mutex_lock(&s->lock);
  while (!s->stopping && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0) continue;
  pthread_mutex_unlock(&s->lock);
  *retry_ms = *retry_ms * 2 < RETRY_MAX_MS ? *retry_ms * 2 : RETRY_MAX_MS;
}

static int64_t now_ms(void)
{
  const struct timespec t = in_ms(0);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The socket is about to be connected. libmosquitto would not notice that nobody is there. */
static int wait_connected(gh_mqtt_server *s)
{
  struct pollfd at = {.fd = mosquitto_socket(s->mosq), .events = POLLOUT};
  int64_t until = now_ms() + CONNECT_MS;
  while (at.fd >= 0 && now_ms() < until && !is_stopping(s)) {
    int fault = 0;
    socklen_t len = sizeof fault;
    if (poll(&at, 1, LOOP_MS) <= 0) continue;
    bool fine =
        getsockopt(at.fd, SOL_SOCKET, SO_ERROR, &fault, &len) == 0 && !fault && !(at.revents & (POLLERR | POLLHUP));
    return fine ? MOSQ_ERR_SUCCESS : MOSQ_ERR_CONN_LOST;
  }
  return MOSQ_ERR_CONN_LOST;
}

bool gh_mqtt_server_is_connected(gh_mqtt_server *s)
{
  pthread_mutex_lock(&s->lock);
  bool connected = s->connected;
  pthread_mutex_unlock(&s->lock);
  return connected;
}

static bool is_renewed(gh_mqtt_server *s)
{
  pthread_mutex_lock(&s->lock);
  bool renewed = s->renewed != NULL;
  pthread_mutex_unlock(&s->lock);
  return renewed;
}

/* Between two connections. Into the context that libmosquitto has: it keeps a reference to each that it is given. */
static void take_renewed(gh_mqtt_server *s)
{
  pthread_mutex_lock(&s->lock);
  gh_tls_client *fresh = s->renewed;
  s->renewed = NULL;
  pthread_mutex_unlock(&s->lock);
  if (fresh && gh_tls_client_take(s->options.tls, fresh) != GH_OK)
    GH_LOG(s->options.log, GH_LOG_ERROR, "mqtt-not-renewed", GH_F("broker", s->broker));
  gh_tls_client_free(fresh);
}

/* TS-0003 8.2.1: a list that came since. Nothing more is read, and nothing is said to the broker. */
static bool broker_is_revoked(gh_mqtt_server *s)
{
  if (!s->options.tls || !gh_tls_client_is_revoked(s->options.tls, mosquitto_ssl_get(s->mosq))) return false;
  GH_LOG(s->options.log, GH_LOG_WARN, "associations-revoked", GH_F("reason", "certificate"),
         GH_F("broker", s->broker));
  shutdown(mosquitto_socket(s->mosq), SHUT_RDWR);
  return true;
}

/* Another connection shall take the place of this one. */
static bool shall_leave(gh_mqtt_server *s)
{
  if (!gh_mqtt_server_is_connected(s)) return false;
  if (is_over(s)) GH_LOG(s->options.log, GH_LOG_INFO, "association-expired", GH_F("broker", s->broker));
  return is_over(s) || is_renewed(s);
}

/* Until the connection ends, or is not there in time. */
static int converse(gh_mqtt_server *s)
{
  int rc = wait_connected(s);
  int64_t until = now_ms() + CONNECT_MS, end = INT64_MAX;
  bool left = false;
  while (rc == MOSQ_ERR_SUCCESS && now_ms() < end) {
    if (broker_is_revoked(s)) return MOSQ_ERR_TLS;
    rc = mosquitto_loop(s->mosq, LOOP_MS, 1);
    if (rc == MOSQ_ERR_SUCCESS && !gh_mqtt_server_is_connected(s) && now_ms() > until) rc = MOSQ_ERR_CONN_LOST;
    if (end == INT64_MAX && is_stopping(s)) end = now_ms() + LAST_MS;
    if (left || !shall_leave(s)) continue;
    left = true;
    mosquitto_disconnect(s->mosq);
    if (end == INT64_MAX) end = now_ms() + LAST_MS;
  }
  return rc;
}

/* libmosquitto's own thread gives up at the first failed handshake: this one does not. */
static void *run(void *arg)
{
  gh_mqtt_server *s = arg;
  uint32_t retry_ms = RETRY_FIRST_MS;
  int rc = mosquitto_connect_async(s->mosq, s->options.broker_host, s->options.broker_port, KEEPALIVE_S);
  while (!is_stopping(s)) {
    if (rc == MOSQ_ERR_SUCCESS) rc = converse(s);
    pause_after(s, rc, &retry_ms);
    take_renewed(s);
    if (!is_stopping(s)) rc = mosquitto_reconnect_async(s->mosq);
  }
  return NULL;
}

/* ---- life */

static void take_limits(gh_mqtt_limits *l)
{
  const gh_mqtt_limits *d = &gh_mqtt_default_limits;
  if (!l->max_payload_bytes) l->max_payload_bytes = d->max_payload_bytes;
  if (!l->max_under_way) l->max_under_way = d->max_under_way;
  if (!l->max_under_way_each) l->max_under_way_each = d->max_under_way_each;
  if (!l->max_unsent) l->max_unsent = d->max_unsent;
  if (!l->seen) l->seen = d->seen;
}

static void init_lock(gh_mqtt_server *s)
{
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&s->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  pthread_mutex_init(&s->lock, NULL);
}

static gh_err make_texts(gh_mqtt_server *s, gh_diag *diag)
{
  const gh_self *self = &s->options.host->config.self;
  gh_str id = gh_arena_fmt(&s->arena, "/%.*s", GH_STR_ARG(self->cse_id));
  if (!gh_mqtt_prefix_valid(s->options.prefix)) return gh_fail(diag, GH_EINVAL, "the topic prefix is none");
  if (gh_mqtt_level_of_id(&s->arena, id, &s->receiver) != GH_OK)
    return gh_fail(diag, GH_EINVAL, "%.*s cannot stand in a topic", GH_STR_ARG(id));
  /*= TS-0010 6.4.3; TS-0010 6.4.5; TS-0010 6.4.4 requests to us, from anybody */
  s->filters[0] = gh_mqtt_filter_write(&s->arena, s->options.prefix, GH_MQTT_REQ, s->receiver);
  s->filters[1] = gh_mqtt_filter_write(&s->arena, s->options.prefix, GH_MQTT_REG_REQ, s->receiver);
  if (s->options.responses.take)
    s->filters[2] = gh_mqtt_response_filter_write(&s->arena, s->options.prefix, s->receiver);
  s->broker = gh_arena_fmt(&s->arena, "mqtt %s:%u", s->options.broker_host, s->options.broker_port);
  return GH_OK;
}

/* The thread takes no signals: they are for the process's own. */
static gh_err start_thread(gh_mqtt_server *s, gh_diag *diag)
{
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  s->has_thread = pthread_create(&s->thread, NULL, run, s) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return s->has_thread ? GH_OK : gh_fail(diag, GH_EINTERNAL, "cannot start the MQTT thread");
}

gh_err gh_mqtt_server_start(const gh_mqtt_options *options, gh_mqtt_server **out, gh_diag *diag)
{
  gh_mqtt_server *s = gh_calloc(1, sizeof *s);
  mosquitto_lib_init();
  s->options = *options;
  take_limits(&s->options.limits);
  gh_arena_init(&s->arena);
  init_lock(s);
  s->seen = gh_mqtt_seen_new(s->options.limits.seen);
  s->shares = gh_mqtt_shares_new(s->options.limits.max_under_way_each);
  gh_err err = make_texts(s, diag);
  if (err == GH_OK) err = make_client(s, diag);
  if (err == GH_OK) err = start_thread(s, diag);
  if (err != GH_OK) {
    gh_mqtt_server_free(s);
    return err;
  }
  *out = s;
  return GH_OK;
}

void gh_mqtt_server_renew(gh_mqtt_server *s, gh_tls_client *fresh)
{
  pthread_mutex_lock(&s->lock);
  gh_tls_client *unused = s->renewed;
  s->renewed = fresh;
  pthread_mutex_unlock(&s->lock);
  gh_tls_client_free(unused);
}

bool gh_mqtt_server_publish(gh_mqtt_server *s, gh_str topic, gh_str payload)
{
  if (!s || payload.len > INT_MAX) return false;
  pthread_mutex_lock(&s->lock);
  bool open = s->connected && !s->stopping && s->unsent < s->options.limits.max_unsent;
  if (open) s->unsent++;
  pthread_cond_broadcast(&s->changed); /* one more waits for a response */
  pthread_mutex_unlock(&s->lock);
  if (!open) return false;
  int rc = mosquitto_publish(s->mosq, NULL, topic.ptr, (int)payload.len, payload.ptr, QOS, false);
  if (rc == MOSQ_ERR_SUCCESS || rc == MOSQ_ERR_NO_CONN)
    return true; /* of the latter: sent with the next connection */
  pthread_mutex_lock(&s->lock);
  if (s->unsent) s->unsent--;
  pthread_mutex_unlock(&s->lock);
  return false;
}

void gh_mqtt_server_stop(gh_mqtt_server *s, uint32_t drain_ms)
{
  if (!s || !s->has_thread) return;
  struct timespec until = in_ms(drain_ms);
  pthread_mutex_lock(&s->lock);
  while (s->under_way || (s->unsent && s->connected))
    if (pthread_cond_timedwait(&s->changed, &s->lock, &until) != 0) break;
  s->stopping = true;
  pthread_cond_broadcast(&s->changed);
  pthread_mutex_unlock(&s->lock);
  mosquitto_disconnect(s->mosq);
  pthread_join(s->thread, NULL);
  s->has_thread = false;
}

void gh_mqtt_server_free(gh_mqtt_server *s)
{
  if (!s) return;
  mosquitto_destroy(s->mosq);
  mosquitto_lib_cleanup();
  gh_mqtt_seen_free(s->seen);
  gh_mqtt_shares_free(s->shares);
  gh_tls_client_free(s->renewed);
  pthread_cond_destroy(&s->changed);
  pthread_mutex_destroy(&s->lock);
  gh_arena_free(&s->arena);
  free(s);
}

void gh_mqtt_counters_get(gh_mqtt_server *s, gh_mqtt_counters *out)
{
  pthread_mutex_lock(&s->lock);
  *out = s->counters;
  pthread_mutex_unlock(&s->lock);
}
