/* One WebSocket of the server. Requests are performed side by side and answered as they are done; a connection that
 * ends lives on until the last answer, which is then dropped. */
#include "bind/ws_server.h"

#include <stdlib.h>

#include "bind/exchange_server.h"
#include "gatehouse/secret.h"
#include "m2m/constants.h"
#include "m2m/primitive_tree.h"

enum { WAITING_BYTES_MAX = 256 * 1024 };

typedef struct call call;

typedef struct session {
  gh_ws_peer peer; /* first: its functions lead back here */
  gh_ws_server *server;
  gh_worker *worker;
  gh_conn *conn; /* NULL once the connection has gone */
  gh_ws_stream *stream;
  gh_representation representation;
  gh_buf waiting; /* octets that the stream has not taken */
  call *calls;    /* with the gate */
  size_t call_count;
  gh_ws_client_side own; /* gone NULL: the peer has opened it */
  bool closing;          /* we have said so: nothing more is performed */
  bool running;          /* inside take_octets or an answer: not freed, answers do not recurse */
} session;

struct call {
  gh_bound_exchange bound;
  session *session;
  call *next;
};

static void release_if_done(session *s)
{
  if (s->conn || s->calls || s->running) return;
  gh_ws_stream_free(s->stream);
  gh_buf_wipe_free(&s->waiting);
  free(s);
}

static void refuse_message(session *s, unsigned code, const char *reason)
{
  GH_LOG(&s->server->host->log, GH_LOG_INFO, "malformed-websocket", GH_F("association", gh_conn_id(s->conn)),
         GH_F("peer", gh_conn_address_text(s->conn)), GH_F("code", code), GH_F("reason", reason));
  s->closing = true;
  gh_ws_close(s->stream, code, reason);
}

/* ---- requests of the peer */

static void take_octets(session *s);

/*= TS-0020 6.4 after its registration an entity is reached over this connection; TS-0001 6.5.4 but the IN-CSE of
 * another provider where the agreement says, if anywhere: it cannot have itself called by calling */
static void learn_entity(session *s)
{
  const gh_peer *peer = gh_conn_peer(s->conn);
  if (gh_id_is_foreign(&s->server->host->config.self, peer->id)) return;
  if (s->server->outbound && (peer->kind == GH_PEER_AE || peer->kind == GH_PEER_CSE))
    gh_ws_outbound_name(s->server->outbound, &s->peer, peer->id);
}

static void send_answer(session *s, gh_exchange *x)
{
  gh_buf octets = GH_BUF_INIT;
  gh_err err = gh_response_write(s->representation, &octets, &x->request, &x->response);
  if (err != GH_OK) {
    gh_refuse(x, GH_RSC_INTERNAL_SERVER_ERROR, "the response cannot be represented");
    err = gh_response_write(s->representation, &octets, &x->request, &x->response);
  }
  if (err == GH_OK) gh_ws_send(s->stream, s->representation, gh_buf_str(&octets));
  gh_buf_wipe_free(&octets);
}

static call *new_call(session *s, void (*done)(gh_exchange *x))
{
  call *c = gh_calloc(1, sizeof *c);
  c->session = s;
  c->next = s->calls;
  s->calls = c;
  s->call_count++;
  gh_bound_exchange_begin(&c->bound, s->server->host, s->worker, s->conn, c, done);
  return c;
}

static void end_call(call *c)
{
  session *s = c->session;
  call **at = &s->calls;
  while (*at && *at != c) at = &(*at)->next;
  if (*at) *at = c->next;
  s->call_count--;
  gh_exchange_clear(&c->bound.x);
  free(c);
}

static void on_answer(gh_exchange *x)
{
  call *c = x->owner;
  session *s = c->session;
  if (s->conn && !s->closing) send_answer(s, x);
  if (s->conn) learn_entity(s);
  end_call(c);
  if (!s->running) take_octets(s); /* sends, and goes on with what waited */
}

