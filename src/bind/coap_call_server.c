/* One CoAP request from its message to its answer, whatever it travelled over. */
#include <stdlib.h>

#include "bind/coap_server.h"
#include "m2m/constants.h"

enum { TRANSFER_LIFE_S = 93 }; /* RFC 7252 MAX_TRANSMIT_WAIT: then the client has given up */

struct gh_coap_call {
  gh_bound_exchange bound;
  gh_coap_association *association;
  gh_coap_call *next;
  uint32_t request_id;
  gh_coap_context context;
  gh_coap_message request; /* method, token and options (in the arena) as they came, for the answer's blocks */
};

void gh_coap_association_init(gh_coap_association *a, const gh_coap_server *server, gh_worker *worker)
{
  a->server = server;
  a->worker = worker;
  a->transfers =
      (gh_coap_transfers){.max_body_bytes = server->max_body_bytes, .life_us = TRANSFER_LIFE_S * GH_US_PER_S};
}

static void give_token(gh_coap_message *answer, const gh_coap_message *request)
{
  memcpy(answer->token, request->token, sizeof answer->token);
  answer->token_len = request->token_len;
}

static void unlink_call(gh_coap_association *a, const gh_coap_call *call)
{
  gh_coap_call **at = &a->calls;
  while (*at && *at != call) at = &(*at)->next;
  if (*at) *at = call->next;
  a->call_count--;
}

static void release_if_done(gh_coap_association *a)
{
  if (a->conn || a->calls || a->held) return;
  gh_coap_transfers_free(&a->transfers);
  a->released(a);
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
    gh_coap_cut_answer(&a->transfers, gh_clock_mono_us(&a->worker->clock), &x->arena, a->most, &call->request,
                       &answer);
    give_token(&answer, &call->request);
    a->answer(a, call->request_id, &answer);
  }
  gh_exchange_clear(x);
  free(call);
  a->held--;
  release_if_done(a);
}

static void keep_request(gh_coap_call *call, const gh_coap_message *request)
{
  call->request.code = request->code;
  call->request.option_count = request->option_count;
  for (size_t i = 0; i < request->option_count; i++)
    call->request.options[i] =
        (gh_coap_option){request->options[i].number, gh_arena_dup(&call->bound.x.arena, request->options[i].value)};
  give_token(&call->request, request);
}

static void perform(gh_coap_association *a, uint32_t request_id, gh_coap_message *request)
{
  gh_diag diag = {""};
  gh_coap_call *call = gh_calloc(1, sizeof *call);
  gh_exchange *x = &call->bound.x;
  call->association = a;
  call->request_id = request_id;
  call->next = a->calls;
  a->calls = call;
  a->call_count++;
  gh_bound_exchange_begin(&call->bound, a->server->host, a->worker, a->conn, call, on_answer);
  keep_request(call, request);
  int rsc = gh_coap_to_request(&x->arena, request, &x->request, &call->context, &diag);
  if (rsc == GH_RSC_OK) {
    gh_gate_submit(x);
    return;
  }
  gh_bound_exchange_refuse(&call->bound, rsc, &diag);
  on_answer(x);
}

bool gh_coap_serve(gh_coap_association *a, uint32_t request_id, gh_coap_message *request)
{
  if (a->call_count >= GH_COAP_PARALLEL_MAX) return false;
  gh_arena arena;
  gh_buf body;
  gh_coap_message answer = {.code = 0};
  gh_arena_init(&arena);
  int64_t now_us = gh_clock_mono_us(&a->worker->clock);
  gh_coap_step step = gh_coap_take_request(&a->transfers, now_us, &arena, a->most, request, &body, &answer);
  if (step == GH_COAP_PERFORM) {
    perform(a, request_id, request);
  } else {
    give_token(&answer, request);
    a->answer(a, request_id, &answer);
  }
  gh_buf_wipe_free(&body); /* keys travel in Content */
  gh_arena_free(&arena);
  return true;
}

void gh_coap_association_end(gh_coap_association *a)
{
  a->conn = NULL;
  for (gh_coap_call *call = a->calls; call; call = call->next) call->bound.conn = NULL;
  release_if_done(a);
}
