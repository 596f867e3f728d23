/* libmosquitto without its thread: it works while a caller waits. What the broker delivers and nobody waits for, from
 * an earlier session, is dropped. */
#include "bind/mqtt_client.h"

#include <mosquitto.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/no_sigpipe.h"
#include "link/tls_status.h"
#include "m2m/constants.h"
#include "m2m/m2m_time.h"
#include "m2m/primitive_tree.h"

enum { QOS = 1, KEEPALIVE_S = 30, PROTOCOL_3_1_1 = 4, STEP_MS = 100, LAST_MS = 500, REFUSED = 128, SEEN = 64 };

struct gh_mqtt_client {
  struct mosquitto *mosq;
  gh_clock clock;
  gh_arena arena; /* of options and topics */
  gh_str prefix, receiver, credential;
  gh_representation representation;
  uint32_t timeout_ms;
  bool let_in, listens, denied, sent; /* CONNACK, SUBACK, SUBACK or CONNACK with a refusal, PUBACK */
  bool open;
  gh_str filter; /* of the answers that we listen for; empty: none yet */
  gh_str awaited;
  gh_arena answers; /* of one request */
  gh_val *response;
  gh_mqtt_on_request on_request; /* NULL: we take none */
  void *on_request_ctx;
  gh_str stem;       /* level of the AE that listens */
  gh_str seen[SEEN]; /* rqi of the last requests; owned */
  size_t seen_next;
};

/* ---- what the broker says */

static void on_connect(struct mosquitto *mosq, void *ctx, int rc)
{
  (void)mosq;
  gh_mqtt_client *m = ctx;
  m->denied = rc != 0;
  m->let_in = true;
}

static void on_subscribe(struct mosquitto *mosq, void *ctx, int mid, int count, const int *granted)
{
  (void)mosq;
  (void)mid;
  gh_mqtt_client *m = ctx;
  m->denied = count < 1 || granted[0] >= REFUSED;
  m->listens = true;
}

static void on_publish(struct mosquitto *mosq, void *ctx, int mid)
{
  (void)mosq;
  (void)mid;
  ((gh_mqtt_client *)ctx)->sent = true;
}

/* ---- requests of the CSE */

/*= TS-0010 6.4.1 a message may be delivered again; it is performed once */
static bool is_new(gh_mqtt_client *m, gh_str rqi)
{
  for (size_t i = 0; i < SEEN; i++)
    if (gh_str_eq(m->seen[i], rqi)) return false;
  gh_str_release(&m->seen[m->seen_next]);
  m->seen[m->seen_next] = gh_str_clone(rqi);
  m->seen_next = (m->seen_next + 1) % SEEN;
  return true;
}

/*= TS-0010 6.4.3 the broker may have kept it for long */
static bool is_over(const gh_mqtt_client *m, const gh_request *request)
{
  int64_t now = gh_clock_wall_us(&m->clock), end;
  return request->rqet.len && (gh_abs_rel_parse(request->rqet, now, &end) != GH_OK || end < now);
}

static void answer(gh_mqtt_client *m, gh_arena *arena, const gh_mqtt_topic *topic, const gh_request *request,
                   gh_response *response)
{
  gh_buf octets = GH_BUF_INIT;
  gh_mqtt_topic to = gh_mqtt_topic_of_answer(topic);
  response->rqi = request->rqi;
  if (gh_response_write(topic->representation, &octets, request, response) == GH_OK && octets.len <= INT_MAX)
    (void)mosquitto_publish(m->mosq, NULL, gh_mqtt_topic_write(arena, m->prefix, &to).ptr, (int)octets.len,
                            octets.ptr, QOS, false); /* lost with the session: the CSE waits until its end */
  gh_buf_wipe_free(&octets);
}

