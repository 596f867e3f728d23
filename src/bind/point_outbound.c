/* One visit for each request: the points one after the other, an association, the request, its answer, the end. A
 * request that has left is never sent a second time. Everything of a visit happens on its worker. */
#include "bind/point_outbound.h"

#include <stdlib.h>

#include "link/dtls.h"

enum { POINTS_MAX = 8, VISITS_MAX = 1024, TICK_MS = 50 };

typedef struct visit {
  struct visit *next; /* of those that have a call */
  struct place *place;
  gh_outbound_call *call; /* NULL once it is answered: only the connection is left */
  const gh_val *point;    /* the one that is tried */
  size_t tried;
  gh_outbound_peer peer; /* what the binding wants to know of it */
  const gh_outbound_binding *binding;
  void *state;                     /* of the binding; NULL: no connection */
  const gh_outbound_binding *made; /* the binding that the client is for */
  gh_tls_client *client;
  gh_conn *conn; /* NULL: none */
  bool sent;
  bool writing, gone; /* gone: the connection ended while we were writing; looked at afterwards */
  gh_err why;         /* it is gone */
  bool looking;       /* for the address of the point: at the next tick again */
  uint64_t looked;    /* the tick when it did so last */
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

static void end_state(visit *v)
{
  if (v->state) v->binding->end(v->state);
  v->state = NULL;
}

static void release(visit *v)
{
  end_state(v);
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
         GH_F("entity", call->entity), GH_F("binding", v->binding ? v->binding->name : "none"),
         GH_F("op", gh_op_name((int)call->request.op)), GH_F("to", call->request.to), GH_F("rqi", call->request.rqi),
         GH_F("serialization", gh_representation_name(gh_media_representation(call->request.content_type))),
         GH_F("result", gh_err_name(err)), GH_F("rsc", err == GH_OK ? call->response.rsc : 0));
  if (!v->conn) release(v);
  call->done(call);
}

static void hand_over(visit *v, gh_outbound port)
{
  gh_worker *worker = v->place->worker;
  gh_outbound_call *call = take_call(v);
  release(v);
  port.send(port.ctx, worker, call);
}

/*= TS-0001 10.2.5.23 no point of access that can be reached: an open connection of the AE, where there is one */
static void leave_to_next(visit *v)
{
  const gh_point_outbound *outbound = v->place->outbound;
  bool late = v->call->deadline_us <= gh_clock_mono_us(&v->place->worker->clock);
  if (!outbound->next.send || v->place->stopping || late)
    finish(v, late ? GH_ETIMEOUT : GH_ECONN);
  else
    hand_over(v, outbound->next);
}

/* ---- the association */

static void try_points(visit *v);

/* The connection has ended, and the visit has a call. */
static void after_end(visit *v)
{
  v->conn = NULL;
  if (!v->sent) {
    end_state(v);
    v->point = v->point->next;
    try_points(v);
    return;
  }
  bool whole = v->binding->close_ends && v->binding->close_ends(v->state, v->call);
  gh_err err = v->why == GH_OK || v->why == GH_EAUTH ? GH_ECONN : v->why;
  finish(v, whole ? v->call->err : err);
}

static void on_ready(gh_conn *conn, void *ctx)
{
  visit *v = ctx;
  v->conn = conn;
  if (!v->call) return;
  v->writing = true; /* whatever is written may find that the peer has gone */
  if (v->binding->ready) v->binding->ready(v->state, conn);
  if (!v->gone) v->sent = v->binding->ask(v->state, conn, v->call) == GH_OK;
  v->writing = false;
  if (v->gone)
    after_end(v);
  else if (!v->sent)
    gh_conn_close(conn, GH_EINVAL, "the request cannot be written"); /* in this binding: another may carry it */
}

static void on_data(gh_conn *conn, void *ctx, gh_str octets)
{
  visit *v = ctx;
  if (!v->call || !v->sent) {
    gh_conn_close(conn, GH_EPROTO, "nobody asked");
    return;
  }
  gh_outbound_answer answer = v->binding->take(v->state, v->call, &octets);
  if (answer == GH_ANSWER_NONE) return;
  gh_err err = answer == GH_ANSWER_BROKEN ? GH_EPROTO : v->call->err;
  finish(v, err); /* the visit stays while it has a connection */
  gh_conn_close(conn, err, err == GH_OK ? "done" : "malformed answer");
}

