/* CoAP over DTLS (coaps, RFC 7252): one association's message layer between its datagrams and its requests. */
#include <stdlib.h>

#include "bind/coap_layer_codec.h"
#include "bind/coap_session.h"

typedef struct session {
  gh_coap_association a; /* first: `answer` and `released` lead back here */
  gh_coap_layer layer;
  uv_timer_t timer;      /* runs while the layer waits for something */
  bool taking;           /* inside on_data */
  bool timer_gone, done; /* freed when both */
} session;

static void on_time(uv_timer_t *timer);

static int64_t now_of(const session *s)
{
  return gh_clock_mono_us(&s->a.worker->clock);
}

static void rearm(session *s)
{
  if (!s->a.conn) return;
  int64_t now = now_of(s), next = gh_coap_layer_tick(&s->layer, now);
  if (next == INT64_MAX)
    uv_timer_stop(&s->timer);
  else
    uv_timer_start(&s->timer, on_time, next > now ? (uint64_t)(next - now) / 1000 + 1 : 1, 0);
}

static void on_time(uv_timer_t *timer)
{
  rearm(timer->data);
}

static void emit(void *ctx, gh_str datagram)
{
  const session *s = ctx;
  if (s->a.conn) gh_conn_write(s->a.conn, datagram);
}

static void answer(gh_coap_association *a, uint32_t request_id, gh_coap_message *m)
{
  session *s = (session *)a;
  gh_coap_layer_answer(&s->layer, now_of(s), request_id, m);
  if (!s->taking) rearm(s);
}

static void free_if_done(session *s)
{
  if (!s->timer_gone || !s->done) return;
  gh_coap_layer_free(&s->layer);
  free(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
  session *s = handle->data;
  s->timer_gone = true;
  free_if_done(s);
}

static void released(gh_coap_association *a)
{
  session *s = (session *)a;
  s->done = true;
  free_if_done(s);
}

static void on_ready(gh_conn *conn, void *ctx)
{
  session *s = ctx;
  s->a.conn = conn;
  if (s->a.service->ready) s->a.service->ready(&s->a, conn);
}

static void on_data(gh_conn *conn, void *ctx, gh_str datagram)
{
  session *s = ctx;
  gh_coap_message m;
  uint32_t id = 0;
  s->taking = true;
  gh_conn_expect(conn, false); /* the time without traffic begins anew */
  if (gh_coap_layer_take(&s->layer, now_of(s), datagram, &m, &id) == GH_COAP_NEW_REQUEST &&
      !gh_coap_serve(&s->a, id, &m))
    gh_coap_layer_forget(&s->layer, id); /* too much at once: the client sends it again */
  s->taking = false;
  rearm(s);
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  session *s = ctx;
  if (s->a.service->closed) s->a.service->closed(&s->a, conn, why, reason);
  uv_close((uv_handle_t *)&s->timer, on_timer_closed);
  gh_coap_association_end(&s->a);
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

static void *new_session(void *owner, gh_worker *worker)
{
  session *s = gh_calloc(1, sizeof *s);
  gh_coap_association_init(&s->a, owner, worker);
  s->a.answer = answer;
  s->a.released = released;
  s->a.most = gh_coap_block_bytes(gh_coap_szx_for(s->a.service->mtu));
  gh_coap_layer_init(&s->layer, NULL, s->a.service->random, emit, s);
  uv_timer_init(worker->uv, &s->timer);
  s->timer.data = s;
  return s;
}

/*= TS-0003 6.1.2.2.1 an unprotected request is answered 4107 and nothing else */
static void refuse_plain(gh_str datagram, gh_buf *out)
{
  static const char security_association_required[] = "\x10\x0b"; /* 4107 */
  gh_coap_message request, refusal = {.type = GH_COAP_NON, .code = GH_COAP_FORBIDDEN};
  if (gh_coap_parse_udp(datagram, &request) != GH_OK || !gh_coap_is_request(&request)) return;
  if (request.type != GH_COAP_CON && request.type != GH_COAP_NON) return;
  if (request.type == GH_COAP_CON) refusal.type = GH_COAP_ACK;
  refusal.mid = request.mid;
  refusal.token_len = request.token_len;
  memcpy(refusal.token, request.token, sizeof refusal.token);
  (void)gh_coap_add(&refusal, GH_COAP_RSC, GH_STR(security_association_required));
  gh_coap_write_udp(out, &refusal);
}

void gh_coap_udp_session_options(gh_coap_service *service, gh_listener_options *options)
{
  options->handler = &handler;
  options->new_ctx = new_session;
  options->owner = service;
  options->refuse_plain = refuse_plain;
}