static void take_request(gh_mqtt_client *m, gh_arena *arena, const gh_mqtt_topic *topic, gh_str payload)
{
  gh_val *tree = NULL;
  gh_diag diag = {""};
  gh_request request = {.op = 0};
  gh_response response = {.rsc = GH_RSC_REQUEST_TIMEOUT};
  if (gh_representation_decode(topic->representation, arena, payload, &tree, &diag) != GH_OK ||
      gh_primitive_kind_of(tree) == GH_PRIMITIVE_RESPONSE)
    return;
  int rsc = gh_request_from_tree(arena, tree, &request, &diag);
  if (!request.rqi.len || !is_new(m, request.rqi)) return; /* nobody could tell what the answer answers */
  if (rsc != GH_RSC_OK)
    gh_response_error(arena, &response, rsc, "%s", diag.text);
  else if (!is_over(m, &request))
    m->on_request(m->on_request_ctx, arena, &request, &response);
  answer(m, arena, topic, &request, &response);
}

/* True: it was for the AE that listens, or pretended to be. */ /*= TS-0010 6.4.2; TS-0010 7.2 */
static bool is_request(gh_mqtt_client *m, const struct mosquitto_message *message, gh_str payload)
{
  gh_mqtt_topic topic;
  gh_arena arena;
  if (!m->on_request || gh_mqtt_topic_parse(gh_str_of(message->topic), m->prefix, &topic) != GH_OK) return false;
  if (topic.kind != GH_MQTT_REQ) return false;
  bool ours = gh_str_eq(topic.receiver, m->stem) && gh_str_eq(topic.originator, m->receiver);
  if (!ours || message->retain) return true;
  gh_arena_init(&arena);
  take_request(m, &arena, &topic, gh_arena_dup(&arena, payload));
  gh_arena_free(&arena);
  return true;
}

static void on_message(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *message)
{
  (void)mosq;
  gh_mqtt_client *m = ctx;
  gh_val *tree = NULL;
  gh_diag ignored;
  gh_str rqi, octets = {message->payload, message->payloadlen > 0 ? (size_t)message->payloadlen : 0};
  if (is_request(m, message, octets)) return;
  bool expected = !m->response && m->awaited.len && gh_str_eq(gh_str_of(message->topic), m->filter);
  if (!expected || message->retain) return;
  octets = gh_arena_dup(&m->answers, octets); /* the tree borrows from it */
  if (gh_representation_decode(m->representation, &m->answers, octets, &tree, &ignored) != GH_OK) return;
  bool ours = gh_primitive_kind_of(tree) == GH_PRIMITIVE_RESPONSE && gh_val_get_str(tree, GH_STR("rqi"), &rqi) &&
              gh_str_eq(rqi, m->awaited);
  if (ours) m->response = tree;
}

/* ---- waiting */

static int64_t now_ms(const gh_mqtt_client *m)
{
  return gh_clock_mono_us(&m->clock) / 1000;
}

static gh_err err_of(int rc)
{
  if (rc == MOSQ_ERR_TLS || rc == MOSQ_ERR_CONN_REFUSED || rc == MOSQ_ERR_AUTH) return GH_EAUTH;
  return rc == MOSQ_ERR_INVAL || rc == MOSQ_ERR_PAYLOAD_SIZE ? GH_EINVAL : GH_ECONN;
}

static int step_for(gh_mqtt_client *m, int ms)
{
  gh_no_sigpipe held;
  gh_no_sigpipe_begin(&held);
  int rc = mosquitto_loop(m->mosq, ms, 1);
  gh_no_sigpipe_end(&held);
  return rc;
}

static int step(gh_mqtt_client *m)
{
  return step_for(m, STEP_MS);
}

static gh_err run_until(gh_mqtt_client *m, const bool *done, gh_diag *diag)
{
  int64_t until = now_ms(m) + m->timeout_ms;
  int rc = MOSQ_ERR_SUCCESS;
  while (!*done && rc == MOSQ_ERR_SUCCESS && now_ms(m) < until) rc = step(m);
  if (*done) return GH_OK;
  m->open = false;
  if (rc == MOSQ_ERR_SUCCESS) return gh_fail(diag, GH_ETIMEOUT, "no answer through the broker in time");
  return gh_fail(diag, err_of(rc), "the broker: %s", mosquitto_strerror(rc));
}

