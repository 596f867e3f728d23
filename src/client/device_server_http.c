/* A device that takes requests over HTTPS: one at a time on each connection, for a registrar waits for the answer. */
#include <stdlib.h>

#include "client/device_server_private.h"
#include "m2m/constants.h"

typedef struct session { /* a connection of the registrar, or of whoever tries */
  gh_device_server *server;
  gh_http_reader reader;
} session;

static void answer(session *s, gh_conn *conn)
{
  gh_arena arena;
  gh_request request = {.op = 0};
  gh_response response = {0};
  gh_diag diag = {""};
  const gh_http_message *message = &s->reader.message;
  gh_arena_init(&arena);
  response.rsc = gh_http_to_request(&arena, message, &request, &diag);
  response.rsc = response.rsc == GH_RSC_OK ? gh_device_server_take(s->server, &arena, &request, &response)
                                           : gh_device_server_refuse(&arena, &response, response.rsc, diag.text);
  bool keep = message->keep_alive && message->method != GH_HTTP_OTHER_METHOD;
  gh_http_write_response(gh_conn_out(conn), &request, &response, keep);
  gh_arena_free(&arena);
  gh_http_next(&s->reader);
  gh_http_reader_trim(&s->reader);
  if (keep)
    gh_conn_flush(conn);
  else
    gh_conn_close(conn, GH_OK, "end of the exchange");
}

static void on_ready(gh_conn *conn, void *ctx)
{
  (void)conn;
  (void)ctx;
}

/* One request at a time: a registrar waits for the answer. */
static void on_data(gh_conn *conn, void *ctx, gh_str octets)
{
  session *s = ctx;
  while (octets.len && gh_conn_is_open(conn)) {
    size_t used = 0;
    gh_http_state state = gh_http_feed(&s->reader, octets, &used);
    octets = gh_str_sub(octets, used, SIZE_MAX);
    if (state == GH_HTTP_MESSAGE) {
      answer(s, conn);
    } else if (state == GH_HTTP_ERROR) {
      gh_http_write_plain(gh_conn_out(conn), s->reader.error.status, s->reader.error.rsc,
                          gh_str_of(s->reader.error.text));
      gh_conn_close(conn, GH_EPROTO, "malformed HTTP");
    } else if (gh_http_reader_wants_continue(&s->reader)) {
      gh_conn_write(conn, GH_STR(GH_HTTP_CONTINUE_LINE));
    }
  }
  gh_conn_expect(conn, gh_http_reader_in_message(&s->reader));
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  session *s = ctx;
  (void)conn, (void)why, (void)reason;
  gh_http_reader_free(&s->reader);
  free(s);
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

static void *new_session(void *owner, gh_worker *worker)
{
  (void)worker;
  gh_device_server *server = owner;
  session *s = gh_calloc(1, sizeof *s);
  s->server = server;
  gh_http_reader_init(&s->reader, GH_HTTP_REQUESTS, &server->limits);
  return s;
}

void gh_device_server_http(gh_device_server *server, gh_listener_options *options)
{
  options->handler = &handler;
  options->new_ctx = new_session;
  options->owner = server;
}
