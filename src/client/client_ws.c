/* One request of ours at a time, matched by rqi; requests of the other side are answered in between. */
#include "client/client_ws.h"

#include <stdlib.h>

#include "gatehouse/secret.h"
#include "m2m/constants.h"
#include "m2m/primitive_tree.h"

enum { MESSAGE_BYTES_MAX = 16 << 20 };

struct gh_client_ws {
  gh_http_reader reader; /* of the handshake */
  gh_ws_stream *stream;  /* NULL until it is granted */
  gh_representation representation;
  gh_random random;
  char key[GH_WS_KEY_CHARS + 1];
  gh_buf out;
  gh_arena arena; /* of the response */
  gh_str awaited; /* rqi; owned */
  gh_val *response;
  gh_client_on_request on_request;
  void *on_request_ctx;
  bool granted;
  bool malformed; /* a message that is no primitive came */
};

gh_err gh_client_ws_new(const gh_client_options *options, const gh_random *random, gh_client_ws **out)
{
  gh_client_ws *ws = gh_calloc(1, sizeof *ws);
  ws->representation = options->representation;
  ws->random = *random;
  ws->on_request = options->on_request;
  ws->on_request_ctx = options->on_request_ctx;
  gh_http_reader_init(&ws->reader, GH_HTTP_RESPONSES, NULL);
  ws->reader.websocket = true;
  gh_arena_init(&ws->arena);
  *out = ws;
  GH_TRY(gh_ws_make_key(random, ws->key));
  gh_ws_write_offer(&ws->out, options->server_name, ws->key, ws->representation);
  return GH_OK;
}

void gh_client_ws_free(gh_client_ws *ws)
{
  if (!ws) return;
  gh_http_reader_free(&ws->reader);
  gh_ws_stream_free(ws->stream);
  gh_buf_wipe_free(&ws->out);
  gh_arena_free(&ws->arena);
  gh_str_release(&ws->awaited);
  free(ws);
}

gh_buf *gh_client_ws_out(gh_client_ws *ws)
{
  return &ws->out;
}

bool gh_client_ws_done(const gh_client_ws *ws)
{
  return gh_str_empty(ws->awaited) ? ws->granted : ws->response != NULL;
}

/* ---- what comes */

/*= TS-0020 6.1 AEs may be capable of handling Notifications only, or no requests at all */
static void answer_request(gh_client_ws *ws, gh_arena *arena, gh_val *tree)
{
  gh_request request;
  gh_response response = {.rsc = GH_RSC_OPERATION_NOT_ALLOWED};
  gh_diag diag = {""};
  gh_buf octets = GH_BUF_INIT;
  int rsc = gh_request_from_tree(arena, tree, &request, &diag);
  if (rsc != GH_RSC_OK)
    gh_response_error(arena, &response, rsc, "%s", diag.text);
  else if (ws->on_request)
    ws->on_request(ws->on_request_ctx, arena, &request, &response);
  if (gh_response_write(ws->representation, &octets, &request, &response) == GH_OK)
    gh_ws_send(ws->stream, ws->representation, gh_buf_str(&octets));
  gh_buf_wipe_free(&octets);
}

static void take_response(gh_client_ws *ws, const gh_val *tree)
{
  gh_str rqi;
  bool ours = gh_val_get_str(tree, GH_STR("rqi"), &rqi) && gh_str_eq(rqi, ws->awaited);
  if (ours && !gh_str_empty(rqi) && !ws->response) ws->response = gh_val_copy(&ws->arena, tree);
}

static void on_message(void *ctx, bool binary, gh_str octets)
{
  gh_client_ws *ws = ctx;
  gh_arena arena;
  gh_val *tree = NULL;
  gh_diag diag;
  gh_arena_init(&arena);
  if (binary != (ws->representation != GH_REP_JSON) ||
      gh_representation_decode(ws->representation, &arena, octets, &tree, &diag) != GH_OK)
    ws->malformed = true;
  else if (gh_primitive_kind_of(tree) == GH_PRIMITIVE_RESPONSE)
    take_response(ws, tree);
  else
    answer_request(ws, &arena, tree);
  gh_arena_free(&arena);
}

static void start_stream(gh_client_ws *ws)
{
  ws->granted = true;
  ws->stream = gh_ws_stream_new(&(gh_ws_options){.role = GH_WS_CLIENT,
                                                 .max_message_bytes = MESSAGE_BYTES_MAX,
                                                 .random = ws->random,
                                                 .out = &ws->out,
                                                 .message = on_message,
                                                 .ctx = ws});
}

/* Takes octets of the handshake away from *octets. */
static gh_err feed_handshake(gh_client_ws *ws, gh_str *octets, gh_diag *diag)
{
  size_t used = 0;
  gh_http_state state = gh_http_feed(&ws->reader, *octets, &used);
  *octets = gh_str_sub(*octets, used, octets->len);
  if (state == GH_HTTP_NEED_MORE) return GH_OK;
  if (state == GH_HTTP_ERROR) return gh_fail(diag, GH_EPROTO, "%s", ws->reader.error.text);
  GH_TRY(gh_ws_check_grant(&ws->reader.message, ws->key, ws->representation, diag));
  start_stream(ws);
  return GH_OK;
}

gh_err gh_client_ws_feed(gh_client_ws *ws, gh_str octets, gh_diag *diag)
{
  size_t used = 0;
  if (!ws->stream) GH_TRY(feed_handshake(ws, &octets, diag));
  if (!ws->stream) return GH_OK;
  gh_ws_feed(ws->stream, octets, &used);
  if (ws->malformed) return gh_fail(diag, GH_EPROTO, "a message is no primitive");
  if (!gh_ws_is_over(ws->stream)) return GH_OK;
  unsigned code = gh_ws_close_code(ws->stream);
  return gh_fail(diag, code > GH_WS_GOING_AWAY ? GH_EPROTO : GH_ECONN, "closed with code %u", code);
}

/* ---- what goes */

gh_err gh_client_ws_ask(gh_client_ws *ws, const gh_request *request)
{
  gh_arena arena;
  gh_buf octets = GH_BUF_INIT;
  gh_arena_reset(&ws->arena);
  ws->response = NULL;
  gh_str_release(&ws->awaited);
  ws->awaited = gh_str_clone(request->rqi);
  gh_arena_init(&arena);
  gh_representation_encode(ws->representation, &octets, gh_request_to_tree(&arena, request));
  bool sent = gh_ws_send(ws->stream, ws->representation, gh_buf_str(&octets));
  gh_buf_wipe_free(&octets);
  gh_arena_free(&arena);
  return sent ? GH_OK : GH_ECONN;
}

gh_err gh_client_ws_take(gh_client_ws *ws, gh_arena *arena, gh_response *response, gh_diag *diag)
{
  return gh_response_from_tree(gh_val_copy(arena, ws->response), response, diag);
}

void gh_client_ws_ping(gh_client_ws *ws)
{
  if (ws->stream) gh_ws_ping(ws->stream);
}

void gh_client_ws_close(gh_client_ws *ws)
{
  if (ws->stream) gh_ws_close(ws->stream, GH_WS_NORMAL, "");
}
