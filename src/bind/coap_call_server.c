/* One CoAP request of a function, from its message through the gate to its answer, whatever it travelled over. */
#include <stdlib.h>

#include "bind/coap_server.h"
#include "m2m/constants.h"

struct gh_coap_call {
  gh_bound_exchange bound;
  gh_coap_association *association;
  gh_coap_call *next;
  uint32_t request_id;
  gh_coap_context context;
  gh_coap_message request; /* method, token and options (in the arena) as they came, for the answer's blocks */
};

static void unlink_call(gh_coap_association *a, const gh_coap_call *call)
{
  gh_coap_call **at = &a->calls;
  while (*at && *at != call) at = &(*at)->next;
  if (*at) *at = call->next;
  a->call_count--;
}

static void on_answer(gh_exchange *x)
{
  gh_coap_call *call = x->owner;
  gh_coap_association *a = call->association;
  unlink_call(a, call);
  a->held++; /* answering may end the connection */
  if (a->conn) {
    gh_coap_message answer = {.code = 0};
    gh_coap_from_response(&x->arena, &x->request, &x->response, &call->context, &answer);
    gh_coap_association_reply(a, call->request_id, &x->arena, &call->request, &answer);
  }
  gh_exchange_clear(x);
  free(call);
  a->held--;
  gh_coap_association_release_if_done(a);
}

static void keep_request(gh_coap_call *call, const gh_coap_message *request)
{
  call->request.code = request->code;
  call->request.option_count = request->option_count;
  for (size_t i = 0; i < request->option_count; i++)
    call->request.options[i] =
        (gh_coap_option){request->options[i].number, gh_arena_dup(&call->bound.x.arena, request->options[i].value)};
  memcpy(call->request.token, request->token, sizeof call->request.token);
  call->request.token_len = request->token_len;
}

static void perform(gh_coap_association *a, uint32_t request_id, gh_coap_message *request)
{
  gh_diag diag = {""};
  gh_coap_call *call = gh_calloc(1, sizeof *call);
  gh_exchange *x = &call->bound.x;
  const gh_coap_server *server = a->service->owner;
  call->association = a;
  call->request_id = request_id;
  call->next = a->calls;
  a->calls = call;
  a->call_count++;
  gh_bound_exchange_begin(&call->bound, server->host, a->worker, a->conn, call, on_answer);
  keep_request(call, request);
  int rsc = gh_coap_to_request(&x->arena, request, &x->request, &call->context, &diag);
  if (rsc == GH_RSC_OK) {
    gh_gate_submit(x);
    return;
  }
  gh_bound_exchange_refuse(&call->bound, rsc, &diag);
  on_answer(x);
}

static void ready(gh_coap_association *a, gh_conn *conn)
{
  gh_bound_log_ready(a->service->log, conn);
}

static void closed(gh_coap_association *a, gh_conn *conn, gh_err why, const char *reason)
{
  gh_bound_log_closed(a->service->log, conn, why, reason);
  for (gh_coap_call *call = a->calls; call; call = call->next) call->bound.conn = NULL;
}

static void make_service(gh_coap_server *server)
{
  server->service = (gh_coap_service){.owner = server,
                                      .log = &server->host->log,
                                      .random = &server->host->random,
                                      .max_body_bytes = server->max_body_bytes,
                                      .mtu = server->mtu,
                                      .perform = perform,
                                      .ready = ready,
                                      .closed = closed};
}

void gh_coap_tcp_listen_options(gh_coap_server *server, gh_listener_options *options)
{
  make_service(server);
  gh_coap_tcp_session_options(&server->service, options);
}

void gh_coap_udp_listen_options(gh_coap_server *server, gh_listener_options *options)
{
  make_service(server);
  gh_coap_udp_session_options(&server->service, options);
}
