/* HTTP/1.1 for the outbound port: one message there, one back, on a connection that is kept. */
#include <stdlib.h>

#include "bind/http_codec.h"
#include "bind/pool_outbound.h"

typedef struct state {
  gh_http_reader reader;
  gh_str host_header;
} state;

static void *begin(const gh_outbound_peer *peer, gh_worker *worker)
{
  (void)worker;
  state *s = gh_calloc(1, sizeof *s);
  gh_http_reader_init(&s->reader, GH_HTTP_RESPONSES, NULL);
  s->host_header = peer->host_header;
  return s;
}

static gh_err ask(void *own, gh_conn *conn, gh_outbound_call *call)
{
  const state *s = own;
  GH_TRY(gh_http_write_request(gh_conn_out(conn), &call->request, s->host_header));
  gh_conn_flush(conn);
  return GH_OK;
}

static gh_outbound_answer take(void *own, gh_outbound_call *call, gh_str *octets)
{
  state *s = own;
  size_t consumed = 0;
  gh_diag diag;
  gh_http_state what = gh_http_feed(&s->reader, *octets, &consumed);
  *octets = gh_str_sub(*octets, consumed, SIZE_MAX);
  if (what == GH_HTTP_NEED_MORE) return GH_ANSWER_NONE;
  if (what == GH_HTTP_ERROR || !call) return GH_ANSWER_BROKEN;
  call->err = gh_http_to_response(&call->arena, &s->reader.message, &call->response, &diag);
  bool keep = s->reader.message.keep_alive;
  gh_http_next(&s->reader);
  gh_http_reader_trim(&s->reader);
  return keep ? GH_ANSWER_WHOLE : GH_ANSWER_LAST;
}

/* An answer without a length lasts until the peer closes. */
static bool close_ends(void *own, gh_outbound_call *call)
{
  state *s = own;
  gh_diag diag;
  if (gh_http_feed_end(&s->reader) != GH_HTTP_MESSAGE) return false;
  call->err = gh_http_to_response(&call->arena, &s->reader.message, &call->response, &diag);
  return true;
}

static void end(void *own)
{
  state *s = own;
  gh_http_reader_free(&s->reader);
  free(s);
}

const gh_outbound_binding gh_http_outbound = {
    .name = "http", .begin = begin, .ask = ask, .take = take, .close_ends = close_ends, .end = end};