/* libmosquitto does not notice that nobody listens. */
static gh_err wait_connected(const gh_mqtt_client *m, gh_diag *diag)
{
  struct pollfd at = {.fd = mosquitto_socket(m->mosq), .events = POLLOUT};
  int fault = 0;
  socklen_t len = sizeof fault;
  int ready = at.fd < 0 ? -1 : poll(&at, 1, (int)m->timeout_ms);
  if (ready == 0) return gh_fail(diag, GH_ETIMEOUT, "the broker does not answer");
  bool fine = ready > 0 && getsockopt(at.fd, SOL_SOCKET, SO_ERROR, &fault, &len) == 0 && !fault;
  return fine ? GH_OK : gh_fail(diag, GH_ECONN, "the broker cannot be reached");
}

/* ---- life */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void init_library(void)
{
  mosquitto_lib_init(); /* for good: other clients of the process may be in it */
}

static gh_err take_options(gh_mqtt_client *m, const gh_mqtt_client_options *o, gh_diag *diag)
{
  if (!gh_mqtt_prefix_valid(o->prefix)) return gh_fail(diag, GH_EINVAL, "the topic prefix is none");
  if (gh_mqtt_level_of_id(&m->arena, o->receiver, &m->receiver) != GH_OK)
    return gh_fail(diag, GH_EINVAL, "'%.*s' cannot stand in a topic", GH_STR_ARG(o->receiver));
  if (o->credential_id.len && gh_mqtt_level_of_credential(&m->arena, o->credential_id, &m->credential) != GH_OK)
    return gh_fail(diag, GH_EINVAL, "the credential cannot stand in a topic");
  m->prefix = gh_arena_dup(&m->arena, o->prefix);
  m->representation = o->representation;
  return GH_OK;
}

/*= TS-0010 6.3.1; 6.3.3 level 4, Clean Session false, no Will */
static gh_err make_client(gh_mqtt_client *m, const gh_mqtt_client_options *o, gh_diag *diag)
{
  gh_str id = gh_arena_fmt(&m->arena, "A::%.*s", GH_STR_ARG(o->client_id));
  SSL_CTX *ctx = gh_tls_client_ctx(o->tls);
  m->mosq = mosquitto_new(id.ptr, false, m);
  if (!m->mosq) return gh_fail(diag, GH_EINVAL, "no MQTT client of this name can be made");
  mosquitto_int_option(m->mosq, MOSQ_OPT_PROTOCOL_VERSION, PROTOCOL_3_1_1);
  mosquitto_connect_callback_set(m->mosq, on_connect);
  mosquitto_subscribe_callback_set(m->mosq, on_subscribe);
  mosquitto_publish_callback_set(m->mosq, on_publish);
  mosquitto_message_callback_set(m->mosq, on_message);
  /*= TS-0010 7.3 the broker is Entity B: our profile of TLS, our credential */
  bool taken = ctx && mosquitto_int_option(m->mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) == MOSQ_ERR_SUCCESS &&
               mosquitto_void_option(m->mosq, MOSQ_OPT_SSL_CTX, ctx) == MOSQ_ERR_SUCCESS;
  return taken ? GH_OK : gh_fail(diag, GH_ECRYPTO, "libmosquitto does not take our TLS context");
}

static gh_err refused(const gh_mqtt_client_options *o, gh_diag *diag)
{
  gh_diag why = gh_tls_client_refusal(o->tls);
  if (why.text[0]) return gh_fail(diag, GH_EAUTH, "the broker is not believed: %s", why.text);
  return gh_fail(diag, GH_EAUTH, "the broker did not take the credential");
}

static gh_err associate(gh_mqtt_client *m, const gh_mqtt_client_options *o, gh_diag *diag)
{
  char host[256];
  if (!gh_str_to_cstr(o->host, host, sizeof host) || gh_str_empty(o->host))
    return gh_fail(diag, GH_EINVAL, "host is not acceptable");
  int rc = mosquitto_connect_async(m->mosq, host, o->port, KEEPALIVE_S);
  if (rc != MOSQ_ERR_SUCCESS && rc != MOSQ_ERR_TLS)
    return gh_fail(diag, GH_ECONN, "the broker cannot be reached at %s:%u", host, o->port);
  if (rc == MOSQ_ERR_SUCCESS) GH_TRY(wait_connected(m, diag));
  gh_err err = rc == MOSQ_ERR_SUCCESS ? run_until(m, &m->let_in, diag) : GH_EAUTH;
  if (err == GH_ECONN || err == GH_EAUTH) return refused(o, diag);
  GH_TRY(err);
  if (m->denied) return gh_fail(diag, GH_EAUTH, "the broker refuses this client");
  m->open = true;
  return GH_OK;
}

