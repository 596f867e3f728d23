/* One visit for each request: the points one after the other, an association, the request, its answer, the end. A
 * request that has left is never sent a second time. Everything of a visit happens on its worker. */
#include "bind/point_outbound.h"

#include <stdlib.h>

#include "bind/http_codec.h"

enum { POINTS_MAX = 8, VISITS_MAX = 1024, TICK_MS = 50 };

typedef struct visit {
  struct visit *next; /* of those that have a call */
  struct place *place;
  gh_outbound_call *call; /* NULL once it is answered: only the connection is left */
  const gh_val *point;    /* the one that is tried */
  size_t tried;
  gh_tls_client *client;
  gh_conn *conn; /* NULL: none */
  gh_http_reader reader;
  bool sent;
  bool looking;    /* for the address of the point: at the next tick again */
  uint64_t looked; /* the tick when it did so last */
} visit;

typedef struct place { /* what belongs to one worker */
  gh_point_outbound *outbound;
  gh_worker *worker;
  visit *visits;
  size_t count;
  uv_timer_t tick;
  uint64_t ticks;
  bool stopping;
} place;

struct gh_point_outbound {
  gh_point_source source;
  gh_outbound next;
  place *places; /* by index of the worker */
  size_t worker_count;
  const gh_log *log;
};

/* ---- the end of a visit */

static void release(visit *v)
{
  gh_http_reader_free(&v->reader);
  gh_tls_client_free(v->client);
  free(v);
}

static gh_outbound_call *take_call(visit *v)
{
  gh_outbound_call *call = v->call;
  visit **at = &v->place->visits;
  while (*at != v) at = &(*at)->next; /* it is there while it has a call */
  *at = v->next;
  v->place->count--;
  v->call = NULL;
  return call;
}

/* The visit may be gone afterwards: it is where no connection is left. */
static void finish(visit *v, gh_err err)
{
  gh_outbound_call *call = take_call(v);
  call->err = err;
  GH_LOG(v->place->outbound->log, err == GH_OK ? GH_LOG_INFO : GH_LOG_WARN, "outgoing-request",
         GH_F("entity", call->entity), GH_F("binding", "http"), GH_F("op", gh_op_name((int)call->request.op)),
         GH_F("to", call->request.to), GH_F("rqi", call->request.rqi), GH_F("result", gh_err_name(err)),
         GH_F("rsc", err == GH_OK ? call->response.rsc : 0));
  if (!v->conn) release(v);
  call->done(call);
}

/*= TS-0001 10.2.5.23 no point of access that can be reached: an open connection of the AE, where there is one */
static void leave_to_next(visit *v)
{
  gh_point_outbound *outbound = v->place->outbound;
  gh_worker *worker = v->place->worker;
  bool late = v->call->deadline_us <= gh_clock_mono_us(&worker->clock);
  if (!outbound->next.send || v->place->stopping || late) {
    finish(v, late ? GH_ETIMEOUT : GH_ECONN);
    return;
  }
  gh_outbound_call *call = take_call(v);
  release(v);
  outbound->next.send(outbound->next.ctx, worker, call);
}

/* ---- the association */

static void try_points(visit *v);

static void on_ready(gh_conn *conn, void *ctx)
{
  visit *v = ctx;
  v->conn = conn;
  if (!v->call) return;
  gh_buf host = GH_BUF_INIT;
  gh_str text = v->point->u.str;
  size_t slashes = gh_str_find(text, '/');
  gh_str authority = slashes == SIZE_MAX ? text : gh_str_sub(text, slashes + 2, SIZE_MAX);
  gh_buf_add(&host, gh_str_sub(authority, 0, gh_str_find(authority, '/')));
  gh_err err = gh_http_write_request(gh_conn_out(conn), &v->call->request, gh_buf_str(&host));
  gh_buf_free(&host);
  v->sent = err == GH_OK;
  if (err == GH_OK) {
    gh_conn_flush(conn); /* may end the connection, and the visit with it */
    return;
  }
  finish(v, err);
  gh_conn_close(conn, err, "the request cannot be written");
}

