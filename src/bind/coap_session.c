/* Requests of one association, from blocks to whole ones and back, whatever they travelled over. */
#include "bind/coap_session.h"

enum { TRANSFER_LIFE_S = 93 }; /* RFC 7252 MAX_TRANSMIT_WAIT: then the client has given up */

void gh_coap_association_init(gh_coap_association *a, const gh_coap_service *service, gh_worker *worker)
{
  a->service = service;
  a->worker = worker;
  a->transfers =
      (gh_coap_transfers){.max_body_bytes = service->max_body_bytes, .life_us = TRANSFER_LIFE_S * GH_US_PER_S};
}

static void give_token(gh_coap_message *answer, const gh_coap_message *request)
{
  memcpy(answer->token, request->token, sizeof answer->token);
  answer->token_len = request->token_len;
}

void gh_coap_association_reply(gh_coap_association *a, uint32_t request_id, gh_arena *arena,
                               const gh_coap_message *request, gh_coap_message *answer)
{
  gh_coap_cut_answer(&a->transfers, gh_clock_mono_us(&a->worker->clock), arena, a->most, request, answer);
  give_token(answer, request);
  a->answer(a, request_id, answer);
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
    a->service->perform(a, request_id, request);
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
  gh_coap_association_release_if_done(a);
}

void gh_coap_association_release_if_done(gh_coap_association *a)
{
  if (a->conn || a->calls || a->held) return;
  gh_coap_transfers_free(&a->transfers);
  a->released(a);
}