/*= TS-0004 8.5.1 the answer comes as the connection has agreed */
static void perform(call *c, gh_val *tree)
{
  session *s = c->session;
  gh_exchange *x = &c->bound.x;
  gh_diag diag = {""};
  int rsc = gh_request_from_tree(&x->arena, tree, &x->request, &diag);
  if (s->representation != GH_REP_JSON)
    x->request.accept = x->request.content_type = gh_media_type_of(s->representation, GH_MEDIA_PLAIN);
  if (rsc == GH_RSC_OK) {
    gh_gate_submit(x);
    return;
  }
  gh_bound_exchange_refuse(&c->bound, rsc, &diag);
  on_answer(x);
}

static void take_response(call *c, gh_val *tree)
{
  session *s = c->session;
  gh_ws_outbound *outbound = s->server->outbound;
  if (!outbound || !gh_ws_outbound_answer(outbound, &s->peer, tree))
    GH_LOG(&s->server->host->log, GH_LOG_INFO, "unexpected-response", GH_F("association", gh_conn_id(s->conn)),
           GH_F("peer", gh_conn_address_text(s->conn)));
  end_call(c);
}

/*= TS-0020 5.1; 6.2.2.9; RFC 6455 7.4.1 one message is one primitive, in the agreed serialization */
static void on_message(void *ctx, bool binary, gh_str octets)
{
  session *s = ctx;
  gh_val *tree = NULL;
  gh_diag diag = {""};
  if (s->closing || !s->conn || !gh_conn_is_open(s->conn)) return;
  if (binary != (s->representation != GH_REP_JSON)) {
    refuse_message(s, GH_WS_UNSUPPORTED, "opcode does not fit the subprotocol");
    return;
  }
  call *c = new_call(s, on_answer);
  gh_arena *arena = &c->bound.x.arena;
  gh_err err = gh_representation_decode(s->representation, arena, gh_arena_dup(arena, octets), &tree, &diag);
  if (err != GH_OK) {
    end_call(c);
    refuse_message(s, GH_WS_INVALID, "payload cannot be decoded");
  } else if (gh_primitive_kind_of(tree) == GH_PRIMITIVE_RESPONSE) {
    take_response(c, tree);
  } else {
    perform(c, tree);
  }
}

/* ---- requests to the peer */

static gh_err peer_send(gh_ws_peer *peer, const gh_request *request)
{
  session *s = (session *)peer;
  gh_arena arena;
  gh_buf octets = GH_BUF_INIT;
  if (!s->conn || s->closing || !gh_conn_is_open(s->conn)) return GH_ECONN;
  if (gh_conn_is_full(s->conn)) return GH_ELIMIT;
  gh_arena_init(&arena);
  gh_representation_encode(s->representation, &octets, gh_request_to_tree(&arena, request));
  bool sent = gh_ws_send(s->stream, s->representation, gh_buf_str(&octets));
  gh_buf_wipe_free(&octets);
  gh_arena_free(&arena);
  if (sent && !s->running) take_octets(s); /* flushes; may end the connection, the call with it */
  return sent ? GH_OK : GH_ECONN;
}

static bool peer_bears(const gh_ws_peer *peer, gh_str credential_id)
{
  const session *s = (const session *)peer;
  const gh_peer *proven = s->conn ? gh_conn_peer(s->conn) : NULL;
  return proven && (!proven->assigned || gh_str_eq(proven->credential_id, credential_id));
}

static void peer_ping(gh_ws_peer *peer)
{
  session *s = (session *)peer;
  if (!s->conn || s->closing || gh_conn_is_full(s->conn)) return;
  gh_ws_ping(s->stream);
  gh_conn_flush(s->conn);
}

static void peer_leave(gh_ws_peer *peer)
{
  session *s = (session *)peer;
  if (!s->conn || s->closing) return;
  s->closing = true;
  gh_ws_close(s->stream, GH_WS_GOING_AWAY, "");
  gh_conn_close(s->conn, GH_OK, "shutting down");
}

/* ---- octets */

static bool ready(void *ctx)
{
  const session *s = ctx;
  return s->conn && gh_conn_is_open(s->conn) && s->call_count < GH_WS_PARALLEL_MAX && !gh_conn_is_full(s->conn);
}

static void feed(session *s)
{
  size_t consumed = 0;
  do {
    gh_ws_feed(s->stream, gh_buf_rest(&s->waiting), &consumed);
    gh_buf_consume(&s->waiting, consumed);
  } while (consumed && s->conn && gh_buf_rest(&s->waiting).len);
}