gh_err gh_mqtt_client_open(const gh_mqtt_client_options *options, gh_mqtt_client **out, gh_diag *diag)
{
  gh_mqtt_client *m = gh_calloc(1, sizeof *m);
  pthread_once(&library_once, init_library);
  m->clock = gh_clock_system();
  m->timeout_ms = options->timeout_ms;
  gh_arena_init(&m->arena);
  gh_arena_init(&m->answers);
  gh_err err = take_options(m, options, diag);
  if (err == GH_OK) err = make_client(m, options, diag);
  if (err == GH_OK) err = associate(m, options, diag);
  if (err != GH_OK) {
    gh_mqtt_client_close(m);
    return err;
  }
  *out = m;
  return GH_OK;
}

bool gh_mqtt_client_is_open(const gh_mqtt_client *m)
{
  return m->open;
}

/*= TS-0003 8.2.1 */
bool gh_mqtt_client_is_revoked(gh_mqtt_client *m, const gh_status_source *status)
{
  bool revoked = m->open && gh_tls_status_revoked(mosquitto_ssl_get(m->mosq), status);
  if (revoked) m->open = false; /* it is left without a word, and nothing more is read */
  return revoked;
}

void gh_mqtt_client_close(gh_mqtt_client *m)
{
  if (!m) return;
  int64_t until = now_ms(m) + LAST_MS;
  if (m->open && mosquitto_disconnect(m->mosq) == MOSQ_ERR_SUCCESS)
    while (step(m) == MOSQ_ERR_SUCCESS && now_ms(m) < until) continue;
  if (m->mosq) mosquitto_destroy(m->mosq);
  for (size_t i = 0; i < SEEN; i++) gh_str_release(&m->seen[i]);
  gh_arena_free(&m->answers);
  gh_arena_free(&m->arena);
  free(m);
}

/* ---- requests */

/*= TS-0010 6.4.4 who has no AE-ID yet asks for registration under its Credential-ID; 6.4.3 all else under the AE-ID
 */
static gh_err topic_of(const gh_mqtt_client *m, gh_arena *arena, const gh_request *r, gh_mqtt_topic *out)
{
  bool nameless = r->op == GH_OP_CREATE && r->ty == GH_TY_AE && m->credential.len;
  *out = (gh_mqtt_topic){.kind = nameless ? GH_MQTT_REG_REQ : GH_MQTT_REQ,
                         .originator = m->credential,
                         .receiver = m->receiver,
                         .representation = m->representation};
  return nameless ? GH_OK : gh_mqtt_level_of_id(arena, r->from, &out->originator);
}

static gh_err subscribe(gh_mqtt_client *m, gh_str filter, gh_diag *diag)
{
  m->listens = false;
  int rc = mosquitto_subscribe(m->mosq, NULL, filter.ptr, QOS);
  if (rc != MOSQ_ERR_SUCCESS) return gh_fail(diag, err_of(rc), "cannot subscribe: %s", mosquitto_strerror(rc));
  GH_TRY(run_until(m, &m->listens, diag));
  return m->denied ? gh_fail(diag, GH_EACCES, "the broker does not let us listen at %s", filter.ptr) : GH_OK;
}

static gh_err listen_for(gh_mqtt_client *m, gh_str filter, gh_diag *diag)
{
  if (gh_str_eq(m->filter, filter)) return GH_OK;
  GH_TRY(subscribe(m, filter, diag));
  m->filter = gh_arena_dup(&m->arena, filter);
  return GH_OK;
}