static void on_data(gh_conn *conn, void *ctx, gh_str octets)
{
  visit *v = ctx;
  gh_diag diag;
  size_t used = 0;
  if (!v->call || !v->sent) {
    gh_conn_close(conn, GH_EPROTO, "nobody asked");
    return;
  }
  gh_http_state state = gh_http_feed(&v->reader, octets, &used);
  if (state == GH_HTTP_NEED_MORE) return;
  gh_err err = state == GH_HTTP_MESSAGE
                   ? gh_http_to_response(&v->call->arena, &v->reader.message, &v->call->response, &diag)
                   : GH_EPROTO;
  finish(v, err); /* the visit stays while it has a connection */
  gh_conn_close(conn, err, err == GH_OK ? "done" : "malformed answer");
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  visit *v = ctx;
  const gh_log *log = v->place->outbound->log;
  GH_LOG(log, why == GH_OK ? GH_LOG_DEBUG : GH_LOG_WARN, "outgoing-association-closed",
         GH_F("address", gh_conn_address_text(conn)), GH_F("reason", reason), GH_F("refused", gh_conn_refusal(conn)));
  v->conn = NULL;
  if (!v->call) {
    release(v);
    return;
  }
  if (!v->sent) {
    v->point = v->point->next;
    try_points(v);
    return;
  }
  gh_diag diag;
  bool whole = gh_http_feed_end(&v->reader) == GH_HTTP_MESSAGE &&
               gh_http_to_response(&v->call->arena, &v->reader.message, &v->call->response, &diag) == GH_OK;
  finish(v, whole ? GH_OK : why == GH_OK || why == GH_EAUTH ? GH_ECONN : why);
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

/* The next entry that is for us, from v->point on; or not yet, and then v->looking. */
static bool find_point(visit *v, struct sockaddr_storage *address, socklen_t *len)
{
  const gh_point_source *source = &v->place->outbound->source;
  for (; v->point && v->tried < POINTS_MAX; v->point = v->point->next) {
    if (v->point->type != GH_VAL_STR || !v->point->u.str.len) continue;
    gh_err err = source->address(source->ctx, v->point->u.str, address, len);
    if (err == GH_EUNSUPPORTED) continue;
    v->looking = err == GH_EAGAIN;
    if (v->looking) return false;
    v->tried++;
    if (err == GH_OK) return true;
  }
  return false;
}

/* Those that follow need time, too. */
static int64_t deadline_here(const visit *v)
{
  int64_t now = gh_clock_mono_us(&v->place->worker->clock), left = v->call->deadline_us - now;
  return v->point->next ? now + left / 2 : v->call->deadline_us;
}

/*= TS-0004 7.3.3.9.1 the first address, and while it cannot be reached the next */
static void try_points(visit *v)
{
  struct sockaddr_storage address;
  socklen_t len = 0;
  place *p = v->place;
  v->looking = false;
  while (!p->stopping && !p->worker->closing && find_point(v, &address, &len)) {
    gh_err err = gh_conn_connect(p->worker, (struct sockaddr *)&address, len, v->client, deadline_here(v), &handler,
                                 v, &v->conn);
    if (err == GH_OK) return;
    v->conn = NULL;
    v->point = v->point->next;
  }
  v->looked = p->ticks;
  if (!v->looking) leave_to_next(v);
}

/* ---- the port */

static void send_call(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  gh_point_outbound *outbound = ctx;
  place *p = &outbound->places[worker->index];
  if (!call->points && outbound->next.send) {
    outbound->next.send(outbound->next.ctx, worker, call);
    return;
  }
  visit *v = gh_calloc(1, sizeof *v);
  *v = (visit){
      .place = p, .call = call, .next = p->visits, .point = call->points ? call->points->u.array.first : NULL};
  gh_http_reader_init(&v->reader, GH_HTTP_RESPONSES, NULL);
  p->visits = v;
  p->count++;
  gh_err err = p->count > VISITS_MAX ? GH_ELIMIT : GH_OK;
  if (err == GH_OK && v->point) err = outbound->source.client(outbound->source.ctx, call, &v->client);
  if (err == GH_ELIMIT)
    finish(v, err);
  else if (err != GH_OK)
    leave_to_next(v); /* never without proof instead */
  else
    try_points(v);
}

/* ---- time */

static visit *find_late(const place *p, int64_t now)
{
  visit *v = p->visits;
  while (v && v->call->deadline_us > now) v = v->next;
  return v;
}

static visit *find_looking(const place *p)
{
  visit *v = p->visits;
  /* take_call unlinks whoever is freed, which the analyser does not follow */
  /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
  while (v && !(v->looking && v->looked != p->ticks)) v = v->next;
  return v;
}

static void on_tick(uv_timer_t *timer)
{
  place *p = timer->data;
  p->ticks++;
  int64_t now = gh_clock_mono_us(&p->worker->clock);
  for (visit *v; (v = find_late(p, now)) != NULL;) {
    gh_conn *conn = v->conn;
    finish(v, GH_ETIMEOUT);
    if (conn) gh_conn_close(conn, GH_ETIMEOUT, "no answer in time");
  }
  for (visit *v; (v = find_looking(p)) != NULL;) try_points(v);
}

/* ---- life */

static void start_place(void *arg)
{
  place *p = arg;
  uv_timer_init(p->worker->uv, &p->tick);
  p->tick.data = p;
  uv_timer_start(&p->tick, on_tick, TICK_MS, TICK_MS);
}

gh_point_outbound *gh_point_outbound_new(gh_point_source source, gh_outbound next, gh_worker *const *workers,
                                         size_t worker_count, const gh_log *log)
{
  gh_point_outbound *outbound = gh_calloc(1, sizeof *outbound);
  *outbound = (gh_point_outbound){.source = source, .next = next, .worker_count = worker_count, .log = log};
  outbound->places = gh_calloc(worker_count, sizeof *outbound->places);
  for (size_t i = 0; i < worker_count; i++) {
    outbound->places[i] = (place){.outbound = outbound, .worker = workers[i]};
    gh_loop_call(workers[i]->loop, start_place, &outbound->places[i]);
  }
  return outbound;
}

gh_outbound gh_point_outbound_port(gh_point_outbound *outbound)
{
  return (gh_outbound){outbound, send_call};
}

static void stop_place(void *arg)
{
  place *p = arg;
  p->stopping = true;
  uv_close((uv_handle_t *)&p->tick, NULL);
  for (visit *v = p->visits, *next; v; v = next) { /* what these ask for next goes nowhere */
    next = v->next;
    gh_conn *conn = v->conn;
    finish(v, GH_ECONN);
    if (conn) gh_conn_close(conn, GH_OK, "shutting down");
  }
}

void gh_point_outbound_stop(gh_point_outbound *outbound)
{
  if (!outbound) return;
  for (size_t i = 0; i < outbound->worker_count; i++)
    gh_loop_call(outbound->places[i].worker->loop, stop_place, &outbound->places[i]);
}

void gh_point_outbound_free(gh_point_outbound *outbound)
{
  if (!outbound) return;
  free(outbound->places);
  free(outbound);
}