static void on_closed(gh_conn *conn, void *ctx, gh_err why, const char *reason)
{
  visit *v = ctx;
  const gh_log *log = v->place->outbound->log;
  GH_LOG(log, why == GH_OK ? GH_LOG_DEBUG : GH_LOG_WARN, "outgoing-association-closed",
         GH_F("address", gh_conn_address_text(conn)), GH_F("reason", reason), GH_F("refused", gh_conn_refusal(conn)));
  v->why = why;
  v->gone = true;
  if (v->writing) return;
  if (v->call)
    after_end(v);
  else
    release(v);
}

static const gh_conn_handler handler = {on_ready, on_data, on_closed};

/* The next entry that is for us, from v->point on; or not yet, and then v->looking. */
static bool find_point(visit *v, gh_point_place *at)
{
  const gh_point_source *source = &v->place->outbound->source;
  for (; v->point && v->tried < POINTS_MAX; v->point = v->point->next) {
    if (v->point->type != GH_VAL_STR || !v->point->u.str.len) continue;
    *at = (gh_point_place){.binding = NULL};
    gh_err err = source->find(source->ctx, v->call, v->point->u.str, at);
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

static gh_str authority_of(gh_str point)
{
  size_t slashes = gh_str_find(point, '/');
  gh_str authority = slashes == SIZE_MAX ? point : gh_str_sub(point, slashes + 2, SIZE_MAX);
  return gh_str_sub(authority, 0, gh_str_find(authority, '/'));
}

/* A client belongs to a binding: its versions and suites do. */
static gh_err choose_client(visit *v, const gh_outbound_binding *binding)
{
  const gh_point_source *source = &v->place->outbound->source;
  if (v->client && v->made == binding) return GH_OK;
  gh_tls_client_free(v->client);
  v->client = NULL;
  v->made = binding;
  return source->client(source->ctx, v->call, binding, &v->client);
}

static gh_err go_there(visit *v, const gh_point_place *at)
{
  gh_worker *worker = v->place->worker;
  const struct sockaddr *address = (const struct sockaddr *)&at->address;
  v->binding = at->binding;
  v->peer = (gh_outbound_peer){.entity = v->call->entity,
                               .host_header = authority_of(v->point->u.str),
                               .binding = at->binding,
                               .mtu = v->place->outbound->source.mtu};
  v->gone = false;
  v->state = v->binding->begin(&v->peer, worker);
  gh_err err = v->binding->datagrams ? gh_dtls_connect(worker, address, at->address_len, v->client, v->peer.mtu,
                                                       deadline_here(v), &handler, v, &v->conn)
                                     : gh_conn_connect(worker, address, at->address_len, v->client, deadline_here(v),
                                                       &handler, v, &v->conn);
  if (err != GH_OK) {
    v->conn = NULL;
    end_state(v);
  }
  return err;
}

/*= TS-0004 7.3.3.9.1 the first address, and while it cannot be reached the next */
static void try_points(visit *v)
{
  gh_point_place at;
  place *p = v->place;
  v->looking = false;
  while (!p->stopping && !p->worker->closing && find_point(v, &at)) {
    if (!at.binding) {
      hand_over(v, at.port);
      return;
    }
    if (choose_client(v, at.binding) != GH_OK) break; /* never without proof instead */
    if (go_there(v, &at) == GH_OK) return;
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
  p->visits = v;
  p->count++;
  if (p->count > VISITS_MAX)
    finish(v, GH_ELIMIT);
  else
    try_points(v);
}

/* ---- time */

/* The binding has given up: nobody takes the request. */
static bool is_lost(const visit *v)
{
  return v->sent && v->binding->is_lost && v->binding->is_lost(v->state);
}

static visit *find_late(const place *p, int64_t now)
{
  visit *v = p->visits;
  while (v && v->call->deadline_us > now && !is_lost(v)) v = v->next;
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