/*= TS-0010 6.4.3; TS-0010 7.4 what our list lets an AE listen to: requests of its registrar */
gh_err gh_mqtt_client_listen(gh_mqtt_client *m, gh_str stem, gh_mqtt_on_request on_request, void *ctx, gh_diag *diag)
{
  if (gh_mqtt_level_of_id(&m->arena, stem, &m->stem) != GH_OK)
    return gh_fail(diag, GH_EINVAL, "'%.*s' cannot stand in a topic", GH_STR_ARG(stem));
  m->on_request = on_request;
  m->on_request_ctx = ctx;
  for (int i = 0; i < 2; i++) {
    const gh_mqtt_topic topic = {.kind = GH_MQTT_REQ,
                                 .originator = m->receiver,
                                 .receiver = m->stem,
                                 .representation = i ? GH_REP_CBOR : GH_REP_JSON};
    GH_TRY(subscribe(m, gh_mqtt_topic_write(&m->arena, m->prefix, &topic), diag));
  }
  return GH_OK;
}

gh_err gh_mqtt_client_wait(gh_mqtt_client *m, uint32_t timeout_ms)
{
  int64_t until = now_ms(m) + timeout_ms;
  int rc = MOSQ_ERR_SUCCESS;
  do {
    int64_t left = until - now_ms(m);
    rc = m->open ? step_for(m, left < 0 ? 0 : left < STEP_MS ? (int)left : STEP_MS) : MOSQ_ERR_NO_CONN;
  } while (rc == MOSQ_ERR_SUCCESS && now_ms(m) < until);
  m->open = m->open && rc == MOSQ_ERR_SUCCESS;
  return m->open ? GH_ETIMEOUT : GH_OK;
}

static gh_err publish(gh_mqtt_client *m, gh_str topic, const gh_request *request, gh_diag *diag)
{
  gh_arena arena;
  gh_buf octets = GH_BUF_INIT;
  gh_arena_init(&arena);
  gh_representation_encode(m->representation, &octets, gh_request_to_tree(&arena, request));
  m->sent = false;
  int rc = octets.len > INT_MAX
               ? MOSQ_ERR_PAYLOAD_SIZE
               : mosquitto_publish(m->mosq, NULL, topic.ptr, (int)octets.len, octets.ptr, QOS, false);
  gh_buf_wipe_free(&octets);
  gh_arena_free(&arena);
  return rc == MOSQ_ERR_SUCCESS ? GH_OK : gh_fail(diag, err_of(rc), "cannot publish: %s", mosquitto_strerror(rc));
}

static gh_err wait_answer(gh_mqtt_client *m, gh_diag *diag)
{
  int64_t until = now_ms(m) + m->timeout_ms;
  int rc = MOSQ_ERR_SUCCESS;
  while (!m->response && rc == MOSQ_ERR_SUCCESS && now_ms(m) < until) rc = step(m);
  if (m->response) return GH_OK;
  m->open = rc == MOSQ_ERR_SUCCESS;
  if (rc != MOSQ_ERR_SUCCESS) return gh_fail(diag, err_of(rc), "the broker: %s", mosquitto_strerror(rc));
  const char *who =
      m->sent ? "the CSE does not answer, or the broker's list does not let us ask it" : "the broker is silent";
  return gh_fail(diag, GH_ETIMEOUT, "no response in time: %s", who);
}

gh_err gh_mqtt_client_request(gh_mqtt_client *m, gh_arena *arena, const gh_request *request, gh_response *response,
                              gh_diag *diag)
{
  gh_mqtt_topic topic;
  if (!m->open) return gh_fail(diag, GH_ECONN, "the session with the broker is closed");
  if (topic_of(m, arena, request, &topic) != GH_OK)
    return gh_fail(diag, GH_EINVAL, "without an AE-ID nothing but a registration can be asked for over MQTT");
  gh_mqtt_topic answer = gh_mqtt_topic_of_answer(&topic);
  gh_arena_reset(&m->answers);
  m->response = NULL;
  m->awaited = request->rqi;
  gh_err err = listen_for(m, gh_mqtt_topic_write(arena, m->prefix, &answer), diag);
  if (err == GH_OK) err = publish(m, gh_mqtt_topic_write(arena, m->prefix, &topic), request, diag);
  if (err == GH_OK) err = wait_answer(m, diag);
  m->awaited = GH_STR_NONE;
  return err == GH_OK ? gh_response_from_tree(gh_val_copy(arena, m->response), response, diag) : err;
}
