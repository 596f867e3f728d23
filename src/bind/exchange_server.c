/* From an association to an exchange, for every binding. */
#include "bind/exchange_server.h"

static gh_bound_exchange *bound_of(gh_exchange *x)
{
  return (gh_bound_exchange *)(void *)((char *)x - offsetof(gh_bound_exchange, x));
}

static gh_err export_key(gh_exchange *x, const char *label, uint8_t out[static 48])
{
  gh_conn *conn = bound_of(x)->conn;
  return conn ? gh_conn_export(conn, label, out) : GH_ECONN;
}

static void bind_peer(gh_exchange *x, gh_str ae_id)
{
  gh_conn *conn = bound_of(x)->conn;
  if (conn) gh_conn_bind_ae(conn, ae_id);
}

/*= TS-0003 7.2 who asks is what the association proved, nothing else */
static void describe_peer(gh_exchange *x, gh_conn *conn)
{
  const gh_peer *peer = gh_conn_peer(conn);
  x->peer = *peer;
  x->peer.id = gh_arena_dup(&x->arena, peer->id);
  x->peer.credential_id = gh_arena_dup(&x->arena, peer->credential_id);
  x->peer.key_id = gh_arena_dup(&x->arena, peer->key_id);
  x->association = gh_conn_id(conn);
  gh_conn_address(conn, &x->address_family, x->address);
  x->address_text = gh_arena_dup(&x->arena, gh_str_of(gh_conn_address_text(conn)));
}

void gh_bound_exchange_begin(gh_bound_exchange *bound, gh_host *host, gh_worker *worker, gh_conn *conn, void *owner,
                             void (*done)(gh_exchange *x))
{
  gh_exchange *x = &bound->x;
  *x = (gh_exchange){
      .host = host, .worker = worker, .owner = owner, .done = done, .export_key = export_key, .bind_peer = bind_peer};
  bound->conn = conn;
  gh_arena_init(&x->arena);
  describe_peer(x, conn);
  x->received_us = gh_host_now_us(host);
}

void gh_bound_exchange_refuse(gh_bound_exchange *bound, int rsc, const gh_diag *diag)
{
  gh_exchange *x = &bound->x;
  gh_refuse(x, rsc, "%s", diag->text);
  GH_LOG(&x->host->log, GH_LOG_INFO, "malformed-request", GH_F("association", x->association),
         GH_F("peer", x->address_text), GH_F("rsc", rsc), GH_F("reason", diag->text));
  x->response.rqi = x->request.rqi;
}

void gh_bound_log_ready(const gh_log *log, gh_conn *conn)
{
  gh_arena arena;
  gh_arena_init(&arena);
  GH_LOG(log, GH_LOG_INFO, "association", GH_F("association", gh_conn_id(conn)),
         GH_F("peer", gh_peer_text(&arena, gh_conn_peer(conn))),
         GH_F("credential", gh_conn_peer(conn)->credential_id), GH_F("protocol", gh_conn_protocol(&arena, conn)),
         GH_F("resumed", gh_conn_is_resumed(conn) ? "yes" : "no"), GH_F("from", gh_conn_address_text(conn)));
  gh_arena_free(&arena);
}

void gh_bound_log_closed(const gh_log *log, gh_conn *conn, gh_err why, const char *reason)
{
  GH_LOG(log, why == GH_OK ? GH_LOG_DEBUG : GH_LOG_INFO, "association-closed", GH_F("association", gh_conn_id(conn)),
         GH_F("error", gh_err_name(why)), GH_F("reason", reason));
}