static void end_if_over(session *s)
{
  if (!s->conn || !gh_conn_is_open(s->conn) || !gh_ws_is_over(s->stream)) return;
  unsigned code = gh_ws_close_code(s->stream);
  bool orderly = code >= GH_WS_NORMAL && code <= GH_WS_GOING_AWAY;
  gh_conn_close(s->conn, orderly ? GH_OK : GH_EPROTO, orderly ? "WebSocket closed" : "WebSocket ended by a fault");
}

static void take_octets(session *s)
{
  s->running = true;
  if (s->conn && gh_conn_is_open(s->conn)) feed(s);
  if (s->waiting.cap > 4096 && gh_buf_rest(&s->waiting).len == 0) gh_buf_wipe_free(&s->waiting);
  end_if_over(s);
  /* the time of a message, and of our close, runs; that of a request that is performed does not */
  if (s->conn) gh_conn_expect(s->conn, s->closing || gh_ws_in_message(s->stream));
  if (s->conn) gh_conn_flush(s->conn);
  s->running = false;
  release_if_done(s);
}

static void on_data(gh_conn *conn, void *ctx, gh_str octets)
{
  session *s = ctx;
  if (gh_buf_rest(&s->waiting).len + octets.len > WAITING_BYTES_MAX + s->server->max_message_bytes) {
    gh_conn_close(conn, GH_ELIMIT, "too much was pipelined");
    return;
  }
  gh_buf_add(&s->waiting, octets);
  take_octets(s);
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  session *s = ctx;
  gh_bound_log_closed(&s->server->host->log, conn, why, reason);
  bool running = s->running;
  s->conn = NULL;
  s->running = true; /* the calls that end now may be what requests of this very session wait for */
  for (call *c = s->calls; c; c = c->next) c->bound.conn = NULL;
  if (s->server->outbound) gh_ws_outbound_gone(s->server->outbound, &s->peer);
  s->running = running;
  if (s->own.gone) s->own.gone(s->own.ctx);
  release_if_done(s);
}

/* The connection was ready before it came to us. */
static void on_ready(gh_conn *conn, void *ctx)
{
  (void)conn;
  (void)ctx;
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

static session *new_session(gh_ws_server *server, gh_conn *conn, gh_ws_role role, gh_representation representation)
{
  session *s = gh_calloc(1, sizeof *s);
  s->server = server;
  s->conn = conn;
  s->worker = gh_conn_worker(conn);
  s->representation = representation;
  s->peer = (gh_ws_peer){
      .worker = s->worker, .send = peer_send, .bears = peer_bears, .ping = peer_ping, .leave = peer_leave};
  s->stream = gh_ws_stream_new(&(gh_ws_options){.role = role,
                                                .max_message_bytes = server->max_message_bytes,
                                                .random = server->host->random,
                                                .out = gh_conn_out(conn),
                                                .message = on_message,
                                                .ready = ready,
                                                .ctx = s});
  gh_conn_set_handler(conn, &handler, s);
  return s;
}

static void begin_session(session *s, gh_str rest)
{
  GH_LOG(&s->server->host->log, GH_LOG_INFO, "websocket", GH_F("association", gh_conn_id(s->conn)),
         GH_F("serialization", gh_representation_name(s->representation)));
  if (s->server->outbound) gh_ws_outbound_enter(s->server->outbound, &s->peer);
  learn_entity(s);
  gh_buf_add(&s->waiting, rest);
  take_octets(s);
}

void gh_ws_server_adopt(gh_ws_server *server, gh_conn *conn, gh_representation representation, gh_str rest)
{
  begin_session(new_session(server, conn, GH_WS_SERVER, representation), rest);
}

/*= TS-0003 8.2.1 after the handshake Entity A knows who B is, too */
void gh_ws_server_adopt_own(gh_ws_server *server, gh_conn *conn, const gh_ws_client_side *side,
                            gh_representation representation, gh_str rest)
{
  gh_conn_bind_cse(conn, side->entity);
  session *s = new_session(server, conn, GH_WS_CLIENT, representation);
  s->own = *side;
  begin_session(s, rest);
}
