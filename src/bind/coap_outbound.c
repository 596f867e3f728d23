/* CoAP for the outbound port, over DTLS and over TLS: the client of coap_client.c for each association, so blocks,
 * retransmission and tokens are those of the device. */
#include <stdlib.h>

#include "bind/coap_client.h"
#include "bind/pool_outbound.h"

typedef struct state {
  gh_coap_client client; /* first: its timer leads back here */
  gh_random random;
  gh_clock clock;
} state;

static state *begin_with(gh_worker *worker, bool stream, uint16_t mtu)
{
  state *s = gh_calloc(1, sizeof *s);
  s->random = gh_random_system();
  s->clock = worker->clock;
  gh_coap_client_init(&s->client, worker->uv, stream, &s->random);
  s->client.szx = gh_coap_szx_for(mtu);
  return s;
}

static void *begin_udp(const gh_outbound_peer *peer, gh_worker *worker)
{
  return begin_with(worker, false, peer->mtu);
}

static void *begin_tcp(const gh_outbound_peer *peer, gh_worker *worker)
{
  (void)peer;
  return begin_with(worker, true, 0);
}

static void ready(void *own, gh_conn *conn)
{
  state *s = own;
  gh_coap_client_ready(&s->client, conn);
}

static gh_err ask(void *own, gh_conn *conn, gh_outbound_call *call)
{
  (void)conn;
  state *s = own;
  return gh_coap_client_send(&s->client, &call->request, gh_clock_wall_us(&s->clock));
}

/*= TS-0008 7 an answer is known by its token; late ones of an earlier request are none */
static gh_outbound_answer take(void *own, gh_outbound_call *call, gh_str *octets)
{
  state *s = own;
  gh_diag diag;
  gh_coap_client_data(&s->client, *octets);
  *octets = GH_STR_NONE;
  if (!s->client.done || !call) return GH_ANSWER_NONE;
  s->client.done = false;
  call->err = gh_coap_client_response(&s->client, &call->arena, &call->response, &diag);
  return call->err == GH_OK ? GH_ANSWER_WHOLE : GH_ANSWER_LAST;
}

static void ping(void *own)
{
  state *s = own;
  gh_coap_layer_ping(&s->client.layer);
}

static bool is_lost(const void *own)
{
  const state *s = own;
  return s->client.done && s->client.err != GH_OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
  state *s = handle->data;
  gh_coap_client_free(&s->client);
  free(s);
}

static void end(void *own)
{
  state *s = own;
  s->client.conn = NULL;
  uv_close((uv_handle_t *)&s->client.timer, on_timer_closed);
}

const gh_outbound_binding gh_coap_outbound = {.name = "coap",
                                              .datagrams = true,
                                              .begin = begin_udp,
                                              .ready = ready,
                                              .ask = ask,
                                              .take = take,
                                              .ping = ping,
                                              .is_lost = is_lost,
                                              .end = end};
const gh_outbound_binding gh_coap_tcp_outbound = {
    .name = "coap_tcp", .begin = begin_tcp, .ready = ready, .ask = ask, .take = take, .is_lost = is_lost, .end = end};
