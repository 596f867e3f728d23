/* CoAP client side, over DTLS (message layer of RFC 7252) or TLS (RFC 8323): one request at a time, put into blocks
 * where it is long, its answer put together from blocks. On the loop of its connection. */
#ifndef GH_BIND_COAP_CLIENT_H
#define GH_BIND_COAP_CLIENT_H

#include <uv.h>

#include "bind/coap_block_codec.h"
#include "bind/coap_layer_codec.h"
#include "link/conn.h"

typedef struct gh_coap_client {
  gh_conn *conn; /* NULL: none; set by the owner when the connection is established, cleared when it is gone */
  const gh_random *random;
  bool stream; /* TLS; else DTLS */
  uint8_t szx; /* DTLS: size of blocks, of requests and answers; after gh_coap_client_init the owner may lower it */
  bool done;   /* an answer is complete, or failed */
  gh_err err;  /* then: GH_OK, GH_ETIMEOUT (never acknowledged, reset), GH_EPROTO */
  /* private */
  gh_coap_layer layer;
  uv_timer_t timer;
  gh_buf in; /* stream: octets of a frame that is not complete */
  gh_arena arena;
  gh_coap_message request; /* without payload and block options */
  gh_str body;             /* of the request */
  uint32_t block1;         /* number of the block under way */
  bool busy, in_blocks;
  gh_buf answer_body;
  gh_buf answer; /* last message, in UDP's form */
} gh_coap_client;

/* `random` must outlive it. */
void gh_coap_client_init(gh_coap_client *client, uv_loop_t *uv, bool stream, const gh_random *random);
/* Before the loop ends: closes the timer; run the loop until it is idle, then gh_coap_client_free. */
void gh_coap_client_close(gh_coap_client *client);
void gh_coap_client_free(gh_coap_client *client);

/* The association is established. */
void gh_coap_client_ready(gh_coap_client *client, gh_conn *conn);
/* What its connection's `data` brings. */
void gh_coap_client_data(gh_coap_client *client, gh_str octets);
/* Sends. `now_us`: wall clock. GH_EINVAL: a value that no option can carry. */
GH_MUST_USE gh_err gh_coap_client_send(gh_coap_client *client, const gh_request *request, int64_t now_us);
/* After `done` with GH_OK: the response; texts and values in `arena`. */
GH_MUST_USE gh_err gh_coap_client_response(gh_coap_client *client, gh_arena *arena, gh_response *out, gh_diag *diag);

#endif
